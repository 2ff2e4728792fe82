"""What is asked of XLA beyond what JAX documents, and whether it may be.

Two things make runs exact and sweeps fast on a CPU: calls that XLA does not inline, and
small loops that it compiles into one function. Both are attributes of calls. XLA reads
them but promises nothing, and a version that took one amiss could end the process. So a
version is tried in a process of its own before it is asked in the user's. The answer is
kept in the user's cache, for the version of XLA and the processor.

The first attribute is one that JAX itself sets and tests (`inlineable`): the versions
that the library was tested with are not tried for it. `FUNCLEARN_PLAIN=1` in the
environment asks nothing: results differ by roundings, and sweeps are slower.
"""

import contextlib
import functools
import hashlib
import logging
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
from jaxlib.version import __version__ as JAXLIB

from funclearn._places import cache_folder

__all__ = ["APART", "OPTIONS", "WHOLE", "may_ask", "may_keep_apart"]

APART = {"inlineable": "false"}
"""Marks a call that is compiled by itself."""

WHOLE = {"xla_cpu_small_call": "true", **APART}
"""Marks a call whose loop is compiled into one function."""

OPTIONS = {
    "xla_cpu_experimental_ynn_fusion_type": "",
    "xla_cpu_prefer_vector_width": 512,
}
"""Compiler options for such loops: no calls of a library, and wide vectors."""

_TESTED = frozenset({"0.10.2", "0.12.0.1"})  # versions of jaxlib
_TRIAL = "from funclearn._trial import main; main()"
_IN_TRIAL = "FUNCLEARN_TRIAL"
_PATIENCE = 120  # seconds
_PASSED, _FAILED = "passed", "failed"
# Ends of a process that say nothing of XLA: an exception of Python, and a kill.
_SAYS_NOTHING = (1, -9)


def may_keep_apart() -> bool:
    """Whether a call may be marked `APART`."""
    if jax.default_backend() != "cpu" or _plain():
        return False
    return JAXLIB in _TESTED or _is_trusted()


def may_ask() -> bool:
    """Whether a call may be marked `WHOLE` and compiled with `OPTIONS`."""
    return jax.default_backend() == "cpu" and not _plain() and _is_trusted()


def _plain() -> bool:
    return os.environ.get("FUNCLEARN_PLAIN", "0") not in ("", "0")


@functools.cache
def _is_trusted() -> bool:
    """Looks up how the trial ended, or makes it."""
    if os.environ.get(_IN_TRIAL):
        return True
    known = None
    with contextlib.suppress(OSError):
        known = (cache_folder() / _name()).read_text("utf-8")
    if known not in (_PASSED, _FAILED):
        known = _try()
        if known:
            _remember(known)
    if known != _PASSED:
        logging.getLogger(__name__).warning(
            "XLA of jaxlib %s did not pass funclearn's trial on this machine: sweeps "
            "do without what makes them fast on a CPU.",
            JAXLIB,
        )
    return known == _PASSED


def _try() -> str | None:
    """Makes the trial; None if it could not be made, so that nobody knows."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    environment |= {_IN_TRIAL: "1", "JAX_PLATFORMS": "cpu"}
    # The child imports what this process did.
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        child = subprocess.run(
            [sys.executable, "-c", _TRIAL],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, TypeError, subprocess.SubprocessError):
        return None
    if child.returncode in _SAYS_NOTHING:
        return None
    return _FAILED if child.returncode else _PASSED


def _remember(known: str) -> None:
    """Writes it down for other processes, whole or not at all."""
    try:
        answer = cache_folder() / _name()
        answer.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=answer.parent, encoding="utf-8", delete=False
        ) as file:
            file.write(known)
        os.replace(file.name, answer)
    except OSError:
        return  # where nothing can be kept, the next process tries again


def _name() -> str:
    """What an answer hangs on: XLA, the processor, and the code that asks."""
    own = Path(__file__).parent
    rooms = ("_jaxprs", "_lanes", "training")
    code = [path for room in rooms for path in sorted((own / room).glob("*.py"))]
    told = [jax.__version__, _processor(), os.environ.get("XLA_FLAGS", "")]
    digest = hashlib.sha256("\n".join(told).encode())
    for path in code:
        digest.update(path.read_bytes())
    return f"trial-jaxlib-{JAXLIB}-{digest.hexdigest()[:16]}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    kept = ("model name", "flags", "Features", "CPU part")
    told = sorted({line for line in lines if line.startswith(kept)})
    return "\n".join([platform.machine(), platform.processor(), *told])
