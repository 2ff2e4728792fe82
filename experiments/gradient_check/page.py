"""What the checks said: counts, tables and a figure."""

import collections
import itertools
from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from experiments.gradient_check.chapter import (
    GRADIENTS,
    RIGHT,
    Config,
    Setting,
    study,
)
from experiments.gradient_check.checks import (
    ACCEPTS,
    CANNOT_TELL,
    CHECKS,
    OURS,
    REJECTS,
    Duel,
)
from experiments.harness import Outcome, Plot, Table, number, style


def run(config: Config) -> Outcome:
    """Puts every gradient to every check, in every setting."""
    answers, duels = study(config)
    scores = {check: score(check, duels) for check in CHECKS}
    return Outcome(
        tables=(
            _score_table(scores),
            _gradient_table(duels),
            _setting_table(duels),
            _answer_table(answers),
        ),
        plots={
            "verdicts": Plot(
                "How often each check lets a wrong gradient pass, or rejects the right "
                f"one, in these settings: {'; '.join(map(str, duels))}.",
                partial(_draw, duels, scores),
                size=(5.2, 4.0),
            )
        },
        findings=tuple(_findings(duels, scores)),
    )


class Score(NamedTuple):
    """How a check did over all settings."""

    wrong: int
    accepted: int
    right: int
    rejected: int
    undecided: int

    @property
    def gradients(self) -> int:
        """How many gradients were put to the check."""
        return self.wrong + self.right

    @property
    def errors(self) -> int:
        """Wrong gradients accepted and right ones rejected."""
        return self.accepted + self.rejected


def score(check: str, duels: Mapping[Setting, Duel]) -> Score:
    """Counts a check's right and wrong verdicts."""
    found = [
        (name == RIGHT, verdict)
        for duel in duels.values()
        for name, verdict in duel.verdicts[check].items()
    ]
    counts = collections.Counter(found)
    right = sum(is_right for is_right, _ in found)
    return Score(
        wrong=len(found) - right,
        accepted=counts[False, ACCEPTS],
        right=right,
        rejected=counts[True, REJECTS],
        undecided=counts[True, CANNOT_TELL] + counts[False, CANNOT_TELL],
    )


def _score_table(scores: Mapping[str, Score]) -> Table:
    return Table(
        "Verdicts in all settings together",
        (
            *("Check", "Wrong gradients", "of them accepted"),
            *("Right gradients", "of them rejected", "Cannot tell"),
        ),
        tuple((check, *result) for check, result in scores.items()),
    )


def _gradient_table(duels: Mapping[Setting, Duel]) -> Table:
    columns = tuple(itertools.product(CHECKS, ("float32", "float64")))
    return Table(
        "Accepted in how many settings",
        (
            "Gradient",
            *(f"{check}, {precision[5:]} bit" for check, precision in columns),
        ),
        tuple(
            (name, *(_accepted(name, duels, *column) for column in columns))
            for name in GRADIENTS
        ),
    )


def _accepted(
    name: str, duels: Mapping[Setting, Duel], check: str, precision: str
) -> str:
    verdicts = [
        duel.verdicts[check][name]
        for setting, duel in duels.items()
        if setting.precision == precision and name in duel.verdicts[check]
    ]
    return f"{verdicts.count(ACCEPTS)} of {len(verdicts)}"


def _setting_table(duels: Mapping[Setting, Duel]) -> Table:
    return Table(
        "Wrong gradients accepted by setting, and the smallest error that is seen",
        ("Setting", *CHECKS, f"{OURS} sees"),
        tuple(
            (
                str(setting),
                *(score(check, {setting: duel}).accepted for check in CHECKS),
                duel.power,
            )
            for setting, duel in duels.items()
        ),
    )


def _answer_table(answers: Mapping[str, str]) -> Table:
    """The answers without the reports that follow them, a row a line."""
    rows = []
    for name, message in answers.items():
        said, *_ = message.partition("\n\n")
        lines = [" ".join(line.split()) for line in said.splitlines()]
        rows += zip((name, *[""] * (len(lines) - 1)), lines, strict=True)
    return Table(
        "What assert_gradients_agree says to gradients of the line",
        ("Gradient", "Answer"),
        tuple(rows),
    )


def _findings(
    duels: Mapping[Setting, Duel], scores: Mapping[str, Score]
) -> Iterator[str]:
    for check, result in scores.items():
        yield (
            f"{check} accepts {result.accepted} of {result.wrong} wrong gradients and "
            f"rejects {result.rejected} of {result.right} right ones."
        )
    near = sum(len(duel.near) for duel in duels.values())
    if near:
        yield (
            f"{near} of the gradients that {OURS} accepts agree only nearly, so that "
            "assert_gradients_agree warns of them: they are farther from finite "
            "differences than rounding explains, but by less than slips change."
        )
    for precision in ("float32", "float64"):
        powers = [duel.power for at, duel in duels.items() if at.precision == precision]
        yield (
            f"{OURS} says how small a relative error it would have caught in any entry "
            f"in {precision}: {number(max(powers), 2)} where it is hardest, "
            f"{number(min(powers), 2)} where it is easiest."
        )


def _draw(
    duels: Mapping[Setting, Duel], scores: Mapping[str, Score], axes: Axes
) -> None:
    for column, check in enumerate(CHECKS):
        for row, name in enumerate(GRADIENTS):
            said = [
                _judge(name, duel.verdicts[check][name])
                for duel in duels.values()
                if name in duel.verdicts[check]
            ]
            _fill(axes, (column, row), name == RIGHT, collections.Counter(said))
    axes.set_yticks(range(len(GRADIENTS)), GRADIENTS)
    axes.set_xticks(range(len(CHECKS)), CHECKS)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    errors = ", ".join(f"{check} {scores[check].errors}" for check in CHECKS)
    axes.set(
        title=f"Wrong verdicts among {scores[OURS].gradients}:\n{errors}",
        xlabel="Check",
        ylabel="Gradient put to it",
        xlim=(-0.5, len(CHECKS) - 0.5),
        ylim=(len(GRADIENTS) - 0.5, -0.5),
    )


def _fill(
    axes: Axes, place: tuple[int, int], is_right: bool, said: collections.Counter[str]
) -> None:
    """Colours a field by the share of wrong verdicts, and writes how many they are."""
    if not said:
        return
    wrong, total = said["wrong verdict"], said.total()
    corner = (place[0] - 0.48, place[1] - 0.46)
    axes.add_patch(
        Rectangle(
            corner, 0.96, 0.92, color=style.VERMILLION, alpha=0.7 * wrong / total, lw=0
        )
    )
    words = "accepted" if is_right else "caught"
    if wrong:
        words = f"{wrong} of {total} {'rejected' if is_right else 'pass'}"
    if said["cannot tell"]:
        words += f"\n{said['cannot tell']} of {total} open"
    axes.text(
        *place,
        words,
        ha="center",
        va="center",
        fontweight="bold" if wrong else "normal",
        color=style.INK,
    )


def _judge(name: str, verdict: str) -> str:
    if verdict == CANNOT_TELL:
        return "cannot tell"
    return (
        "right verdict" if (name == RIGHT) == (verdict == ACCEPTS) else "wrong verdict"
    )
