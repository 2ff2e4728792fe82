"""Every model is a pair of pure functions that computes its formula in NumPy."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import funclearn as fl

KEY = jax.random.key(0)
LEGACY = jax.random.PRNGKey(0)


def dense_layers(params, inputs, activation):
    layers = [params[name] for name in sorted(params)]
    for layer in layers[:-1]:
        inputs = activation(inputs @ layer["kernel"] + layer["bias"])
    return inputs @ layers[-1]["kernel"] + layers[-1]["bias"]


def wide_net(params, inputs):
    hidden = np.tanh(inputs @ params.hidden_weight + params.hidden_bias)
    return hidden @ params.output_weight + params.output_bias


class Case(NamedTuple):
    model: fl.Model
    columns: tuple[int, ...]
    formula: Callable[[Any, Any], Any]


CASES = {
    "linear": Case(fl.models.linear, (), lambda p, x: p.weight * x + p.bias),
    "neuron": Case(fl.models.neuron, (), lambda p, x: np.tanh(p.weight * x + p.bias)),
    "affine": Case(fl.models.affine(3), (3,), lambda p, x: x @ p.weight + p.bias),
    "polynomial": Case(
        fl.models.polynomial(4),
        (),
        lambda p, x: np.polynomial.Polynomial(p.coefficients)(x),
    ),
    "mlp": Case(
        fl.models.mlp((2, 5, 3, 1)), (2,), lambda p, x: dense_layers(p, x, np.tanh)
    ),
    "sine mlp": Case(
        fl.models.mlp([1, 4, 1], jnp.sin), (1,), lambda p, x: dense_layers(p, x, np.sin)
    ),
    "wide net": Case(fl.models.wide_net, (1,), wide_net),
    "nnx": Case(
        fl.models.from_nnx(lambda rngs: nnx.Linear(3, 2, rngs=rngs)),
        (3,),
        lambda p, x: x @ p["kernel"].get_value() + p["bias"].get_value(),
    ),
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@functools.cache
def initial(case):
    return case.model.init(KEY)


def some_inputs(case, dtype: Any = np.float32):
    return np.random.default_rng(0).normal(size=(5, *case.columns)).astype(dtype)


def assert_formula(case, params, inputs, rtol):
    predictions = case.model.apply(params, jnp.asarray(inputs))
    expected = case.formula(jax.tree.map(np.asarray, params), inputs)
    assert predictions.dtype == inputs.dtype
    np.testing.assert_allclose(predictions, expected, rtol=rtol, atol=rtol)


@cases
@pytest.mark.slow
def test_apply_computes_the_formula(case):
    assert_formula(case, initial(case), some_inputs(case), rtol=1e-5)


@cases
@pytest.mark.slow
def test_apply_keeps_float64(case, float64):
    params = jax.tree.map(
        # Other than zero, which initial biases may be.
        lambda leaf: jnp.asarray(np.float64(leaf) + 0.25),
        initial(case),
    )
    assert_formula(case, params, some_inputs(case, np.float64), rtol=1e-13)


def lane_of(tree, lane):
    return jax.tree.map(lambda leaf: leaf[lane], tree)


@cases
@pytest.mark.slow
def test_an_ensemble_is_an_axis_compiled_or_not(case):
    keys = jnp.stack([KEY, KEY, jax.random.key(1)])
    inputs = jnp.asarray(some_inputs(case))

    @jax.jit
    @jax.vmap
    def run(key):
        params = case.model.init(key)
        return params, case.model.apply(params, inputs)

    ensemble, predictions = run(keys)
    lanes = [lane_of(ensemble, lane) for lane in range(3)]
    same, others = (jax.tree.map(jnp.array_equal, lanes[0], lane) for lane in lanes[1:])
    assert jax.tree.all(same)
    assert not jax.tree.all(others)
    eager = jax.tree.leaves(initial(case))
    for leaf, expected in zip(jax.tree.leaves(lanes[0]), eager, strict=True):
        assert leaf.dtype == expected.dtype == jnp.float32
        np.testing.assert_allclose(leaf, expected, rtol=1e-6)
    for lane in (0, 2):
        expected = case.model.apply(lanes[lane], inputs)
        np.testing.assert_allclose(predictions[lane], expected, rtol=1e-5, atol=1e-6)


REFUSALS = {
    **{
        f"key of {name}": (lambda case=case: case.model.init(LEGACY), "key must be")
        for name, case in CASES.items()
    },
}


@pytest.mark.parametrize("call, message", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.usefixtures("plain_annotations")
def test_refusals_name_the_argument(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


DTYPES = ("bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 "
          "float16 bfloat16 float32 float64").split()  # fmt: skip
OURS = {name: CASES[name] for name in CASES if name not in ("nnx", "sine mlp")}


def numbers(dtype, columns):
    """Numbers of a dtype; the largest integers among them where a column is one."""
    count = 4 * int(np.prod(columns, dtype=int))
    values = np.arange(count) % 5 if dtype != "bool" else np.arange(count) % 2
    if dtype.startswith("float"):
        values = values - 1.5
    return values.reshape(4, *columns).astype(jnp.dtype(dtype))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.slow
def test_inputs_of_every_dtype_are_their_numbers(name):
    """Against the formula in NumPy's float64; and so are the parameters' gradients."""
    case = OURS[name]
    params = initial(case)
    exact = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    total = jax.jit(jax.grad(lambda params, x: jnp.sum(case.model.apply(params, x))))
    # What costs more to compile tries one dtype of a kind.
    for dtype in DTYPES[:: 1 if len(jax.tree.leaves(params)) <= 2 else 3]:
        inputs = numbers(dtype, case.columns)
        wanted = case.formula(exact, inputs.astype(np.float64))
        floats = total(params, jnp.asarray(inputs, jnp.float32))
        kinds = (
            [np.asarray] if inputs.dtype.itemsize == 8 else [np.asarray, jnp.asarray]
        )
        for kind in kinds:
            predictions = case.model.apply(params, kind(inputs))
            assert predictions.dtype == jnp.float32, dtype
            np.testing.assert_allclose(predictions, wanted, rtol=2e-6, atol=2e-6)
            grads = total(params, kind(inputs))
            jax.tree.map(
                lambda one, other: np.testing.assert_allclose(one, other, rtol=2e-6),
                grads,
                floats,
            )


@pytest.mark.parametrize("name", OURS)
@pytest.mark.usefixtures("plain_annotations")
def test_inputs_that_are_no_real_numbers_are_refused_by_name(name):
    model, columns = OURS[name].model, OURS[name].columns
    params = initial(OURS[name])
    for inputs, message in (
        (jnp.ones((4, *columns), complex), "inputs must be real numbers; got complex"),
        (np.full((4, *columns), "a"), "inputs must hold numbers; got text"),
        ((jnp.ones(4), jnp.ones(4)), "inputs must be an array of numbers"),
        (None, "inputs must be an array of numbers"),
    ):
        with pytest.raises(TypeError, match=message):
            model.apply(params, inputs)


def test_integers_beyond_32_bits_are_floats_of_their_size():
    people = np.array([7_794_798_739, -3])
    params = fl.models.LinearParams(jnp.float32(0.5), jnp.float32(1))
    np.testing.assert_allclose(
        fl.models.linear.apply(params, people), 0.5 * people + 1, rtol=1e-6
    )
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.float16), params)
    large = fl.models.linear.apply(half, jnp.array([100_000, 2049]))
    np.testing.assert_allclose(large, [50001, 1025.5], rtol=1e-6)


WRONG = {
    "linear of columns": (
        "linear",
        (4, 2),
        r"inputs must be one column, .* got \(4, 2\).*models\.affine",
    ),
    "neuron of columns": ("neuron", (4, 3), r"inputs must be one column, .*\(4, 3\)"),
    "polynomial of columns": ("polynomial", (4, 3), "inputs must be one column"),
    "plane of a row": (
        "affine",
        (3,),
        r"inputs must have the shape \(n, 3\); got \(3,\)",
    ),
    "plane of other columns": ("affine", (4, 2), r"shape \(n, 3\); got \(4, 2\)"),
    "network of other columns": ("mlp", (4, 3), r"shape \(n, 2\); got \(4, 3\)"),
    "network of a number": ("mlp", (), r"shape \(n, 2\); got \(\)"),
    "wide net of rows": ("wide net", (4,), r"shape \(n, 1\); got \(4,\)"),
    "wide net of a row": ("wide net", (1,), r"shape \(n, 1\); got \(1,\)"),
}


@pytest.mark.parametrize("name, shape, message", WRONG.values(), ids=WRONG)
def test_inputs_of_another_shape_are_refused(name, shape, message):
    case = CASES[name]
    for apply in (case.model.apply, jax.jit(case.model.apply)):
        with pytest.raises(ValueError, match=message):
            apply(initial(case), jnp.ones(shape))


@pytest.mark.parametrize("name", ["linear", "neuron", "polynomial"])
def test_one_column_may_have_an_axis_and_a_number_none(name):
    case = CASES[name]
    column = some_inputs(case)
    flat = case.model.apply(initial(case), jnp.asarray(column))
    tall = case.model.apply(initial(case), jnp.asarray(column[:, None]))
    one = case.model.apply(initial(case), jnp.asarray(column[0]))
    assert tall.shape == (5, 1) and one.shape == ()
    np.testing.assert_array_equal(tall[:, 0], flat)
    np.testing.assert_allclose(one, flat[0], rtol=1e-6)
