"""Splits are partitions, and training on many at once is training on each."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from matplotlib.figure import Figure
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict, cross_val_score

KEY = jax.random.key(0)
FOLDS = [(11, 2), (11, 3), (11, 5), (11, 11), (12, 4), (7, 6)]


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


@pytest.mark.parametrize("n_rows, n_folds", FOLDS)
def test_folds_hold_every_row_out_once(fl, n_rows, n_folds):
    folds = np.asarray(fl.data.folds(KEY, jnp.zeros(n_rows), n_folds))
    assert folds.shape == (n_folds, n_rows) and folds.dtype == bool
    assert (folds.sum(axis=0) == 1).all()
    assert np.ptp(folds.sum(axis=1)) <= 1


def test_folds_follow_from_the_key_alone(fl, readings):
    folds = fl.data.folds(KEY, readings, 3)
    compiled = jax.jit(fl.data.folds, static_argnums=2)(KEY, readings, 3)
    others = fl.data.folds(jax.random.key(1), readings, 3)
    assert np.array_equal(folds, compiled)
    assert not np.array_equal(folds, others)


def test_folds_are_as_likely_to_hold_out_one_row_as_another(fl, readings):
    keys = jax.random.split(KEY, 2000)
    first = jax.vmap(lambda key: fl.data.folds(key, readings, 3)[0])(keys)
    # 4 of 11 rows: a standard error of 1.1 %.
    np.testing.assert_allclose(first.mean(axis=0), 4 / 11, atol=0.05)


@pytest.mark.parametrize(
    "n_folds, error", [(1, ValueError), (12, ValueError), (2.5, TypeError)]
)
def test_folds_refuse_impossible_numbers(
    fl, readings, n_folds, error, plain_annotations
):
    with pytest.raises(error, match="n_folds"):
        fl.data.folds(KEY, readings, n_folds)


def test_leave_one_out_holds_out_one_row_a_split(validation, readings):
    np.testing.assert_array_equal(validation.leave_one_out(readings), np.eye(11))


def test_hold_out_holds_out_what_split_does(fl, validation, readings):
    masks = validation.hold_out(KEY, readings, 20, 0.3)
    for key, mask in zip(jax.random.split(KEY, 20), masks, strict=True):
        _, held_out = fl.data.split(key, readings, 0.3)
        expected = np.isin(readings.inputs, held_out.inputs)
        np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("n_folds", [3, 5, 11])
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


def test_large_data_sets_go_through_in_parts(fl, validation, readings, monkeypatch):
    masks = validation.hold_out(KEY, readings, 10)
    arguments = KEY, least_squares, readings, masks
    whole = validation.cross_validate(*arguments, evaluate=squared_error)
    monkeypatch.setattr(validation, "_COPIES", 3 * 2 * 11 * 4)
    parts = validation.cross_validate(*arguments, evaluate=squared_error)
    jax.tree.map(np.testing.assert_array_equal, parts, whole)


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


def test_summary_agrees_with_numpy(validation):
    rng = np.random.default_rng(0)
    training, held_out = rng.exponential(size=(2, 40)).astype(np.float32)
    sizes = rng.integers(1, 5, 40)
    result = validation.CrossValidation(
        validation.Losses(training, held_out, held_out - training), sizes, 9 - sizes, ()
    )
    mean, quantiles, below = result.summary((0.1, 0.9))
    np.testing.assert_allclose(
        mean.training, np.average(training, weights=9 - sizes), rtol=1e-5
    )
    np.testing.assert_allclose(
        mean.validation, np.average(held_out, weights=sizes), rtol=1e-5
    )
    np.testing.assert_allclose(mean.gap, mean.validation - mean.training, rtol=1e-5)
    for found, losses in zip(quantiles, result.losses, strict=True):
        np.testing.assert_allclose(found, np.quantile(losses, (0.1, 0.9)), rtol=1e-5)
    assert below == pytest.approx(np.mean(held_out < training))


def test_summary_is_not_a_number_where_a_loss_is_not(validation):
    losses = validation.Losses(
        jnp.array([1.0, jnp.nan]), jnp.array([0.0, 1.0]), jnp.array([-1.0, jnp.nan])
    )
    counts = np.ones(2, int)
    summary = validation.CrossValidation(losses, counts, counts, ()).summary()
    assert np.isnan(summary.validation_below_training)


@pytest.mark.parametrize("levels", [(1.5, -1), (0.5, np.nan), 0.5])
def test_refuses_levels_that_are_no_fractions(validation, levels, plain_annotations):
    counts = np.ones(2, int)
    result = validation.CrossValidation(
        validation.Losses(*3 * [jnp.ones(2)]), counts, counts, ()
    )
    with pytest.raises(ValueError, match=r"levels must be .* from 0 to 1"):
        result.summary(levels)


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


@pytest.mark.parametrize(
    "held_out, error, message",
    [
        (np.eye(11), TypeError, r"booleans.*got float64\(11, 11\)"),
        ([[True], [True, False]], TypeError, "booleans.*got a list"),
        (np.ones(11, bool), ValueError, r"\(splits, 11\)"),
        (np.eye(10, dtype=bool), ValueError, r"\(splits, 11\)"),
        (np.zeros((0, 11), bool), ValueError, r"\(splits, 11\)"),
        (np.zeros((2, 11), bool), ValueError, "both sides"),
        (np.ones((2, 11), bool), ValueError, "both sides"),
    ],
)
def test_refuses_masks_that_are_no_splits(
    validation, readings, held_out, error, message, plain_annotations
):
    with pytest.raises(error, match=message):
        validation.cross_validate(
            KEY, least_squares, readings, held_out, evaluate=squared_error
        )


def test_refuses_traced_masks(validation, readings):
    def losses(masks):
        return validation.cross_validate(
            KEY, least_squares, readings, masks, evaluate=squared_error
        ).losses

    with pytest.raises(TypeError, match="known at trace time"):
        jax.jit(losses)(validation.leave_one_out(readings))


def test_draws_the_shares_of_the_bins():
    from funclearn import plots

    samples = {
        "a": np.array([0.0, 0.0, 1.0, 2.0]),
        "b": np.array([2.0, np.nan, np.inf, 2.0]),
    }
    axes = Figure().subplots()
    lines = plots.distributions(axes, samples, bins=2)
    heights = [np.asarray(line.get_ydata()).tolist() for line in lines]
    assert heights == [[0, 0.5, 0.5, 0.5, 0.5, 0], [0, 0, 0, 0.5, 0.5, 0]]
    for line in lines:
        np.testing.assert_array_equal(line.get_xdata(), [0, 0, 1, 1, 2, 2])
    assert [line.get_label() for line in lines] == ["a", "b"]
