"""The command line of one experiment: `python -m experiments.NAME`."""

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

import jax
import tyro

import funclearn as fl
from experiments.harness import _page, _terminal
from experiments.harness._files import require_writable
from experiments.harness._interrupts import until_interrupted
from experiments.harness._programs import CompilationCache, keep_programs
from experiments.harness._refusals import in_one_line, parsed, until_refused
from experiments.harness._report import Experiment, describe, perform
from experiments.harness._resuming import Resumable
from experiments.harness._settings import Settings
from experiments.harness._streams import write_what_fits
from experiments.harness._summary import Summary

__all__ = ["launch", "refused", "run_alone"]

ConfigT = TypeVar("ConfigT")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Arguments(Generic[ConfigT]):
    config: tyro.conf.OmitArgPrefixes[ConfigT]
    out: Path = Path("results")
    """Folder for the results."""
    compilation_cache: CompilationCache = None
    """Keep compiled programs for the next start, in the user's cache or in a folder."""
    debug: tyro.conf.FlagCreatePairsOff[bool] = False
    """Show the traceback of an error."""


def launch(name: str) -> None:
    """Runs an experiment from its command line; prints and writes what it found.

    Every field of its `Config` is an option; `--out` names the folder of results,
    and `--compilation-cache` has compiled programs kept.

    Args:
        name: the experiment, a package of `experiments`.

    Raises:
        SystemExit: always. Its status is 0, or 1 where a published figure is missed,
            2 where the command line, a setting or a file is refused, and 130 after an
            interrupt.
    """
    write_what_fits()
    raise SystemExit(until_interrupted(lambda: run_alone(name, sys.argv[1:])))


def run_alone(name: str, options: Sequence[str]) -> int:
    """Runs an experiment with options of its own, and returns the exit status.

    If it is one of several processes, it ends as `funclearn.devices.worker` says.
    """

    def main() -> int:
        return fl.devices.worker(lambda: _run(describe(name), options))

    return until_refused(main, debug="--debug" in options)


def refused(experiment: Experiment, options: Sequence[str]) -> str | None:
    """Why an experiment refuses its options, in one line; None if it takes them.

    Settings are checked, and nothing is run.
    """
    try:
        _arguments_of(experiment, options)
    except SystemExit:  # after --help
        return None
    except ValueError as error:
        return in_one_line(error)
    return None


def _arguments_of(experiment: Experiment, options: Sequence[str]) -> _Arguments[object]:
    """The options of an experiment; its settings have been checked."""
    return parsed(
        _Arguments[experiment.config_type],
        options,
        _program(experiment),
        f"{experiment.summary}\n\n{experiment.explanation}",
    )


def _program(experiment: Experiment) -> str:
    return f"python -m experiments.{experiment.name}"


def _run(experiment: Experiment, options: Sequence[str]) -> int:
    arguments = _arguments_of(experiment, options)
    terminal = _terminal.console()
    if isinstance(arguments.config, Settings):
        arguments.config.prepare()
    keep_programs(arguments.compilation_cache)
    if jax.process_index():
        # The first of several processes tells and writes what all of them find.
        experiment.run(arguments.config)
        return 0
    _terminal.show_device(terminal)
    command = shlex.join([*_program(experiment).split(), *options])
    require_writable(arguments.out, experiment.name)
    if isinstance(arguments.config, Resumable):
        arguments.config.require_folder()
    summary = perform(experiment, arguments.config, arguments.out, command)
    page = _page.rebuild(arguments.out)
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
