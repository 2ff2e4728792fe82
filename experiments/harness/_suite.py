"""The command line of all experiments: `python -m experiments [NAME ...]`."""

import contextlib
import dataclasses
import difflib
import sys
import traceback
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from experiments import NAMES, TITLES
from experiments.harness import _page, _terminal
from experiments.harness._files import require_writable
from experiments.harness._launch import run_alone
from experiments.harness._programs import CompilationCache, keep_programs
from experiments.harness._refusals import in_one_line, parsed, until_refused
from experiments.harness._report import Result, compute, describe, failure, save
from experiments.harness._summary import Summary, count
from experiments.harness._workers import Died, n_processes, side_by_side

__all__ = ["main"]

_OF_ALL = ("--list", "--out", "--compilation-cache", "--debug")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Arguments:
    names: Annotated[
        tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAME ...]")
    ] = ()
    """Experiments to run; all of them if none is named."""
    list_: Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(name="list")] = (
        False
    )
    """List the experiments, and run none."""
    out: Path = Path("results")
    """Folder for the results."""
    compilation_cache: CompilationCache = None
    """Keep compiled programs for the next start, in the user's cache or in a folder."""
    debug: tyro.conf.FlagCreatePairsOff[bool] = False
    """Show the tracebacks of errors."""


def main(options: Sequence[str]) -> int:
    """Runs the experiments that the command line names.

    Where it names one first and then an option of that one's own, or `--help`, that
    one is run as `python -m experiments.NAME` runs it.

    Returns:
        The exit status: 0, or 1 where a published figure is missed or an experiment
        failed, or 2 where the command line, a setting or a file is refused.
    """
    name, *others = *options, ""
    if name in NAMES and any(map(_is_its_own, others)):
        return run_alone(name, options[1:])
    return until_refused(lambda: _main(options), debug="--debug" in options)


def _main(options: Sequence[str]) -> int:
    arguments = parsed(
        _Arguments,
        options,
        "python -m experiments",
        "Compute what the texts on the mechanics of learning publish. "
        "`NAME --help` shows the options of one experiment.",
    )
    for name in arguments.names:
        if name not in NAMES:
            raise ValueError(_unknown(name))
    terminal = _terminal.console()
    if arguments.list_:
        return _list(terminal)
    named = arguments.names or NAMES
    return _run([name for name in NAMES if name in named], arguments, terminal)


def _is_its_own(option: str) -> bool:
    """Says whether an experiment explains or takes the option, not all of them."""
    return option.startswith("-") and option.partition("=")[0] not in _OF_ALL


def _unknown(name: str) -> str:
    nearest = difflib.get_close_matches(name, NAMES, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else "--list shows them all."
    return f"no experiment is called {name!r}: {hint}"


def _list(terminal: Console) -> int:
    for name in NAMES:
        experiment = describe(name)
        terminal.print(f"{name}: {TITLES.get(name, name)}", style="bold")
        terminal.print(f"    {experiment.summary}")
        terminal.print(f"    {'; '.join(experiment.sources)}", style="dim")
    return 0


def _run(names: Sequence[str], arguments: _Arguments, terminal: Console) -> int:
    out = arguments.out
    require_writable(out, *names)
    keep_programs(arguments.compilation_cache)
    _terminal.show_device(terminal)
    progress = Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=terminal,
        transient=True,
        disable=not terminal.is_terminal,
    )
    summaries: list[Summary] = []
    with progress, contextlib.closing(_results(names, arguments)) as results:
        task = progress.add_task("experiments", total=len(names))
        for result in results:
            summaries.append(save(out, result))
            terminal.print(_terminal.progress_line(summaries[-1]), soft_wrap=True)
            progress.advance(task)
    summaries.sort(key=lambda summary: names.index(summary.name))
    page = _page.rebuild(out)
    _terminal.show_left_out(page)
    _terminal.show_published(terminal, summaries)
    terminal.print(f"\nEverything is in {page.path}")
    print(_terminal.totals(summaries))
    counted = count(summaries)
    failed = any(summary.error for summary in summaries)
    return 1 if failed or counted.met < counted.total else 0


def _results(names: Sequence[str], arguments: _Arguments) -> Generator[Result]:
    """What the experiments find, as soon as it is there."""
    compute_one = partial(_compute, debug=arguments.debug)
    processes = n_processes(len(names))
    if processes == 1:
        yield from map(compute_one, names)
        return
    # The later chapters, which are begun first, take longest.
    prepare = partial(keep_programs, arguments.compilation_cache)
    every = side_by_side(compute_one, names, processes, prepare)
    with contextlib.closing(every) as results:
        for name, result in results:
            yield _failure(name, result) if isinstance(result, Died) else result


def _compute(name: str, *, debug: bool) -> Result:
    try:
        experiment = describe(name)
        return compute(experiment, experiment.config_type(), _command(name))
    except Exception as error:
        if debug:
            traceback.print_exc()
        return _failure(name, error)


def _failure(name: str, error: Exception) -> Result:
    told = f"{name}: {type(error).__name__}: {in_one_line(error)}"
    print(f"error: {told}", file=sys.stderr)
    return failure(name, error, _command(name))


def _command(name: str) -> str:
    return f"python -m experiments.{name}"
