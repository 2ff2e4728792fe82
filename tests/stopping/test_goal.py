"""What is watched, and what the best parameters go by."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

LOSSES = [9.0, 5.0, 5.5, 4.0, 4.1, 4.2, 3.999, 4.5, 1.0, 2.0, 3.0, 0.5]
ACCURACY = [0.1, 0.9, 0.4, 0.5, 0.8, 0.6, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
VALIDATION = [5.0, 4.0, 3.0, 2.0, 2.5, 2.6, 1.5, 2.7, 2.8, 2.9, 3.0, 3.1]


@pytest.fixture(scope="module")
def scored(fl, replay):
    """Runs whose evaluation holds a loss and an accuracy."""

    def evaluate(params, rows):
        past = jnp.searchsorted(rows.inputs, (1.0 - params["p"]) / 0.1 - 1e-3)
        loss, accuracy = rows.targets[past]
        return {"loss": loss, "accuracy": accuracy}

    def run(stop=None, **options):
        both = jnp.stack([jnp.array(VALIDATION), jnp.array(ACCURACY)], axis=1)
        return replay(LOSSES, both, evaluate=evaluate, stop=stop, **options)

    return run


def best(values, direction="min", start=0, until=None):
    """Epoch and value of the best, by NumPy."""
    values = np.asarray(values, np.float32)[start:until]
    at = np.argmax(values) if direction == "max" else np.argmin(values)
    return start + int(at) + 1, float(values[at])


RISES = {"on": "accuracy", "direction": "max"}

# A rule, and what the best go by under it.
GOALS = {
    "validation": (lambda s: s.patience(9), VALIDATION, "min", 0),
    "accuracy": (lambda s: s.patience(9, **RISES), ACCURACY, "max", 0),
    "by its whole name": (
        lambda s: s.patience(9, on="evaluation.accuracy", direction="max"),
        ACCURACY,
        "max",
        0,
    ),
    "from an epoch on": (
        lambda s: s.patience(9, **RISES, start=2),
        ACCURACY,
        "max",
        2,
    ),
    "of a rule that is joined": (
        lambda s: s.diverged() | s.patience(9, **RISES, start=2),
        ACCURACY,
        "max",
        2,
    ),
    "of the first that names one": (
        lambda s: s.target(-1.0) | s.patience(9, **RISES),
        VALIDATION,
        "min",
        0,
    ),
    "of none": (lambda s: s.diverged() & s.max_epochs(5), VALIDATION, "min", 0),
    "where less is better": (
        lambda s: s.getting_worse(9, on="accuracy"),
        ACCURACY,
        "min",
        0,
    ),
}


@pytest.mark.parametrize("make, values, direction, start", GOALS.values(), ids=GOALS)
def test_the_best_go_by_what_the_rule_watches(
    fl, scored, make, values, direction, start
):
    run = scored(make(fl.stopping))
    found = int(run.best.epoch), float(run.best.value)
    assert found == best(values, direction, start, int(run.epochs))
    assert float(run.best.loss) == found[1]
    past = np.sum(LOSSES[: found[0] - 1])
    np.testing.assert_allclose(run.best.params["p"], 1 - 0.1 * past, rtol=1e-5)


def test_the_best_may_go_by_something_else_than_the_rule(fl, scored):
    rule = fl.stopping.patience(3, **RISES)
    run = scored(rule, best_on="validation")
    assert (int(run.epochs), run.reason.name) == (5, "patience")
    assert (int(run.best.epoch), float(run.best.value)) == best(VALIDATION, until=5)
    other = scored(fl.stopping.patience(3), best_on="accuracy", best_direction="max")
    until = int(other.epochs)
    assert int(other.best.epoch) == best(ACCURACY, "max", until=until)[0]
    of_training = scored(rule, best_on="loss")
    assert int(of_training.best.epoch) == best(LOSSES, until=5)[0]


def test_the_best_are_kept_without_a_rule(fl, scored, replay):
    run = scored(best_on="accuracy", best_direction="max")
    assert (int(run.epochs), run.reason.name) == (12, "epochs")
    assert (int(run.best.epoch), float(run.best.value)) == best(ACCURACY, "max")
    assert scored(best_direction="max").best.epoch == best(VALIDATION, "max")[0]
    assert replay(LOSSES, best_on="loss").best.epoch == best(LOSSES)[0]
    assert scored().best is None and scored().stop is None


def test_what_has_watched_keeps_its_best_in_another_run(fl, replay):
    options = {"best_on": "loss", "best_direction": "max"}
    begun = replay(LOSSES, epochs=3, **options)
    for how in ({}, options):
        run = replay(LOSSES[3:], stop=begun.stop, **how)
        assert (int(run.best.epoch), float(run.best.value)) == (1, 9.0)
    joined = replay(LOSSES[3:], stop=begun.stop | fl.stopping.diverged())
    assert int(joined.best.epoch) == 1
    # What was the best by another measure is none by this one.
    fresh = replay(LOSSES[3:], stop=begun.stop, best_on="loss")
    assert (int(fresh.best.epoch), float(fresh.best.value)) == (12, 0.5)


@pytest.mark.slow
def test_a_rule_that_starts_late_counts_on_in_another_run(fl, replay):
    rule = fl.stopping.patience(2, start=4)
    whole = replay(LOSSES, stop=rule)
    part, done = None, 0
    while part is None or not part.reason.code:
        part = replay(LOSSES[done:], stop=rule, epochs=1)
        rule, done = part.stop, done + int(part.epochs)
    assert (done, part.reason.name) == (int(whole.epochs), "patience")


def test_the_start_may_be_traced(fl, replay):
    def epochs(start):
        return replay(LOSSES, stop=fl.stopping.patience(2, start=start)).epochs

    starts = jnp.arange(5)
    alone = [int(epochs(int(start))) for start in starts]
    assert jax.vmap(epochs)(starts).tolist() == alone
    assert len(set(alone)) > 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_without_a_finite_metric_the_best_are_those_of_the_start(fl, replay, bad):
    values = jnp.array([bad, bad, bad])
    rule = fl.stopping.patience(9, on="validation", direction="max")
    found = replay([1.0, 2.0, 3.0], values, stop=rule).best
    if bad == np.inf:
        # More cannot be: as a loss of -inf it is the best there is.
        assert int(found.epoch) == 1
    else:
        assert (int(found.epoch), float(found.params["p"])) == (0, 1.0)


def test_bad_names_of_the_best_are_refused(fl, scored, plain_annotations):
    with pytest.raises(ValueError, match="best_direction must be 'min' or 'max'"):
        scored(best_on="accuracy", best_direction="up")
    with pytest.raises(TypeError, match=r"best_on must be .*; got 3"):
        scored(best_on=3)
