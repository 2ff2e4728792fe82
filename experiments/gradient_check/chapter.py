"""Puts right and wrong gradients to three gradient checks, and shows who accepts what.

Whoever derives a gradient by hand compares it with finite differences. Such a check can
err in two ways: it rejects what is right, or accepts what is wrong. JAX's check and
chex's compare along a single random direction, by one step and one tolerance for all
functions. In float32 that step is inexact, so the tolerance has to be wide, and along
one direction a wrong entry among 1537 is lost.

The check of this library looks at every entry. It measures how exact its differences
are and needs no tolerance; where they are not exact enough it says that it cannot tell.
Two of the wrong gradients are slips that were published: the arguments of the loss are
swapped, and the model is written b + w·b.

In a test of one's own that check is one line:

    def test_gradient():
        assert_gradients_agree(objective, gradient_by_hand, params, data)

It passes, or fails with the entry that is farthest off and the slip that would explain
it. Here it is asked about the right gradient of the line and both published slips.
"""

import dataclasses
import itertools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.tree_util import Partial

import funclearn as fl
from experiments._thermometer import initial_params
from experiments.gradient_check.checks import Duel, Gradient, evaluate, fight
from experiments.harness import Positive, Seed, Settings
from funclearn.models import LinearParams
from funclearn.testing import assert_gradients_agree

SOURCES = (
    "PyTorch autograd and training models",
    "Deep Learning with PyTorch, chapter 5",
    "Neuromatch, Gradient Descent and AutoGrad",
)

RIGHT = "right"
SWAPPED = "loss arguments swapped"
WRONG_MODEL = "model b + w·b"
ONE_ENTRY = "one entry twice too large"
FACTORS = {
    RIGHT: 1.0,
    "0.01% too large": 1.0001,
    "0.2% too large": 1.002,
    "1% too large": 1.01,
    "10% too large": 1.1,
    "twice too large": 2.0,
    SWAPPED: -1.0,
}
GRADIENTS = (*FACTORS, ONE_ENTRY, WRONG_MODEL)

OBJECTIVES = {
    "line": fl.make_objective(fl.models.linear, fl.losses.mse),
    "wide net": fl.make_objective(fl.models.wide_net, fl.losses.mse),
}
BY_HAND = {"line": fl.analytic.linear_mse, "wide net": fl.analytic.wide_net_mse}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    models: tuple[Literal["line", "wide net"], ...] = ("line", "wide net")
    """Models whose gradients are checked."""
    seed: Seed = 0
    """Seed of the wide net's parameters."""
    input_scale: Positive = 10.0
    """What the thermometer's readings are divided by to scale them."""


class Setting(NamedTuple):
    """A model on raw or scaled readings, in single or double precision."""

    model: str
    readings: str
    precision: str

    def __str__(self) -> str:
        """The setting in words."""
        return f"{self.model}, {self.readings}, {self.precision}"


class Result(NamedTuple):
    """What a test of one's own says, and what the checks said.

    Attributes:
        answers: gradient of the line -> the message of its test, or that it passes.
        duels: what the three checks said in every setting.
    """

    answers: dict[str, str]
    duels: dict[Setting, Duel]


def swapped_arguments(params: LinearParams, data: fl.Dataset) -> LinearParams:
    """The published gradient of a loss that takes the targets for the predictions."""
    predictions = params.weight * data.inputs + params.bias
    slopes = 2 * (data.targets - predictions) / data.targets.size
    return LinearParams(weight=jnp.sum(slopes * data.inputs), bias=jnp.sum(slopes))


def of_wrong_model(params: LinearParams, data: fl.Dataset) -> LinearParams:
    """The published gradient of a line whose predictions are b + w·b."""
    predictions = params.bias + params.weight * params.bias
    slopes = 2 * (predictions - data.targets) / data.targets.size
    return LinearParams(weight=jnp.sum(slopes * data.inputs), bias=jnp.sum(slopes))


PUBLISHED = {
    RIGHT: BY_HAND["line"],
    SWAPPED: swapped_arguments,
    WRONG_MODEL: of_wrong_model,
}


def answer(gradient: Gradient, config: Config) -> str:
    """What pytest says to a gradient of the line on scaled readings."""
    params, data = pose(Setting("line", "scaled", "float32"), config)
    try:
        assert_gradients_agree(OBJECTIVES["line"], gradient, params, data)
    except AssertionError as error:
        return f"{error}"
    return "passed"


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


def gradients(model: str, params: Any, data: fl.Dataset) -> dict[str, Gradient]:
    """Every gradient of the model that is put to the checks."""
    right = Partial(BY_HAND[model])
    factors = {
        name: jax.tree.map(lambda leaf, f=factor: np.full_like(leaf, f), params)
        for name, factor in FACTORS.items()
    }
    values = np.asarray(evaluate(right, params, data))
    one = np.ones_like(values)
    one[np.argsort(np.abs(values))[values.size // 2]] = 2
    factors[ONE_ENTRY] = _shaped(one, params)
    found = {name: Partial(tampered, right, factor) for name, factor in factors.items()}
    return found | ({WRONG_MODEL: Partial(of_wrong_model)} if model == "line" else {})


@jax.jit
def _shaped(flat: jax.Array, params: Any) -> Any:
    return ravel_pytree(params)[1](flat)


def study(config: Config) -> Result:
    """Tests the published slips, and puts every gradient to every check."""
    answers = {name: answer(gradient, config) for name, gradient in PUBLISHED.items()}
    parts = (config.models, ("raw", "scaled"), ("float32", "float64"))
    duels = {}
    for setting in itertools.starmap(Setting, itertools.product(*parts)):
        with jax.enable_x64(setting.precision == "float64"):
            params, data = pose(setting, config)
            candidates = gradients(setting.model, params, data)
            duels[setting] = fight(OBJECTIVES[setting.model], candidates, params, data)
    return Result(answers, duels)
