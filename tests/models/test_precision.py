"""Models that compute in another precision than that of their parameters."""

from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.models import LinearParams, Noted, mixed_precision

KEY = jax.random.key(0)
INPUTS = np.array([0.1, 1.7, 300.0, -5.3])
LOW = {jnp.bfloat16: ml_dtypes.bfloat16, jnp.float16: np.float16}


@pytest.mark.parametrize("dtype, numpy_dtype", LOW.items())
@pytest.mark.parametrize("wide", [jnp.float32, jnp.float64])
def test_it_computes_in_the_dtype_and_returns_that_of_the_parameters(
    dtype, numpy_dtype, wide, float64
):
    params = LinearParams(jnp.asarray(1 / 3, wide), jnp.asarray(0.7, wide))
    model = mixed_precision(fl.models.linear, dtype)
    predictions = model.apply(params, jnp.asarray(INPUTS))
    low = [np.asarray(x).astype(numpy_dtype) for x in (1 / 3, INPUTS, 0.7)]
    expected = low[0] * low[1] + low[2]
    assert predictions.dtype == wide
    # With one rounding or with two, as the compiler likes.
    eps = float(ml_dtypes.finfo(numpy_dtype).eps)
    np.testing.assert_allclose(predictions, expected.astype(float), rtol=eps)
    assert not np.allclose(predictions, INPUTS / 3 + 0.7, rtol=eps / 100)
    assert (predictions.astype(dtype).astype(wide) == predictions).all()


def test_gradients_and_updates_are_of_the_parameters_precision():
    model = mixed_precision(fl.models.linear, jnp.bfloat16)
    optimizer = optax.sgd(1e-4)
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(KEY, LinearParams._make(jnp.ones(2)), optimizer)
    state, info = step(state, fl.Dataset(jnp.ones(3), jnp.ones(3)))
    assert info.grads.weight.dtype == jnp.float32
    # bfloat16 has no number between 1 - 2^-9 and 1.
    np.testing.assert_allclose(state.params, [0.9998, 0.9998], rtol=1e-6)


class Network(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        x = nn.BatchNorm(use_running_average=not train)(x)
        x = nn.Dropout(0.5, deterministic=not train)(nn.Dense(4)(x))
        return {"values": nn.Dense(1)(x), "numbers": jnp.arange(3)}


@pytest.mark.slow
def test_notes_keep_their_dtype_and_what_is_no_number_its_own():
    inputs = jnp.arange(12.0).reshape(6, 2)
    whole = fl.models.from_linen(Network(), inputs)
    model = mixed_precision(whole, "bfloat16")
    params = model.init(KEY)
    predictions, notes = cast(Any, model.train)(params, inputs, KEY)
    assert predictions["values"].dtype == jnp.float32
    assert predictions["numbers"].dtype == jnp.int32
    old, new = (jax.tree.map(jnp.result_type, x) for x in (params.notes, notes))
    assert old == new
    expected = cast(Any, whole.train)(params, inputs, KEY)[1]
    for pair in zip(*map(jax.tree.leaves, (notes, expected)), strict=True):
        np.testing.assert_allclose(*pair, rtol=2e-2)


def test_notes_are_handed_on_as_they_are():
    seen = []

    def apply(params, inputs):
        seen.append((params.params.dtype, params.notes.dtype, inputs.dtype))
        return params.params * inputs

    def train(params, inputs, key):
        return apply(params, inputs), params.notes.astype(jnp.float16)

    model = fl.Model(lambda key: Noted(jnp.ones(()), jnp.zeros(())), apply, train)
    low = mixed_precision(model, jnp.float16)
    low.apply(low.init(KEY), jnp.ones(3))
    _, notes = cast(Any, low.train)(low.init(KEY), jnp.arange(3), KEY)
    assert notes.dtype == jnp.float32
    half, single = jnp.dtype("float16"), jnp.dtype("float32")
    assert seen == [(half, single, half), (half, single, jnp.dtype("int32"))]


def test_a_model_without_a_train_of_its_own_gets_none():
    assert mixed_precision(fl.models.linear, jnp.float16).train is None


@pytest.mark.usefixtures("plain_annotations")
def test_what_is_no_precision_is_refused():
    for dtype in (jnp.int8, "complex64", "half-life", None, 16):
        with pytest.raises(TypeError, match="dtype must be a floating-point dtype"):
            mixed_precision(fl.models.linear, cast(Any, dtype))
    with pytest.raises(TypeError, match=r"model must be a funclearn\.Model"):
        mixed_precision(cast(Any, nn.Dense(1)), jnp.float16)
