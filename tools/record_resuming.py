"""Kills the wide network's training, goes on with it, and shows both in the README.

    python tools/record_resuming.py

What the second run wrote is held against a run that nobody killed.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(?<=<!-- resuming -->\n).*?(?=<!-- end of resuming -->)", re.S)
COMMAND = "python -m experiments.wide_net --epochs 200000 --checkpoint-dir run"


def started(command: str, folder: Path) -> subprocess.Popen[str]:
    """Starts a command line of the experiments in a folder."""
    words = [sys.executable, *shlex.split(command)[1:], "--out", str(folder / "out")]
    path = os.pathsep.join([str(README.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        words,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def recorded() -> list[str]:
    """The lines of a terminal."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        killed, whole = Path(one), Path(other)
        child = started(COMMAND, killed)
        saved = killed / "run" / "wide_net"
        while child.poll() is None and len(list(saved.glob("checkpoint-*"))) < 2:
            signal.sigtimedwait([], 0.01)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        if child.returncode != -signal.SIGKILL:
            raise SystemExit("the run had ended before it was killed.")
        resumed = started(COMMAND + " --resume", killed)
        _, shown = resumed.communicate()
        started(COMMAND, whole).communicate()
        rows = "run/wide_net/history.rows"
        same = (killed / rows).read_bytes() == (whole / rows).read_bytes()
        if not same:
            raise SystemExit("the run that was killed has other losses.")
    first, *_, last = [line for line in shown.splitlines() if "epoch" in line]
    return [
        f"$ {COMMAND} & sleep 6; kill -9 $!",
        f"$ {COMMAND} --resume",
        first,
        last,
        "$ cmp {run,uninterrupted}/wide_net/history.rows && echo same",
        "same",
    ]


def main() -> None:
    """Writes them."""
    text = "\n".join(["```console", *recorded(), "```", ""])
    README.write_text(BLOCK.sub(lambda _: text, README.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
