"""A function as the graph of its operations, with values and gradients on it.

Every box is one operation. On its left stands its value, found by going forwards from
the inputs, and on its right its adjoint, the derivative of the output with respect to
that value, found by going backwards. Every arrow between numbers carries the local
derivative of the box that it leads to. The chain rule is then a matter of following
arrows: multiply along a path to the output, and add up the paths.

The first function has names for all that lies between its inputs and its output:

    f = tanh(e),  e = ln(1 + d),  d = z c,  c = a / b,  a = 2x,  b = sin(y)

No number is used twice there, so that nothing is added up. It is in the second one,
whose inputs reach the output by two paths each:

    g = ln(x) + x y - sin(y)

The others are a neuron with its squared error, the loss of a line through eleven
readings of a thermometer, and the hidden layer of the wide network, whose adjoints
start from those that the rest of the network hands back.
"""

import dataclasses
import math
import pkgutil
from collections.abc import Callable
from typing import Annotated, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name

import funclearn as fl
from experiments import _thermometer
from experiments._torch_random import neuromatch_data, neuromatch_network
from experiments.harness import Count, Range, Seed, Settings
from funclearn import analytic, graphs
from funclearn.graphs import Graph
from funclearn.models import LinearParams

SOURCES = (
    "Neuromatch, Gradient Descent and AutoGrad",
    "Deep Learning with PyTorch, chapter 5",
)


Function: TypeAlias = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


# Beyond it a square overflows in float32.
Coordinate: TypeAlias = Annotated[float, Range(-1e18, 1e18)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    function: str | None = None
    """Function of x, y and z to draw in place of the first: MODULE:NAME."""
    x: Coordinate = 0.5
    """Input x of the first function."""
    y: Coordinate = 1.0
    """Input y, in radians; not a multiple of π."""
    z: Coordinate = 2.0
    """Input z; 1 + z 2x / sin(y) has to be positive."""
    seed: Seed = 0
    """Seed of the points at which the formulas are compared with autodiff."""
    points: Count = 100
    """Number of these points."""


class Result(NamedTuple):
    """The graphs, and how far formulas are from automatic differentiation.

    Attributes:
        graphs: name -> graph.
        f_errors: `(3,)`, the largest differences of df/dx, df/dy and df/dz.
        neuron_errors: `(2,)`, those of dloss/dw and dloss/db.
    """

    graphs: dict[str, Graph]
    f_errors: np.ndarray
    neuron_errors: np.ndarray


def function(x: jax.Array, y: jax.Array, z: jax.Array) -> jax.Array:
    """The function f = tanh(ln(1 + z · 2x / sin y)), its intermediates named."""
    a = checkpoint_name(2 * x, "a")
    b = checkpoint_name(jnp.sin(y), "b")
    c = checkpoint_name(a / b, "c")
    d = checkpoint_name(z * c, "d")
    e = checkpoint_name(jnp.log1p(d), "e")
    return checkpoint_name(jnp.tanh(e), "f")


def two_paths(x: jax.Array, y: jax.Array) -> jax.Array:
    """The function g = ln(x) + x y - sin(y).

    References:
        Baydin, Pearlmutter, Radul, Siskind, Automatic differentiation in machine
        learning: a survey, Journal of Machine Learning Research 18, 2018.
    """
    return checkpoint_name(jnp.log(x) + x * y - jnp.sin(y), "g")


def neuron(params: LinearParams, x: jax.Array, y_t: jax.Array) -> jax.Array:
    """The squared error (y_t - y_p)² of a neuron, y_p = tanh(w x + b)."""
    y_p = checkpoint_name(fl.models.neuron.apply(params, x), "y_p")
    return checkpoint_name((y_t - y_p) ** 2, "loss")


def line_loss(params: LinearParams, readings: fl.Dataset) -> jax.Array:
    """The mean squared error of the line w t + b."""
    return checkpoint_name(_thermometer.evaluate(params, readings), "loss")


def hidden_layer(weight: jax.Array, bias: jax.Array, inputs: jax.Array) -> jax.Array:
    """The hidden layer of the wide network, tanh(x W + b)."""
    return checkpoint_name(jnp.tanh(inputs @ weight + bias[None, :]), "hidden")


def chosen(config: Config) -> Function:
    """The function to draw: the one of the sources, or one that the settings name.

    Raises:
        ValueError: if there is none of that name.
    """
    if config.function is None:
        return function
    try:
        named: Function = pkgutil.resolve_name(config.function)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"function must be MODULE:NAME; {error}.") from error
    if not callable(named):
        raise ValueError(f"function must be MODULE:NAME; got {config.function!r}.")
    return named


def trace_all(config: Config) -> dict[str, Graph]:
    """Traces the functions where they are to be drawn."""
    params, readings = _thermometer.initial_params(), fl.data.thermometer()
    neuron_params = LinearParams(weight=jnp.asarray(-0.5), bias=jnp.asarray(0.5))
    return {
        "function": graphs.trace(chosen(config), config.x, config.y, config.z),
        "paths": graphs.trace(two_paths, 2.0, 5.0),
        "neuron": graphs.trace(neuron, neuron_params, 1.0, 7.0),
        "thermometer": graphs.trace(line_loss, params, readings),
        "layer": trace_layer(),
    }


def trace_layer() -> Graph:
    """Traces the hidden layer, whose adjoints start from the gradient of the loss."""
    inputs, targets = map(jnp.asarray, neuromatch_data())
    weight, bias, *output_layer = (jnp.asarray(one.T) for one in neuromatch_network())

    def loss(hidden: jax.Array) -> jax.Array:
        output_weight, output_bias = output_layer
        predictions = hidden @ output_weight + output_bias[None, :]
        return fl.losses.mse(predictions, targets)

    cotangent = jax.jit(jax.grad(loss))(hidden_layer(weight, bias, inputs))
    return graphs.trace(hidden_layer, weight, bias, inputs, cotangent=cotangent)


@jax.jit
def function_gradients(points: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The gradient of f by hand and by autodiff, at points (x, y, z) `(n, 3)`."""
    by_autodiff = jax.vmap(jax.grad(lambda point: function(*point)))
    by_hand = analytic.tanh_log_ratio(*points.T)
    return jnp.stack(by_hand, axis=1), by_autodiff(points)


@jax.jit
def neuron_gradients(points: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The gradient of the neuron's loss likewise, at (w, b, x, y_t) `(n, 4)`."""

    def by_hand(point: jax.Array) -> jax.Array:
        params, data = LinearParams(*point[:2]), fl.Dataset(point[2:3], point[3:])
        return jnp.stack(analytic.neuron_mse(params, data))

    def by_autodiff(point: jax.Array) -> jax.Array:
        params, reading = LinearParams(*point[:2]), point[2:]
        return jnp.stack(jax.grad(neuron)(params, *reading))

    return jax.vmap(by_hand)(points), jax.vmap(by_autodiff)(points)


def formula_errors(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The largest differences between formulas and autodiff at random points.

    Returns:
        Those of df/dx, df/dy and df/dz, and those of dloss/dw and dloss/db.
    """
    # In double precision the formulas are compared, and not their rounding.
    with jax.enable_x64(True):
        function_key, neuron_key = jax.random.split(jax.random.key(config.seed))
        # Here sin(y) is positive, and with it 1 + d.
        points = jax.random.uniform(
            function_key, (config.points, 3), minval=0.5, maxval=2.5
        )
        readings = jax.random.normal(neuron_key, (config.points, 4))
        pairs = function_gradients(points), neuron_gradients(readings)
        f_errors, neuron_errors = (
            np.max(np.abs(by_hand - by_autodiff), axis=0)
            for by_hand, by_autodiff in pairs
        )
    return f_errors, neuron_errors


def study(config: Config) -> Result:
    """Traces the graphs, and compares formulas with automatic differentiation.

    Raises:
        ValueError: if f is not defined at (x, y, z).
    """
    sine = math.sin(config.y)
    within = sine != 0 and 1 + config.z * 2 * config.x / sine > 0
    if config.function is None and not within:
        raise ValueError(
            "1 + z 2x / sin(y) must be positive; got "
            f"x = {config.x:g}, y = {config.y:g}, z = {config.z:g}."
        )
    return Result(trace_all(config), *formula_errors(config))
