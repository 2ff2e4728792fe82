"""The command line of one experiment: `python -m experiments.NAME`."""

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Generic, TypeVar

import tyro

from experiments.harness import _page, _terminal
from experiments.harness._files import require_writable
from experiments.harness._interrupts import until_interrupted
from experiments.harness._report import describe, perform
from experiments.harness._streams import write_what_fits
from experiments.harness._summary import Summary

__all__ = ["launch", "run_alone"]

ConfigT = TypeVar("ConfigT")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Arguments(Generic[ConfigT]):
    config: tyro.conf.OmitArgPrefixes[ConfigT]
    out: Path = Path("results")
    """Folder for the results."""


def launch(name: str) -> None:
    """Runs an experiment from its command line; prints and writes what it found.

    Every field of its `Config` is an option; `--out` names the folder of results.

    Args:
        name: the experiment, a package of `experiments`.

    Raises:
        SystemExit: always. Its status is 0, or 1 where a published figure is missed
            or a setting or a file is refused, 2 where the command line is wrong, and
            130 after an interrupt.
    """
    write_what_fits()
    raise SystemExit(until_interrupted(lambda: run_alone(name, sys.argv[1:])))


def run_alone(name: str, options: list[str]) -> int:
    """Runs an experiment with options of its own, and returns the exit status."""
    experiment = describe(name)
    program = f"python -m experiments.{experiment.name}"
    try:
        arguments: _Arguments[object] = tyro.cli(
            _Arguments[experiment.config_type],
            prog=program,
            description=f"{experiment.summary}\n\n{experiment.explanation}",
            args=options,
        )
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    terminal = _terminal.console()
    _terminal.show_device(terminal)
    command = shlex.join([*program.split(), *options])
    try:
        require_writable(arguments.out)
        summary = perform(experiment, arguments.config, arguments.out, command)
        page = _page.rebuild(arguments.out)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    _terminal.show_left_out(page)
    _terminal.show_summary(terminal, summary)
    _terminal.show_published(terminal, [summary])
    folder = arguments.out / experiment.name
    terminal.print(f"\n{folder} written, and {page.path}")
    return _verdict(summary)


def _verdict(summary: Summary) -> int:
    if not summary.compared:
        print("published figures: not compared, the settings are not the default ones")
    elif summary.published:
        print(_terminal.totals([summary]))
    return 0 if all(entry.met for entry in summary.published) else 1
