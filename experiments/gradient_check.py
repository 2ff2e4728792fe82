"""Puts right and wrong gradients to three gradient checks, and shows who accepts what.

Whoever derives a gradient by hand holds it against finite differences. Such a check can
err in two ways: it rejects what is right, or accepts what is wrong. JAX's check and
chex's compare along a single random direction, by one step and one tolerance for all
functions. In float32 that step is inexact, so the tolerance has to be wide, and along
one direction a wrong entry among 1537 is lost.

The check of this library looks at every entry. It measures how exact its differences
are and needs no tolerance; where they are not exact enough it says that it cannot tell.
Two of the wrong gradients are slips that were published: the arguments of the loss are
swapped, and the model is written b + w·b.
"""

import collections
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.test_util import check_grads
from jax.tree_util import Partial
from matplotlib.figure import Figure

import funclearn as fl
from experiments import _style
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch
from experiments._thermometer import initial_params
from funclearn.models import LinearParams

SOURCES = (
    "PyTorch autograd and training models",
    "Deep Learning with PyTorch, chapter 5",
    "Neuromatch, Gradient Descent and AutoGrad",
)

ACCEPTS, REJECTS, CANNOT_TELL = "accepts", "rejects", "cannot tell"
CHECKS = JAX, CHEX, OURS = ("check_grads", "chex", "funclearn")
RIGHT = "right"
FACTORS = {
    RIGHT: 1.0,
    "0.01% too large": 1.0001,
    "0.2% too large": 1.002,
    "1% too large": 1.01,
    "10% too large": 1.1,
    "twice too large": 2.0,
    "loss arguments swapped": -1.0,
}
ONE_ENTRY = "one entry twice too large"
WRONG_MODEL = "model b + w·b"
GRADIENTS = (*FACTORS, ONE_ENTRY, WRONG_MODEL)

Gradient = Callable[[Any, fl.Dataset], Any]
Objective = Callable[[Any, fl.Dataset, Any], jax.Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    models: tuple[Literal["line", "wide net"], ...] = ("line", "wide net")
    """Models whose gradients are checked."""
    seed: int = 0
    """Seed of the wide net's parameters."""
    input_scale: float = 10.0
    """What the thermometer's readings are divided by to scale them."""


class Setting(NamedTuple):
    """A model on raw or scaled readings, in single or double precision."""

    model: str
    readings: str
    precision: str

    def __str__(self) -> str:
        """The setting in words."""
        return f"{self.model}, {self.readings}, {self.precision}"


OBJECTIVES = {
    "line": fl.make_objective(fl.models.linear, fl.losses.mse),
    "wide net": fl.make_objective(fl.models.wide_net, fl.losses.mse),
}


class Duel(NamedTuple):
    """What the checks said in one setting.

    Attributes:
        verdicts: check -> gradient -> verdict.
        power: the smallest relative error that `compare` would have caught.
    """

    verdicts: dict[str, dict[str, str]]
    power: float


def run(config: Config) -> Outcome:
    """Puts every gradient to every check, in every setting."""
    parts = (config.models, ("raw", "scaled"), ("float32", "float64"))
    duels = {}
    for setting in itertools.starmap(Setting, itertools.product(*parts)):
        with jax.enable_x64(setting.precision == "float64"):
            duels[setting] = fight(setting, *pose(setting, config))
    scores = {check: score(check, duels) for check in CHECKS}
    return Outcome(
        tables=(_score_table(scores), _gradient_table(duels), _setting_table(duels)),
        plots={
            "verdicts": Plot(
                "Every mark is one check of one gradient; from left to right in a "
                f"group: {'; '.join(map(str, duels))}.",
                partial(_draw, duels, scores),
            )
        },
        findings=tuple(_findings(duels, scores)),
    )


def pose(setting: Setting, config: Config) -> tuple[Any, fl.Dataset]:
    """The parameters and the data of a setting, in its precision."""
    data = fl.data.thermometer()
    if setting.readings == "scaled":
        data = fl.data.Scaler(input_scale=config.input_scale)(data)
    if setting.model == "line":
        return _cast((initial_params(), data), setting.precision)
    with jax.enable_x64(False):
        params = jax.jit(fl.models.wide_net.init)(jax.random.key(config.seed))
    columns = jax.tree.map(lambda leaf: leaf[:, None], data)
    return _cast((params, columns), setting.precision)


def _cast(tree: Any, precision: str) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(precision), tree)


def tampered(gradient: Gradient, factors: Any, params: Any, data: fl.Dataset) -> Any:
    """A gradient with every entry multiplied by a factor."""
    return jax.tree.map(jnp.multiply, gradient(params, data), factors)


def of_wrong_model(params: LinearParams, data: fl.Dataset) -> LinearParams:
    """The published gradient of a line whose predictions are b + w·b."""
    predictions = params.bias + params.weight * params.bias
    slopes = 2 * (predictions - data.targets) / data.targets.size
    return LinearParams(weight=jnp.sum(slopes * data.inputs), bias=jnp.sum(slopes))


def gradients(model: str, params: Any, data: fl.Dataset) -> dict[str, Gradient]:
    """Every gradient of the model that is put to the checks."""
    by_hand = {"line": fl.analytic.linear_mse, "wide net": fl.analytic.wide_net_mse}
    right = Partial(by_hand[model])
    factors = {
        name: jax.tree.map(lambda leaf, f=factor: np.full_like(leaf, f), params)
        for name, factor in FACTORS.items()
    }
    values = np.asarray(_evaluate(right, params, data))
    one = np.ones_like(values)
    one[np.argsort(np.abs(values))[values.size // 2]] = 2
    factors[ONE_ENTRY] = _shaped(one, params)
    found = {name: Partial(tampered, right, factor) for name, factor in factors.items()}
    return found | ({WRONG_MODEL: Partial(of_wrong_model)} if model == "line" else {})


@jax.jit
def _shaped(flat: jax.Array, params: Any) -> Any:
    return ravel_pytree(params)[1](flat)


def fight(setting: Setting, params: Any, data: fl.Dataset) -> Duel:
    """Puts the gradients to the three checks."""
    objective = OBJECTIVES[setting.model]
    candidates = gradients(setting.model, params, data)
    report = fl.gradients.compare(objective, params, data, against=candidates)
    meaning = {"agrees": ACCEPTS, "disagrees": REJECTS, "cannot tell": CANNOT_TELL}
    point, _ = ravel_pytree(params)
    verdicts: dict[str, dict[str, str]] = {check: {} for check in CHECKS}
    for tested in report.closed_forms:
        verdicts[OURS][tested.name] = meaning[tested.verdict]
        grads = _evaluate(candidates[tested.name], params, data)

        def function(point, grads=grads):
            return _compiled(objective, point, params, data, grads)

        verdicts[JAX][tested.name] = _verdict(check_grads, function, point)
        verdicts[CHEX][tested.name] = _verdict(
            chex.assert_numerical_grads, function, point
        )
    return Duel(verdicts, report.power)


@jax.jit
def _evaluate(gradient: Gradient, params: Any, data: fl.Dataset) -> jax.Array:
    return ravel_pytree(gradient(params, data))[0]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _with_gradient(
    objective: Objective, point: Any, params: Any, data: fl.Dataset, grads: jax.Array
) -> jax.Array:
    """The objective at a flattened point, with another gradient than its own."""
    _, unravel = ravel_pytree(params)
    return objective(unravel(point), data, None)


def _forward(objective: Objective, point: Any, params: Any, data: Any, grads: Any):
    return _with_gradient(objective, point, params, data, grads), grads


def _backward(objective: Objective, grads: jax.Array, cotangent: jax.Array):
    return cotangent * grads, None, None, None


_with_gradient.defvjp(_forward, _backward)
_compiled = jax.jit(_with_gradient, static_argnums=0)


def _verdict(check: Callable[..., None], function: Any, point: jax.Array) -> str:
    try:
        check(function, (point,), order=1, modes=("rev",))
    except AssertionError:
        return REJECTS
    return ACCEPTS


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


def _findings(
    duels: Mapping[Setting, Duel], scores: Mapping[str, Score]
) -> Iterator[str]:
    for check, result in scores.items():
        yield (
            f"{check} accepts {result.accepted} of {result.wrong} wrong gradients and "
            f"rejects {result.rejected} of {result.right} right ones."
        )
    for precision in ("float32", "float64"):
        powers = [duel.power for at, duel in duels.items() if at.precision == precision]
        yield (
            f"{OURS} says how small a relative error it would have caught in any entry "
            f"in {precision}: {max(powers):.1e} where it is hardest, {min(powers):.1e} "
            "where it is easiest."
        )


def _draw(duels: Mapping[Setting, Duel], scores: Mapping[str, Score]) -> Figure:
    figure = Figure(figsize=(7.2, 3.8))
    axes = figure.subplots()
    width = len(duels) + 1
    models = " · ".join(dict.fromkeys(setting.model for setting in duels))
    marks = {"right verdict": [], "wrong verdict": [], "cannot tell": []}
    for group, check in enumerate(CHECKS):
        for column, duel in enumerate(duels.values()):
            for row, name in enumerate(GRADIENTS):
                if verdict := duel.verdicts[check].get(name):
                    place = (group * width + column, row)
                    marks[_judge(name, verdict)].append(place)
    looks = {
        "right verdict": {"marker": ".", "color": _style.GREY, "markersize": 5},
        "wrong verdict": {"marker": "X", "color": _style.VERMILLION, "markersize": 8},
        "cannot tell": {"marker": "s", "color": _style.SKY, "markersize": 6},
    }
    for meaning, places in marks.items():
        if places:
            axes.plot(
                *zip(*places, strict=True), ls="", label=meaning, **looks[meaning]
            )
    axes.set_yticks(range(len(GRADIENTS)), GRADIENTS)
    axes.set_xticks(
        [group * width + (width - 2) / 2 for group in range(len(CHECKS))],
        [f"{models}\n{check}" for check in CHECKS],
    )
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.25), ncols=3)
    errors = ", ".join(f"{check} {scores[check].errors}" for check in CHECKS)
    axes.set(
        title=f"Errors in {scores[OURS].gradients} verdicts:\n{errors}",
        xlabel="Check, in each of the settings",
        ylabel="Gradient",
    )
    return figure


def _judge(name: str, verdict: str) -> str:
    if verdict == CANNOT_TELL:
        return "cannot tell"
    return (
        "right verdict" if (name == RIGHT) == (verdict == ACCEPTS) else "wrong verdict"
    )


if __name__ == "__main__":
    launch(run, Config)
