"""Models as pairs of pure functions: `init(key) -> params`, `apply(params, inputs)`.

Parameters are initialised as PyTorch's linear layers are, uniform in ±1/√fan_in, but
for `mlp`, `from_linen` and `from_nnx`, where flax does it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from funclearn._checks import check_key, integer_at_least
from funclearn._types import Params, Scalar

__all__ = [
    "LinearParams",
    "Model",
    "PolynomialParams",
    "WideNetParams",
    "affine",
    "from_linen",
    "from_nnx",
    "linear",
    "mlp",
    "neuron",
    "polynomial",
    "wide_net",
]


class Model(NamedTuple):
    """A pair of pure functions.

    Attributes:
        init: `init(key) -> params`, a pytree of floating-point arrays.
        apply: `apply(params, inputs) -> predictions`, for `(n, ...)` inputs.
    """

    init: Callable[[PRNGKeyArray], Params]
    apply: Callable[[Params, Any], Any]


class LinearParams(NamedTuple):
    """Weight, a scalar or one an input column, and scalar bias."""

    weight: Float[Array, "*features"]
    bias: Scalar


class PolynomialParams(NamedTuple):
    """Coefficients `(degree + 1,)`, that of x⁰ first."""

    coefficients: Float[Array, " powers"]


class WideNetParams(NamedTuple):
    """Weights and biases of a network with one hidden layer."""

    hidden_weight: Float[Array, "inputs hidden"]
    hidden_bias: Float[Array, " hidden"]
    output_weight: Float[Array, "hidden outputs"]
    output_bias: Float[Array, " outputs"]


def _uniform(key: PRNGKeyArray, shape: tuple[int, ...], fan_in: int) -> Array:
    bound = 1 / math.sqrt(fan_in)
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


def _init_linear(key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> LinearParams:
    check_key("key", key)
    weight_key, bias_key = jax.random.split(key)
    fan_in = math.prod(shape)
    return LinearParams(
        _uniform(weight_key, shape, fan_in), _uniform(bias_key, (), fan_in)
    )


def _apply_linear(params: Any, inputs: Float[Array, "*n"]) -> Float[Array, "*n"]:
    return params.weight * inputs + params.bias


def _apply_neuron(params: Any, inputs: Float[Array, "*n"]) -> Float[Array, "*n"]:
    return jnp.tanh(_apply_linear(params, inputs))


linear = Model(_init_linear, _apply_linear)
"""The line w x + b: inputs and predictions `(n,)`, `LinearParams` of two scalars."""

neuron = Model(_init_linear, _apply_neuron)
"""A neuron, tanh(w x + b): inputs and predictions `(n,)`, `LinearParams` of scalars."""


def affine(features: int) -> Model:
    """The plane Σ w_j x_j + b over several input columns.

    Args:
        features: number of input columns.

    Returns:
        A model of inputs `(n, features)` and predictions `(n,)`, whose parameters
        are `LinearParams` of a weight `(features,)` and a scalar bias.

    Raises:
        ValueError: if `features` is less than 1.
    """
    features = integer_at_least("features", features, 1)

    def apply(params: Any, inputs: Float[Array, "n features"]) -> Float[Array, " n"]:
        return inputs @ params.weight + params.bias

    return Model(lambda key: _init_linear(key, (features,)), apply)


def polynomial(degree: int) -> Model:
    """The polynomial Σ c_j x^j of one input.

    Args:
        degree: the highest power, at least 0.

    Returns:
        A model of inputs and predictions `(n,)`, with `PolynomialParams`.

    Raises:
        ValueError: if `degree` is negative.
    """
    degree = integer_at_least("degree", degree, 0)

    def init(key: PRNGKeyArray) -> PolynomialParams:
        check_key("key", key)
        return PolynomialParams(_uniform(key, (degree + 1,), degree + 1))

    def apply(params: Any, inputs: Float[Array, "*n"]) -> Float[Array, "*n"]:
        # Horner's rule.
        value = jnp.full_like(inputs, params.coefficients[degree])
        for power in range(degree - 1, -1, -1):
            value = value * inputs + params.coefficients[power]
        return value

    return Model(init, apply)


def _init_wide_net(key: PRNGKeyArray) -> WideNetParams:
    check_key("key", key)
    keys = jax.random.split(key, 4)
    width = 512
    return WideNetParams(
        hidden_weight=_uniform(keys[0], (1, width), 1),
        hidden_bias=_uniform(keys[1], (width,), 1),
        output_weight=_uniform(keys[2], (width, 1), width),
        output_bias=_uniform(keys[3], (1,), width),
    )


def _apply_wide_net(params: Any, inputs: Float[Array, "n 1"]) -> Float[Array, "n 1"]:
    hidden = jnp.tanh(inputs @ params.hidden_weight + params.hidden_bias[None, :])
    return hidden @ params.output_weight + params.output_bias[None, :]


wide_net = Model(_init_wide_net, _apply_wide_net)
"""The 1-512-1 tanh network of Neuromatch's tutorial, with `WideNetParams`: 1537
parameters, inputs and predictions `(n, 1)`."""


def mlp(
    widths: Sequence[int], activation: Callable[[Array], Array] = jnp.tanh
) -> Model:
    """A multi-layer perceptron: affine maps with an activation between them.

    Args:
        widths: the number of columns at every layer, inputs first, outputs last:
            `(1, 64, 64, 1)` has two hidden layers.
        activation: elementwise, after every layer but the last.

    Returns:
        A model of inputs `(n, widths[0])` and predictions `(n, widths[-1])`, with
        the parameters of `flax.linen.Dense` layers.

    Raises:
        ValueError: if there are fewer than two widths or one is less than 1.
    """
    widths = [
        integer_at_least(f"widths[{layer}]", width, 1)
        for layer, width in enumerate(widths)
    ]
    if len(widths) < 2:
        raise ValueError(
            f"widths must hold those of inputs and outputs at least; got {widths}."
        )
    from flax import linen

    layers: list[Any] = []
    for width in widths[1:]:
        layers += [linen.Dense(width), activation]
    return from_linen(linen.Sequential(layers[:-1]), jnp.zeros((1, widths[0])))


def from_linen(module: Any, example_inputs: Any) -> Model:
    """Makes a model of a flax linen module.

    Args:
        module: any `flax.linen.Module` whose call takes the inputs alone and whose
            only collection of variables is `params`.
        example_inputs: inputs of the right shape and dtype, to initialise with.

    Returns:
        A model whose parameters are the module's `params` collection.

    Raises:
        ValueError: from `init`, if the module keeps other collections than `params`
            (batch statistics, say): its call would not be a pure function of them.
    """

    def init(key: PRNGKeyArray) -> Params:
        check_key("key", key)
        variables = module.init(key, example_inputs)
        if set(variables) != {"params"}:
            raise ValueError(
                "module must keep its variables in the collection 'params' alone; "
                f"{type(module).__name__} keeps {sorted(variables)}."
            )
        return variables["params"]

    return Model(init, lambda params, inputs: module.apply({"params": params}, inputs))


def from_nnx(module: Any) -> Model:
    """Makes a model of a flax nnx module, split into its graph and its parameters.

    Args:
        module: `module(rngs) -> flax.nnx.Module`, called by `init` with
            `nnx.Rngs(key)`; or a finished module, whose own parameters `init` then
            returns, whatever the key. All its variables must be `nnx.Param`.

    Returns:
        A model whose parameters are the `nnx.State` of the module.

    Raises:
        ValueError: if the module keeps other variables than parameters.
    """
    from flax import nnx

    build = (lambda rngs: module) if isinstance(module, nnx.Module) else module

    def split(key: PRNGKeyArray) -> tuple[Any, Any]:
        graph, params, rest = nnx.split(build(nnx.Rngs(key)), nnx.Param, ...)
        if jax.tree.leaves(rest):
            paths = nnx.to_flat_state(rest).paths
            others = ", ".join(".".join(map(str, path)) for path in paths)
            raise ValueError(
                f"module must keep no variables but nnx.Param; it keeps {others}."
            )
        return graph, params

    graph, _ = nnx.eval_shape(lambda: split(jax.random.key(0)))

    def init(key: PRNGKeyArray) -> Params:
        check_key("key", key)
        return split(key)[1]

    return Model(init, lambda params, inputs: nnx.merge(graph, params)(inputs))
