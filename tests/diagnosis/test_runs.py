"""The curves that are read of a run, and the runs that are refused."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

EPOCHS = np.arange(2000)
FALL = np.exp(-EPOCHS / 200)


@pytest.fixture(scope="module")
def runs(fl):
    from funclearn.diagnosis import _runs

    return _runs


def test_curves_are_those_of_the_epochs_that_ran_in_double_precision(runs, made):
    run = made([3.0, 0.1, 1.0], [5.0, 0.2, 1.0], epochs=np.asarray(2, np.int32))
    training, validation = runs.loss_curves(run)
    assert training.dtype == validation.dtype == np.float64
    assert training.tolist() == np.array([3, 0.1], np.float32).tolist()
    assert validation.tolist() == np.array([5, 0.2], np.float32).tolist()
    (alone,) = runs.loss_curves(made([3.0, np.nan]))
    np.testing.assert_array_equal(alone, [3, np.nan])


def test_a_number_of_mistakes_is_a_loss(runs, made):
    run = made([3.0, 2.0])
    run = run._replace(history=run.history._replace(evaluation=np.array([4, 2])))
    assert runs.loss_curves(run)[1].tolist() == [4, 2]


def test_metrics_without_entries_have_no_loss(runs, made):
    run = made([3.0, 2.0])
    run = run._replace(history=run.history._replace(evaluation={}))
    with pytest.raises(ValueError, match="entry 'loss'; got none"):
        runs.loss_curves(run)


@pytest.mark.parametrize(
    "curve, epoch",
    [
        ([1.0, 2.0], None),
        ([np.inf], 1),
        ([1.0, np.nan, np.inf], 2),
        ([1.0, -np.inf], 2),
    ],
)
def test_epochs_are_counted_from_one(runs, curve, epoch):
    assert runs.first_not_finite(np.array(curve)) == epoch


@pytest.mark.parametrize(
    "tree, finite",
    [
        ((), True),
        ({"a": jnp.ones(2), "b": (1, 2.0)}, True),
        ({"a": jnp.ones(2), "b": (1, math.nan)}, False),
        ([np.array([1.0, np.inf])], False),
    ],
)
def test_all_numbers_of_a_pytree_are_looked_at(runs, tree, finite):
    assert runs.all_finite(tree) is finite


def test_a_run_without_parameters_ends_with_finite_ones(fl, runs, made):
    run = made([1.0])
    assert runs.ends_finite(run)
    state = fl.init_state(jax.random.key(0), jnp.array([1.0, jnp.nan]), optax.sgd(1.0))
    assert not runs.ends_finite(run._replace(state=state))


@pytest.mark.parametrize(
    "names, code, stopped",
    [
        (("epochs",), 0, False),
        (("epochs", "diverged"), 0, False),
        (("epochs", "diverged"), 1, True),
        (("epochs", "target", "diverged"), 1, False),
    ],
)
def test_only_divergence_is_a_stop_because_of_it(fl, runs, made, names, code, stopped):
    reason = fl.stopping.Reason(np.asarray(code, np.int32), names)
    assert runs.was_stopped(made([1.0], reason=reason)) is stopped


def test_rows_that_never_ran_do_not_count(fl, made):
    padded = np.r_[10 * FALL[:500] + 1, np.full(1500, np.nan)]
    run = made(padded, epochs=np.asarray(500, np.int32))
    assert fl.diagnosis.diagnose(run).cause == "still learning"


def test_takes_the_loss_among_metrics(fl, made):
    run = made(10 * FALL + 1, 10 * FALL + 1)
    evaluation = {"error": run.history.loss, "loss": run.history.evaluation}
    other = run._replace(history=run.history._replace(evaluation=evaluation))
    assert fl.diagnosis.diagnose(other) == fl.diagnosis.diagnose(run)


@pytest.mark.parametrize(
    "training, validation, epochs, message",
    [
        (np.ones((2, 5)), None, 5, "mapped run"),
        (np.ones(5), np.ones((5, 2)), 5, "one loss an epoch"),
        (np.ones(5), None, 0, "must have epochs"),
        (-np.ones(5), None, 5, "not negative; got -1"),
        (np.ones(5), {"error": np.ones(5)}, 5, "entry 'loss'; got 'error'"),
    ],
)
def test_refuses_what_is_no_single_curve(
    fl, training, validation, epochs, message, made
):
    run = made(training, epochs=np.asarray(epochs, np.int32))
    run = run._replace(history=run.history._replace(evaluation=validation))
    with pytest.raises(ValueError, match=message):
        fl.diagnosis.diagnose(run)


def test_refuses_a_history_of_another_kind(fl, made, explain_nothing):
    run = made(np.ones(5), history=jnp.ones(5))
    for look in (fl.diagnosis.diagnose, explain_nothing()):
        with pytest.raises(TypeError, match="run must have the default history"):
            look(run)
