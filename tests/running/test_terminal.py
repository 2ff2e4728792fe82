"""A run as who sits at a terminal sees it: drawn, ended, and interrupted."""

import contextlib
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs pseudo-terminals")

# It takes the terminal as its own, which then turns Ctrl-C into a signal, and listens
# to that, which the children of a background job ignore.
PROGRAM = """
import fcntl, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
import jax, jax.numpy as jnp, optax
import funclearn as fl
inputs = jnp.linspace(-1, 1, 10_000)  # an epoch takes microseconds, all of them seconds
data = fl.Dataset(inputs, 3 * inputs + jnp.sin(9 * inputs))
line, optimizer = fl.models.linear, optax.sgd(0.1)
step = fl.make_train_step(fl.make_objective(line, fl.losses.mse), optimizer)
state = fl.init_state(jax.random.key(0), line.init(jax.random.key(1)), optimizer)
evaluate = fl.make_evaluation(line, fl.losses.mse)
options = {"evaluate": evaluate, "epochs": int(sys.argv[1]), "folder": sys.argv[2]}
fl.running.run(step, state, data, data, **options, logs=())
"""
SHOW, HIDE = "\x1b[?25h", "\x1b[?25l"
LOSSES = re.compile(r"loss [0-9.e-]+ .*validation [0-9.e-]+")


class Seen(NamedTuple):
    """What stood on a terminal, with and without its marks, and how that ended."""

    text: str
    plain: str
    status: int


def ran(epochs: int, folder: Path, key: bytes = b"") -> Seen:
    """Runs the program on a terminal of its own, of 80 columns and 24 lines.

    Args:
        epochs: how many it makes.
        folder: where it saves.
        key: what is pressed once it shows its losses; empty for nothing.
    """
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(epochs), folder],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    late = threading.Timer(100, child.kill)
    late.start()
    shown = b""
    # The end of a terminal is an error on Linux.
    with contextlib.suppress(OSError):
        while part := os.read(ours, 1 << 16):
            shown += part
            if key and b"validation" in shown:
                os.write(ours, key)
                key = b""
    status = child.wait()
    late.cancel()
    os.close(ours)
    text = shown.decode()
    return Seen(text, re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", text), status)


def check_it_was_drawn(seen: Seen) -> None:
    """It has both losses and no error, and leaves the cursor where one sees it."""
    assert LOSSES.search(seen.plain), seen.plain
    assert "Traceback" not in seen.plain
    assert seen.text.rindex(SHOW) > seen.text.rindex(HIDE)
    assert max(map(len, re.split(r"[\r\n]+", seen.plain))) < 80


def test_a_run_is_drawn_and_ends(tmp_path):
    seen = ran(40_000, tmp_path)
    assert seen.status == 0, seen.plain
    assert "40,000 / 40,000" in seen.plain
    check_it_was_drawn(seen)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    seen = ran(10**12, tmp_path, b"\x03")
    assert seen.status == 130, seen.plain
    told = "".join(seen.plain.split())
    assert re.search(r"SIGINTafterepoch\d+of\d+:saved;resume=Truegoesonfrom", told)
    assert str(tmp_path) in told and any(tmp_path.iterdir())
    check_it_was_drawn(seen)
