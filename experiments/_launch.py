"""The command line of one experiment: `python -m experiments.NAME`."""

import dataclasses
import inspect
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import tyro

from experiments import _page, _terminal
from experiments._experiment import Outcome
from experiments._interrupts import until_interrupted
from experiments._report import Experiment, describe, perform

__all__ = ["launch"]

ConfigT = TypeVar("ConfigT")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Arguments(Generic[ConfigT]):
    config: tyro.conf.OmitArgPrefixes[ConfigT]
    out: Path = Path("results")
    """Folder for the results."""


def launch(run: Callable[[ConfigT], Outcome], config_type: type[ConfigT]) -> None:
    """Runs the experiment that is the main module; prints and writes what it found.

    Every field of `config_type` is an option; `--out` names the folder of results.

    Args:
        run: the experiment.
        config_type: its settings, a dataclass with a default for each.

    Raises:
        SystemExit: always. Its status is 0, or 1 where a published figure is missed
            or a setting or a file is refused, 2 where the command line is wrong, and
            130 after an interrupt.
    """
    experiment = describe(Path(inspect.getfile(run)).stem, run, config_type)
    raise SystemExit(until_interrupted(lambda: _main(experiment, sys.argv[1:])))


def _main(experiment: Experiment, options: list[str]) -> int:
    program = f"python -m experiments.{experiment.name}"
    arguments: _Arguments[Any] = tyro.cli(
        _Arguments[experiment.config_type],
        prog=program,
        description=f"{experiment.summary}\n\n{experiment.explanation}",
        args=options,
    )
    terminal = _terminal.console()
    _terminal.show_device(terminal)
    command = shlex.join([*program.split(), *options])
    try:
        summary = perform(experiment, arguments.config, arguments.out, command)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    page = _page.rebuild(arguments.out)
    _terminal.show_summary(terminal, summary)
    _terminal.show_published(terminal, [summary])
    terminal.print(f"\n{page.parent / experiment.name} written, and {page}")
    return _verdict(summary)


def _verdict(summary: dict[str, Any]) -> int:
    if not summary["compared"]:
        print("published figures: not compared, the settings are not the default ones")
    elif summary["published"]:
        print(_terminal.totals([summary]))
    return 0 if all(entry["met"] for entry in summary["published"]) else 1
