"""Evaluations: what is judged, and of which rows."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from tests.objectives.settings import BATCH, KEY, LOSS, PARAMS


def test_the_evaluation_knows_neither_penalty_nor_noise():
    evaluate = fl.make_evaluation(fl.models.linear, fl.losses.mse)
    for function in (evaluate, jax.jit(evaluate)):
        np.testing.assert_allclose(function(PARAMS, BATCH), LOSS)


def test_metrics_come_by_name_beside_the_loss():
    evaluate = fl.make_evaluation(
        fl.models.linear,
        fl.losses.mse,
        {"mae": fl.losses.mae, "worst": lambda p, t: jnp.max(jnp.abs(p - t))},
    )
    values = jax.jit(evaluate)(PARAMS, BATCH)
    assert set(values) == {"loss", "mae", "worst"}
    np.testing.assert_allclose(values["loss"], LOSS)
    np.testing.assert_allclose(values["mae"], (1 + 0 + 4) / 3, rtol=1e-6)
    assert values["worst"] == 4


ROWS = fl.Dataset(
    jnp.asarray(np.random.default_rng(2).normal(size=(10, 3)), jnp.float32),
    jnp.asarray(np.random.default_rng(3).integers(0, 3, 10)),
)
LOGITS = fl.Model(init=lambda key: jnp.eye(3), apply=lambda params, x: x @ params)
METRICS = {
    "accuracy": fl.metrics.accuracy,
    "f1": fl.metrics.f1(),
    "matrix": fl.metrics.confusion_matrix,
    "own": lambda logits, labels, weights=None: fl.losses.mse(
        logits[:, 0], labels, weights
    ),
}


@pytest.mark.parametrize(
    "batch_size, weights",
    [(3, None), *((size, np.arange(10) % 4) for size in (1, 3, 5, 10, 64))],
)
@pytest.mark.slow
def test_batches_of_any_size_are_judged_as_all_rows(batch_size, weights):
    rows = ROWS._replace(weights=weights)
    whole = fl.make_evaluation(LOGITS, fl.losses.cross_entropy, METRICS)
    parts = fl.make_evaluation(
        LOGITS, fl.losses.cross_entropy, METRICS, batch_size=batch_size
    )
    expected = whole(jnp.eye(3), rows)
    for transform in (lambda function: function, jax.jit):
        values = transform(parts)(jnp.eye(3), rows)
        assert jax.tree.structure(values) == jax.tree.structure(expected)
        for one, other in zip(*map(jax.tree.leaves, (values, expected)), strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_allclose(one, other, rtol=1e-6)
    alone = fl.make_evaluation(LOGITS, fl.losses.cross_entropy, batch_size=batch_size)
    np.testing.assert_allclose(alone(jnp.eye(3), rows), expected["loss"], rtol=1e-6)


@pytest.mark.slow
def test_no_more_rows_than_a_batch_are_predicted_at_once():
    seen = []

    def apply(params, inputs):
        seen.append(len(inputs))
        return inputs @ params

    model = fl.Model(init=lambda key: jnp.eye(3), apply=apply)
    fl.make_evaluation(model, fl.losses.cross_entropy, batch_size=4)(jnp.eye(3), ROWS)
    assert set(seen) == {4, 2}


def test_the_average_of_the_weights_is_evaluated_where_it_is_asked_for():
    optimizer = optax.sgd(0.25)
    linear = fl.models.linear
    objective = fl.make_objective(linear, fl.losses.mse)
    step = fl.make_train_step(objective, optimizer, ema=0.5)
    state = fl.init_state(KEY, PARAMS, optimizer)
    averaged = fl.make_evaluation(linear, fl.losses.mse, averaged=True)
    latest = fl.make_evaluation(linear, fl.losses.mse)
    run = fl.fit(step, state, BATCH, BATCH, epochs=3, evaluate=averaged)
    by_hand = fl.make_train_step(objective, optimizer)
    params: list[np.ndarray] = []
    average = np.zeros(2)
    for _ in range(3):
        state, _ = by_hand(state, BATCH)
        params.append(np.array(state.params))
        average = (average + params[-1]) / 2 if len(params) > 1 else params[0]
    squares = [
        np.mean((w * np.asarray(BATCH.inputs) + b - np.asarray(BATCH.targets)) ** 2)
        for w, b in (average, params[-1])
    ]
    ends = [one(run.state.params, BATCH) for one in (averaged, latest)]
    np.testing.assert_allclose(ends, squares, rtol=1e-5)
    with pytest.raises(ValueError, match="params must hold averages"):
        averaged(PARAMS, BATCH)


@pytest.mark.usefixtures("plain_annotations")
def test_batches_have_a_size():
    for size, error in ((0, ValueError), (2.5, TypeError)):
        with pytest.raises(error, match="batch_size must be"):
            fl.make_evaluation(LOGITS, fl.losses.cross_entropy, batch_size=size)
