"""What the crash test finds in a loop of others' making."""

import importlib
import shutil
import sys
import tempfile
from pathlib import Path

from funclearn.testing import assert_resumes

LOOPS = ("pickled", "orbax_manager", "flax_mnist")


def finding(name: str, kills: int | None, within: str | None = None) -> str:
    """The report of a loop that resumes; the first line of what is wrong with another.

    Args:
        name: the module of the loop.
        kills: after how many of its writes; None is after each.
        within: where to put its folder. On a tmpfs no loss of power is simulated.
    """
    module = f"benchmarks.crash.{name}"
    result = importlib.import_module(module).RESULT
    with tempfile.TemporaryDirectory(dir=within) as temporary:
        folder = Path(temporary) / "run"
        try:
            report = assert_resumes(
                [sys.executable, "-m", module, str(folder)],
                folder=folder,
                result=result,
                kills=kills,
                seconds=120,
            )
        except AssertionError as error:
            return _in_short(f"{error}")
    return f"resumes; {report}"


def _in_short(message: str) -> str:
    """The finding and the last line of standard error; the copies are taken away."""
    said, *_ = message.splitlines()
    for line in message.splitlines():
        if line.startswith("Again: fill "):
            copies = Path(line.split(" from ")[1].split(" and start it")[0]).parent
            shutil.rmtree(copies)
    if "The end of its standard error:" in message:
        said += f" {message.splitlines()[-1]}"
    return said
