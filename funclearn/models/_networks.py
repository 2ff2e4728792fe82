"""Networks with hidden layers."""

import contextlib
import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from funclearn._arrays import as_floats
from funclearn._checks import check_key, integer_at_least
from funclearn._types import Params
from funclearn.models._linen import pure_linen
from funclearn.models._model import Model, check_shape, uniform

__all__ = ["WideNetParams", "mlp", "wide_net"]


class WideNetParams(NamedTuple):
    """Weights and biases of a network with one hidden layer."""

    hidden_weight: Float[Array, "inputs hidden"]
    hidden_bias: Float[Array, " hidden"]
    output_weight: Float[Array, "hidden outputs"]
    output_bias: Float[Array, " outputs"]


def _init_wide_net(key: PRNGKeyArray) -> WideNetParams:
    check_key("key", key)
    return _draw_wide_net(key)


# Eager code compiles every operation by itself; as one they are ready sooner.
@functools.partial(jax.jit, inline=True)
def _draw_wide_net(key: PRNGKeyArray) -> WideNetParams:
    keys = jax.random.split(key, 4)
    width = 512
    return WideNetParams(
        hidden_weight=uniform(keys[0], (1, width), 1),
        hidden_bias=uniform(keys[1], (width,), 1),
        output_weight=uniform(keys[2], (width, 1), width),
        output_bias=uniform(keys[3], (1,), width),
    )


def _apply_wide_net(params: WideNetParams, inputs: PyTree) -> Float[Array, "n 1"]:
    inputs = as_floats("inputs", inputs, params)
    check_shape("inputs", inputs, "n", 1)
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

    Example:
        >>> model = fl.models.mlp((2, 8, 1))
        >>> params = model.init(jax.random.key(0))
        >>> print(sum(leaf.size for leaf in jax.tree.leaves(params)))  # 24 + 9
        33
        >>> print(model.apply(params, jnp.zeros((5, 2))).shape)
        (5, 1)
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

    layers: list[Callable[[Array], Array]] = []
    for width in widths[1:]:
        layers += [linen.Dense(width, kernel_init=_lecun_normal), activation]
    # One of JAX's would begin its work, before which several processes have to meet.
    example = np.zeros((1, widths[0]), np.float32)
    model = pure_linen(linen.Sequential(layers[:-1]), example)
    # What linen.Sequential calls its parts that are not activations.
    names = [f"layers_{2 * layer}" for layer in range(len(widths) - 1)]

    def apply(params: Params, inputs: PyTree) -> Array:
        inputs = as_floats("inputs", inputs, params)
        if jnp.shape(inputs)[-1:] != (widths[0],):
            check_shape("inputs", inputs, "n", widths[0])
        return model.apply(params, inputs)

    return Model(_as_one_program(model.init, names), apply)


def _lecun_normal(
    key: PRNGKeyArray, shape: tuple[int, int], dtype: DTypeLike
) -> Float[Array, "inputs outputs"]:
    """What `flax.linen.initializers.lecun_normal` draws.

    XLA compiles the numbers of one row several times faster than those of a narrow
    matrix, which on a CPU is most of the time of an initialisation.
    """
    drawn = jax.random.truncated_normal(key, -2, 2, (math.prod(shape),), dtype)
    # Of a normal distribution that is cut at two standard deviations, the deviation.
    cut = np.asarray(0.87962566103423978, dtype)
    return drawn.reshape(shape) * (np.sqrt(np.asarray(1 / shape[0], dtype)) / cut)


_Init: TypeAlias = Callable[[PRNGKeyArray], Params]


def _as_one_program(init: _Init, names: Sequence[str]) -> _Init:
    """Compiles the initialisation of dense layers, once in the life of the result."""
    program = jax.jit(init, inline=True)

    def init_dense(key: PRNGKeyArray) -> Params:
        check_key("key", key)
        # An activation that JAX cannot trace can still be called.
        with contextlib.suppress(Exception):
            params = program(key)
            # Parameters of an activation may be rounded otherwise in one program.
            if set(params) == set(names):
                # JAX sorts the entries of a dictionary; here they are as flax has them.
                parts = ("kernel", "bias")
                return {
                    name: {part: params[name][part] for part in parts} for name in names
                }
        return init(key)

    return init_dense
