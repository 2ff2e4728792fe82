"""Splits are partitions, and training on many at once is training on each."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict, cross_val_score

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def fl():
    import funclearn

    return funclearn


@pytest.fixture(scope="module")
def validation():
    from funclearn import validation

    return validation


@pytest.fixture(scope="module")
def readings(fl):
    return fl.data.Scaler(input_scale=10.0)(fl.data.thermometer())


@pytest.fixture(scope="module")
def evaluate(fl):
    return fl.make_evaluation(fl.models.linear, fl.losses.mse)


def least_squares(train, validation, key):
    """The line of smallest training loss, in closed form."""
    del validation, key
    centred = train.inputs - jnp.mean(train.inputs)
    slope = jnp.sum(centred * train.targets) / jnp.sum(centred**2)
    return slope, jnp.mean(train.targets) - slope * jnp.mean(train.inputs)


def squared_error(line, rows):
    return jnp.mean((line[0] * rows.inputs + line[1] - rows.targets) ** 2)


@pytest.mark.parametrize("n_folds", [3, 5, 11])
@pytest.mark.slow
def test_agrees_with_scikit_learn_on_unequal_folds(
    fl, validation, readings, n_folds, float64
):
    data = fl.Dataset(*(np.asarray(column, np.float64) for column in readings))
    folds = fl.data.folds(KEY, data, n_folds)
    result = validation.cross_validate(
        KEY, least_squares, data, folds, evaluate=squared_error
    )
    numbers = np.argmax(folds, axis=0)
    problem = LinearRegression(), data.inputs[:, None], data.targets
    scores = cross_val_score(
        *problem, cv=PredefinedSplit(numbers), scoring="neg_mean_squared_error"
    )
    np.testing.assert_allclose(result.losses.validation, -scores, rtol=1e-10)
    predictions = cross_val_predict(*problem, cv=PredefinedSplit(numbers))
    np.testing.assert_allclose(
        result.summary().mean.validation,
        np.mean((predictions - data.targets) ** 2),
        rtol=1e-10,
    )
    np.testing.assert_array_equal(result.held_out, np.bincount(numbers))
    np.testing.assert_array_equal(result.trained, 11 - np.bincount(numbers))


@pytest.mark.slow
def test_every_split_is_the_run_of_its_rows(fl, validation, readings, evaluate):
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    optimizer = optax.sgd(1e-2)
    step = fl.make_train_step(objective, optimizer)
    seen = []

    def run(train, held_out, key):
        seen.append(1)
        state = fl.init_state(key, fl.models.linear.init(key), optimizer)
        stop = fl.stopping.patience(5)
        return fl.fit(
            step, state, train, held_out, epochs=200, evaluate=evaluate, stop=stop
        )

    def judge(fitted, rows):
        return evaluate(fitted.state.params, rows)

    masks = np.concatenate(
        [fl.data.folds(KEY, readings, 3), validation.leave_one_out(readings)[:2]]
    )[::-1]
    result = validation.cross_validate(KEY, run, readings, masks, evaluate=judge)
    traced = len(seen)
    keys = jax.random.split(KEY, len(masks))
    for lane, (mask, key) in enumerate(zip(masks, keys, strict=True)):
        train, held_out = (fl.data.take(readings, rows) for rows in (~mask, mask))
        alone = run(train, held_out, key)
        fitted = jax.tree.map(lambda leaf, lane=lane: leaf[lane], result.fitted)
        np.testing.assert_allclose(fitted.history.loss, alone.history.loss, rtol=1e-4)
        assert str(fitted.reason) == str(alone.reason)
        losses = judge(alone, train), judge(alone, held_out)
        np.testing.assert_allclose(
            [loss[lane] for loss in result.losses],
            [*losses, losses[1] - losses[0]],
            rtol=1e-3,
            atol=1e-5,
        )
    assert len(set(result.fitted.epochs.tolist())) > 1
    del seen[:]
    validation.cross_validate(KEY, run, readings, masks, evaluate=judge)
    assert traced > 0 and not seen


def test_runs_get_their_rows_and_a_key_of_their_own(fl, validation):
    rows = fl.Dataset(jnp.arange(7.0), jnp.arange(7.0))

    def run(train, held_out, key):
        return train.inputs, held_out.inputs, key

    masks = np.random.default_rng(0).permuted(np.eye(5, 7, dtype=bool), axis=1)
    masks |= np.roll(masks, 1, axis=1)
    result = validation.cross_validate(
        KEY, run, rows, masks, evaluate=lambda fitted, rows: jnp.sum(rows.inputs)
    )
    train, held_out, keys = result.fitted
    for lane, mask in enumerate(masks):
        np.testing.assert_array_equal(train[lane], np.flatnonzero(~mask))
        np.testing.assert_array_equal(held_out[lane], np.flatnonzero(mask))
    np.testing.assert_array_equal(
        jax.random.key_data(keys), jax.random.key_data(jax.random.split(KEY, 5))
    )


@pytest.mark.slow
def test_large_data_sets_go_through_in_parts(fl, validation, readings, monkeypatch):
    masks = validation.hold_out(KEY, readings, 10)
    arguments = KEY, least_squares, readings, masks
    whole = validation.cross_validate(*arguments, evaluate=squared_error)
    monkeypatch.setattr("funclearn.validation._cross_validate._COPIES", 3 * 2 * 11 * 4)
    parts = validation.cross_validate(*arguments, evaluate=squared_error)
    jax.tree.map(np.testing.assert_array_equal, parts, whole)


@pytest.mark.slow
def test_goes_through_a_sweep_over_learning_rates(fl, validation, readings, evaluate):
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    masks = fl.data.folds(KEY, readings, 5)

    def losses(rate):
        optimizer = optax.sgd(rate)
        step = fl.make_train_step(objective, optimizer)

        def run(train, _, key):
            state = fl.init_state(key, fl.models.linear.init(key), optimizer)
            return fl.fit(step, state, train, epochs=20).state.params

        result = validation.cross_validate(KEY, run, readings, masks, evaluate=evaluate)
        return result.losses.validation

    rates = jnp.array([1e-3, 1e-2])
    mapped = jax.jit(jax.vmap(losses))(rates)
    np.testing.assert_allclose(mapped, [losses(rate) for rate in rates], rtol=1e-4)


def test_data_may_be_traced(validation, readings):
    masks = validation.leave_one_out(readings)

    def losses(dataset):
        return validation.cross_validate(
            KEY, least_squares, dataset, masks, evaluate=squared_error
        ).losses

    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-4),
        jax.jit(losses)(readings),
        losses(readings),
    )


@pytest.mark.slow
def test_takes_the_loss_from_an_evaluation_with_metrics(fl, validation, readings):
    model, loss = fl.models.linear, fl.losses.mse

    def run(train, held_out, key):
        return fl.models.LinearParams(*least_squares(train, held_out, key))

    masks = fl.data.folds(KEY, readings, 3)
    plain, metrics = (
        validation.cross_validate(KEY, run, readings, masks, evaluate=evaluate).losses
        for evaluate in (
            fl.make_evaluation(model, loss),
            fl.make_evaluation(model, loss, {"mae": fl.losses.mae}),
        )
    )
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), metrics, plain)


def test_every_entry_of_an_evaluation_is_returned(fl, validation, readings):
    def evaluate(line, rows):
        errors = line[0] * rows.inputs + line[1] - rows.targets
        return {
            "loss": jnp.mean(errors**2),
            "mae": jnp.mean(jnp.abs(errors)),
            "far": jnp.sum(jnp.abs(errors) > 2),
            "any far": jnp.any(jnp.abs(errors) > 2),
            "range": {"low": jnp.min(errors), "both": jnp.stack([errors[0]] * 2)},
        }

    masks = np.asarray(fl.data.folds(KEY, readings, 3))
    result = validation.cross_validate(
        KEY, least_squares, readings, masks, evaluate=evaluate
    )
    inputs, targets = (np.asarray(leaf, np.float64) for leaf in readings)
    wanted = {"mae": [], "far": []}
    for mask in masks:
        line = np.polyfit(inputs[~mask], targets[~mask], 1)
        errors = np.abs(np.polyval(line, inputs) - targets)
        wanted["mae"].append([np.mean(errors[~mask]), np.mean(errors[mask])])
        wanted["far"].append([np.sum(errors[~mask] > 2), np.sum(errors[mask] > 2)])
    for name, values in wanted.items():
        training, held_out, gap = result.metrics[name]
        np.testing.assert_allclose(np.stack([training, held_out], 1), values, rtol=1e-4)
        np.testing.assert_allclose(gap, held_out - training, rtol=1e-6)
    any_far = result.metrics["any far"]
    np.testing.assert_array_equal(any_far.validation, np.array(wanted["far"])[:, 1] > 0)
    assert any_far.gap.dtype == jnp.int32
    assert result.metrics["range"].validation["both"].shape == (3, 2)
    jax.tree.map(np.testing.assert_array_equal, result.metrics["loss"], result.losses)


def test_refuses_evaluations_of_unequal_shape(fl, validation, readings):
    def evaluate(line, rows):
        return {"loss": squared_error(line, rows), "errors": rows.targets}

    message = r"evaluate\(fitted, held_out\)\['errors'\] must be float32\(9,\)"
    with pytest.raises(ValueError, match=message):
        validation.cross_validate(
            *(KEY, least_squares, readings, fl.data.folds(KEY, readings, 4)),
            evaluate=evaluate,
        )


def test_integers_that_jax_cannot_hold_are_refused(fl, validation):
    rows = fl.Dataset(np.int64([0, 1, 2**40]), np.zeros(3))
    with pytest.raises(ValueError, match=r"dataset\.inputs must fit into JAX's int32"):
        validation.cross_validate(
            KEY, least_squares, rows, np.eye(3, dtype=bool), evaluate=squared_error
        )


@pytest.mark.parametrize(
    "evaluate, got",
    [
        (lambda line, rows: jnp.ones(4), r"float32\(4,\)"),
        (lambda line, rows: jnp.any(rows.inputs > 0), r"bool\(\)"),
        (lambda line, rows: {"mae": jnp.ones(())}, r"\{'mae': 'float32\(\)'\}"),
        (lambda line, rows: None, "None"),
    ],
)
def test_refuses_evaluations_that_are_no_loss(validation, readings, evaluate, got):
    masks = validation.leave_one_out(readings)
    with pytest.raises(TypeError, match=f"evaluate must return a loss.*got {got}"):
        validation.cross_validate(
            KEY, least_squares, readings, masks, evaluate=evaluate
        )


def test_refuses_results_of_unequal_shape_before_it_trains(fl, validation, readings):
    trained = []

    def run(train, held_out, key):
        jax.debug.callback(lambda: trained.append(1))
        return held_out.inputs

    with pytest.raises(ValueError, match=r"run\(\.\.\.\) must .* hold out 2 rows"):
        validation.cross_validate(
            *(KEY, run, readings, fl.data.folds(KEY, readings, 4)),
            evaluate=lambda fitted, rows: jnp.mean(rows.targets),
        )
    jax.effects_barrier()
    assert not trained


def test_takes_data_sets_without_columns(fl, validation):
    rows = jnp.zeros((5, 0))
    result = validation.cross_validate(
        *(KEY, lambda train, held_out, key: (), rows, fl.data.folds(KEY, rows, 2)),
        evaluate=lambda fitted, rows: jnp.asarray(float(len(rows))),
    )
    np.testing.assert_array_equal(result.losses.validation, result.held_out)


def test_a_display_counts_splits_and_changes_no_bit(fl, validation, readings):
    from tests.runs import Display, equal

    masks = fl.data.folds(KEY, readings, 3)  # of two sizes
    display = Display()
    given = (KEY, least_squares, readings, masks)
    shown = validation.cross_validate(*given, evaluate=squared_error, progress=display)
    assert equal(shown, validation.cross_validate(*given, evaluate=squared_error))
    losses = np.asarray(shown.losses.validation)
    assert display.seen[-1][:3] == (3, 3, float(losses.min()))
    assert display.closed == 1
