"""The gradient of a batch in parts, against that of the whole batch."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import funclearn as fl
from funclearn.gradients import accumulated, autodiff, with_notes
from funclearn.models import Noted
from tests.two_layers import OBJECTIVE, some_params

KEY = jax.random.key(3)
SIZES = [4, 10, 11, 30]


def some_rows():
    rng = np.random.default_rng(11)
    inputs, targets = rng.normal(size=(11, 3)), rng.normal(size=(11, 1))
    return fl.Dataset(jnp.asarray(inputs), jnp.asarray(targets))


def assert_close(tree, other, rtol=1e-12):
    for pair in zip(*map(jax.tree.leaves, (tree, other)), strict=True):
        np.testing.assert_allclose(*pair, rtol=rtol, atol=1e-14)


@pytest.mark.parametrize("size", SIZES)
def test_it_is_that_of_the_whole_batch_penalty_and_all(size, float64):
    rows, params = some_rows(), some_params()
    expected = jax.jit(autodiff(OBJECTIVE))(params, rows, None)
    got = jax.jit(accumulated(size)(OBJECTIVE))(params, rows, None)
    assert_close(got, expected)
    for one, other in zip(*map(jax.tree.leaves, (got, expected)), strict=True):
        assert one.dtype == other.dtype


def test_of_a_line_it_is_the_closed_form(float64):
    rows = fl.Dataset(*map(jnp.asarray, np.random.default_rng(0).normal(size=(2, 11))))
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    params = fl.models.LinearParams._make([jnp.asarray(1.5), jnp.asarray(-0.5)])
    loss, grads = jax.jit(accumulated(4)(objective))(params, rows, KEY)
    residuals = 1.5 * np.asarray(rows.inputs) - 0.5 - np.asarray(rows.targets)
    np.testing.assert_allclose(loss, np.mean(residuals**2), rtol=1e-13)
    slope = np.mean(2 * residuals * np.asarray(rows.inputs))
    np.testing.assert_allclose(grads, [slope, np.mean(2 * residuals)], rtol=1e-13)


def test_weights_of_classes_are_those_of_their_rows(float64):
    """Against PyTorch's mean, the sum of weighted losses over that of their weights."""
    rng = np.random.default_rng(2)
    x, matrix = rng.normal(size=(11, 3)), rng.normal(size=(3, 3))
    labels, of_class = rng.integers(0, 3, size=11), np.array([1.0, 5.0, 0.3])
    model = fl.Model(lambda key: jnp.asarray(matrix), lambda p, x: x @ p)
    objective = fl.make_objective(model, fl.losses.cross_entropy)
    rows = fl.Dataset(jnp.asarray(x), jnp.asarray(labels), of_class[labels])
    loss, grads = jax.jit(accumulated(4)(objective))(jnp.asarray(matrix), rows, None)
    odds = np.exp(x @ matrix)
    share = odds / odds.sum(axis=1, keepdims=True)
    counted = of_class[labels] / of_class[labels].sum()
    of_label = share[np.arange(11), labels]
    np.testing.assert_allclose(loss, -counted @ np.log(of_label), rtol=1e-13)
    slopes = counted[:, None] * (share - np.eye(3)[labels])
    np.testing.assert_allclose(grads, x.T @ slopes, rtol=1e-11, atol=1e-14)


def test_weighted_rows_count_by_their_weights(float64):
    rng = np.random.default_rng(1)
    x, y, weights = rng.normal(size=(3, 11))
    weights = np.abs(weights)
    weights[4:8] = 0  # a whole part without any weight

    def objective(w, batch, key):
        loss = jnp.sum(batch.weights * (w * batch.inputs - batch.targets) ** 2)
        return loss / jnp.sum(batch.weights) + 0.5 * w**2

    rows = fl.Dataset(*map(jnp.asarray, (x, y, weights)))
    loss, grad = jax.jit(accumulated(4)(objective))(jnp.asarray(1.5), rows, None)
    mean = np.average((1.5 * x - y) ** 2, weights=weights)
    np.testing.assert_allclose(loss, mean + 0.5 * 1.5**2, rtol=1e-13)
    slope = np.average(2 * x * (1.5 * x - y), weights=weights)
    np.testing.assert_allclose(grad, slope + 1.5, rtol=1e-13)


def test_a_batch_in_which_nothing_counts_changes_nothing():
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    rows = fl.Dataset(jnp.ones(5), jnp.zeros(5), jnp.zeros(5))
    params = fl.models.LinearParams(jnp.float32(1), jnp.float32(0))
    for method in (autodiff, accumulated(2)):
        loss, grads = method(objective)(params, rows, None)
        assert loss == 0 and tuple(grads) == (0, 0)


def test_every_part_has_a_key_of_its_own():
    def draw(w, batch, key):
        return w * jax.random.uniform(key)

    rows = jnp.zeros(5)
    _, grads = accumulated(2)(draw)(1.0, rows, KEY)
    draws = [float(jax.random.uniform(jax.random.fold_in(KEY, n))) for n in range(3)]
    np.testing.assert_allclose(grads, np.dot([2, 2, 1], draws) / 5, rtol=1e-6)
    assert accumulated(5)(draw)(1.0, rows, KEY)[1] == jax.random.uniform(KEY)


def square(w, batch, key):
    return jnp.mean((w * batch - 1) ** 2)


def test_any_method_may_be_that_of_a_part(float64):
    rows = np.arange(1.0, 8.0)
    expected = np.mean(2 * rows * (1.5 * rows - 1))
    for method in (
        accumulated(4, fl.gradients.finite_difference(step=0.5)),  # of a parabola
        accumulated(4, accumulated(3)),
    ):
        _, grad = jax.jit(method(square))(jnp.asarray(1.5), jnp.asarray(rows), None)
        np.testing.assert_allclose(grad, expected, rtol=1e-12)


@pytest.mark.slow
def test_a_run_with_it_is_the_run_without(float64):
    rows, sgd = jnp.asarray(np.random.default_rng(2).normal(size=11)), optax.sgd(0.1)
    runs = [
        fl.fit(
            fl.make_train_step(square, sgd, gradient=method),
            fl.init_state(KEY, jnp.asarray(1.5), sgd),
            rows,
            epochs=3,
            batch_size=8,
        )
        for method in (autodiff, accumulated(3))
    ]
    assert_close(runs[1].state.params, runs[0].state.params)
    assert_close(runs[1].history, runs[0].history)


def test_low_precision_is_summed_in_float32():
    def objective(w, batch, key):
        return jnp.mean(w * batch)

    ones = jnp.ones(1024, jnp.bfloat16)
    loss, grad = accumulated(1)(objective)(jnp.ones((), jnp.bfloat16), ones, None)
    assert (loss, grad, grad.dtype) == (1, 1, jnp.bfloat16)


def noting(params, batch, key):
    """Notes the sum of the rows so far, by which the loss is moved."""
    notes = params.notes + jnp.sum(batch)
    return params.params * jnp.mean(batch) + params.notes, notes


def test_notes_go_from_part_to_part():
    rows, params = jnp.arange(5.0), Noted(jnp.float32(2), jnp.float32(0))
    for method in (accumulated(2), accumulated(2, fl.gradients.finite_difference())):
        loss, grad, notes = jax.jit(with_notes(method, noting))(params, rows, None)
        # Parts [0 1], [2 3] and [4], moved by 0, 1 and 6.
        np.testing.assert_allclose(loss, 2 * 2 + (2 * 0 + 2 * 1 + 1 * 6) / 5, rtol=1e-6)
        np.testing.assert_allclose(grad, 2, rtol=1e-3)
        assert notes == 10


def test_a_train_step_threads_them():
    class Objective:
        with_notes = staticmethod(noting)

        def __call__(self, params, batch, key):
            return noting(params, batch, key)[0]

    optimizer = optax.sgd(0.5)
    step = fl.make_train_step(Objective(), optimizer, gradient=accumulated(2))
    state = fl.init_state(KEY, Noted(2.0, jnp.float32(0)), optimizer)
    state, _ = step(state, jnp.arange(5.0))
    assert state.params == Noted(1, 10)


@pytest.mark.slow
def test_it_takes_less_memory():
    """Of what backpropagation keeps, that of one part; less than a third here."""

    def objective(w, batch, key):
        return jnp.mean(jnp.tanh(jnp.tanh(batch @ w) @ w))

    def bytes_of(method):
        square, rows = jnp.ones((32, 32)), jnp.ones((4096, 32))
        lowered = jax.jit(method(objective)).lower(square, rows, None)
        analysis: Any = lowered.compile().memory_analysis()
        return analysis.temp_size_in_bytes

    assert 3 * bytes_of(accumulated(256)) < bytes_of(autodiff)


def test_parts_may_be_taken_on_every_device():
    mesh = jax.make_mesh((1,), ("d",), axis_types=(AxisType.Auto,))

    def step(w, rows):
        w = w[0]
        loss, grad = accumulated(2)(lambda w, rows, key: jnp.mean(w * rows))(
            w, rows, None
        )
        return jnp.stack([loss, grad])[None]

    spread = jax.shard_map(step, mesh=mesh, in_specs=P("d"), out_specs=P("d"))
    found = jax.jit(spread)(2 * jnp.ones(1), jnp.arange(5.0))
    assert found.tolist() == [[4, 2]]


@pytest.mark.usefixtures("plain_annotations")
def test_what_it_cannot_use_is_refused():
    with pytest.raises(TypeError, match="batch_size must be an integer"):
        accumulated(cast(Any, 2.5))
    with pytest.raises(ValueError, match="batch_size must be at least 1; got 0"):
        accumulated(0)
    with pytest.raises(TypeError, match="method must be a gradient method"):
        accumulated(2, cast(Any, "autodiff"))
    with pytest.raises(ValueError, match="batch must hold arrays with one leading"):
        accumulated(2)(lambda w, batch, key: w)(1.0, (jnp.ones(2), jnp.ones(3)), None)
    with pytest.raises(TypeError, match="params must be floating-point"):
        accumulated(2)(lambda w, batch, key: w)(1, jnp.ones(2), None)
    with pytest.raises(ValueError, match=r"model\.train\(\.\.\.\)\[1\] must"):
        careless = with_notes(accumulated(2), lambda w, batch, key: (w.params, None))
        careless(Noted(1.0, jnp.ones(2)), jnp.ones(4), None)
