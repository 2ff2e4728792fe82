"""Stopping rules against plain Python loops over prescribed losses."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

LOSSES = [9.0, 5.0, 5.5, 4.0, 4.1, 4.2, 3.999, 4.5, 1.0, 2.0, 3.0, 0.5]


def first(condition, losses):
    """The epoch, counted from 1, at which a condition on the past first holds."""
    for epoch in range(1, len(losses) + 1):
        if condition(losses[:epoch]):
            return epoch
    return len(losses)


def rising(past, times):
    return len(past) > times and all(
        past[-i] > past[-i - 1] for i in range(1, times + 1)
    )


def impatient(past, epochs, min_delta):
    lowest, since = math.inf, 0
    for loss in past:
        since = 0 if loss < lowest - min_delta else since + 1
        lowest = loss if since == 0 else lowest
    return since >= epochs


# Of what should rise: what is true of the losses is to be true of minus the losses.
RISING = {
    "target": lambda s, **how: s.target(4.0, **how),
    "patience": lambda s, **how: s.patience(3, min_delta=0.01, **how),
    "patience from the third": lambda s, **how: s.patience(2, start=2, **how),
    "getting_worse": lambda s, **how: s.getting_worse(2, **how),
    "relative_change": lambda s, **how: s.relative_change(0.05, **how),
}

RULES = [
    (lambda s: s.target(4.0), lambda past: past[-1] <= 4.0),
    (lambda s: s.max_epochs(5), lambda past: len(past) >= 5),
    (lambda s: s.patience(3), lambda past: impatient(past, 3, 0)),
    (lambda s: s.patience(3, min_delta=0.01), lambda past: impatient(past, 3, 0.01)),
    (lambda s: s.getting_worse(), lambda past: rising(past, 1)),
    (lambda s: s.getting_worse(2), lambda past: rising(past, 2)),
    (
        lambda s: s.relative_change(0.05),
        lambda past: len(past) > 1 and abs(past[-1] - past[-2]) <= 0.05 * past[-2],
    ),
    (lambda s: s.diverged(2.0), lambda past: past[-1] > 2.0 * past[0]),
    (lambda s: s.patience(2, start=3), lambda past: impatient(past[3:], 2, 0)),
    (lambda s: s.getting_worse(start=2), lambda past: rising(past[2:], 1)),
    (
        lambda s: s.relative_change(0.05, start=4),
        lambda past: len(past) > 5 and abs(past[-1] - past[-2]) <= 0.05 * past[-2],
    ),
    (
        lambda s: s.when("odd", lambda seen: seen.epoch == 7),
        lambda past: len(past) == 7,
    ),
]


@pytest.mark.parametrize("rule, condition", RULES)
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_rule_stops_where_a_python_loop_does(fl, replay, rule, condition, seed):
    losses = LOSSES
    if seed is not None:
        losses = np.random.default_rng(seed).uniform(1, 10, 12).round(1).tolist()
    expected = first(condition, losses)
    run = replay(losses, stop=rule(fl.stopping))
    assert int(run.epochs) == expected
    np.testing.assert_array_equal(
        run.history.loss[:expected], np.asarray(losses, np.float32)[:expected]
    )
    assert np.isnan(run.history.loss[expected:]).all()
    fired = condition(losses[:expected])
    assert run.reason.name == (run.stop.reasons[0] if fired else "epochs")


@pytest.mark.parametrize("make", RISING.values(), ids=RISING)
@pytest.mark.parametrize("on", ["loss", "validation", "accuracy", "evaluation.top.5"])
def test_what_should_rise_is_watched_as_its_negative_is_that_should_fall(
    fl, replay, make, on
):
    falling = jnp.array(LOSSES)
    goal = 4.0
    scores = jnp.where(falling <= goal, 2 * goal - falling, goal - falling)

    def run(values, direction):
        def evaluate(params, rows):
            past = jnp.searchsorted(rows.inputs, (1.0 - params["p"]) / 0.1 - 1e-3)
            value = rows.targets[past]
            return {"loss": value, "accuracy": value, "top": {"5": value}}

        rule = make(fl.stopping, on=on, direction=direction)
        # The training losses are what counts the epochs, and must be positive.
        train = values if on == "loss" else LOSSES
        return replay(train, values, evaluate=evaluate, stop=rule)

    if make is RISING["target"]:
        rising, condition = scores, lambda past: past[-1] >= goal
    elif make is RISING["relative_change"]:
        rising, condition = falling, RULES[6][1]
    else:
        rising, condition = 20 - falling, None
    found = run(rising, "max")
    if condition is None:
        wanted = run(falling, "min")
        assert (int(found.epochs), found.reason.name) == (
            int(wanted.epochs),
            wanted.reason.name,
        )
    else:
        assert int(found.epochs) == first(condition, rising.tolist())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_diverged_stops_at_the_first_loss_that_is_not_finite(fl, replay, bad):
    run = replay([3.0, 2.0, bad, 1.0], stop=fl.stopping.diverged())
    assert (int(run.epochs), run.reason.name) == (3, "diverged")


def test_nan_never_counts_as_an_improvement(fl, replay):
    run = replay([3.0, 2.0] + [math.nan] * 5, stop=fl.stopping.patience(3))
    assert (int(run.epochs), run.reason.name) == (5, "patience")


def test_rules_watch_validation_where_there_is_one(fl, replay):
    validation = [5.0, 4.0, 4.5, 4.6, 4.7, 0.1, 0.1]
    losses = [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    run = replay(losses, validation, stop=fl.stopping.patience(2))
    assert (int(run.epochs), run.reason.name) == (4, "patience")
    assert (int(run.best.epoch), float(run.best.loss)) == (2, 4.0)
    np.testing.assert_allclose(run.best.params["p"], 1 - 0.1 * losses[0], rtol=1e-6)
    on_loss = replay(losses, validation, stop=fl.stopping.target(3.0, on="loss"))
    assert int(on_loss.epochs) == 5


def test_gradient_and_parameter_rules(fl, replay):
    # The gradient is p · loss, and an epoch moves p by 0.1 · loss.
    losses, p, norms, changes = [1.0, 0.5, 0.2, 0.1, 0.05], 1.0, [], []
    for loss in losses:
        norms.append(abs(p * loss))
        changes.append(abs(0.1 * loss / p))
        p -= 0.1 * loss
    run = replay(losses, stop=fl.stopping.gradient_norm(norms[2] * 1.001))
    assert (int(run.epochs), run.reason.name) == (3, "gradient_norm")
    rule = fl.stopping.relative_change(changes[3] * 1.001, on="parameters")
    assert int(replay(losses, stop=rule).epochs) == 4


def test_every_lane_of_a_vmap_stops_by_itself(fl, problem):
    rates = jnp.array([1e-3, 0.02, 0.1, 0.4, 1.5, 5.0])
    rule = fl.stopping.diverged(1e6) | fl.stopping.target(12.0)
    run = jax.jit(lambda rate: problem(rate, rule))
    lanes = jax.vmap(run)(rates)
    for lane, rate in enumerate(rates):
        alone = run(rate)
        epochs = int(alone.epochs)
        assert int(lanes.epochs[lane]) == epochs
        assert lanes.reason.name[lane] == alone.reason.name
        assert int(lanes.best.epoch[lane]) == int(alone.best.epoch)
        history = lanes.history.loss[lane]
        np.testing.assert_allclose(history[:epochs], alone.history.loss[:epochs], 1e-4)
        assert np.isnan(history[epochs:]).all()
    assert set(lanes.reason.name) == {"epochs", "target", "diverged"}


def test_nested_vmap(fl, problem):
    rule = fl.stopping.target(12.0)
    rates = jnp.array([[0.02, 0.05], [0.1, 0.2]])
    nested = jax.vmap(jax.vmap(lambda rate: problem(rate, rule).epochs))(rates)
    flat = jax.vmap(lambda rate: problem(rate, rule).epochs)(rates.ravel())
    np.testing.assert_array_equal(nested.ravel(), flat)


@pytest.mark.parametrize("epochs", [1, 120])
def test_a_stopped_run_is_differentiable_both_ways(fl, problem, float64, epochs):
    rule = fl.stopping.target(12.0)

    @jax.jit
    def final(rate, weight):
        run = problem(rate, rule, epochs=epochs, weight=weight)
        return run.state.params.weight + run.best.params.bias

    at = (0.05, 0.5)
    backward = jax.grad(final, (0, 1))(*at)
    for argument, derivative in enumerate(backward):
        tangent = tuple(1.0 * (argument == i) for i in range(2))
        step = 1e-5
        above, below = (
            final(*(x + sign * step * t for x, t in zip(at, tangent, strict=True)))
            for sign in (1, -1)
        )
        np.testing.assert_allclose(derivative, (above - below) / (2 * step), rtol=1e-6)
        np.testing.assert_allclose(jax.jvp(final, at, tangent)[1], derivative, 1e-9)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda s: s.patience(0), "epochs must be at least 1; got 0"),
        (lambda s: s.patience(2, min_delta=-1.0), "min_delta must not be negative"),
        (lambda s: s.patience(2, min_delta=math.inf), "min_delta must be finite"),
        (lambda s: s.getting_worse(0), "epochs must be at least 1"),
        (lambda s: s.max_epochs(0), "epochs must be at least 1; got 0"),
        (lambda s: s.diverged(0.5), "factor must be at least 1; got 0.5"),
        (lambda s: s.gradient_norm(-1.0), "tolerance must not be negative"),
        (lambda s: s.relative_change(-1.0), "tolerance must not be negative"),
        (lambda s: s.target(math.nan), "value must be a number; got nan"),
        (lambda s: s.target(1.0, on=""), "on must be 'loss', 'validation', the name"),
        (lambda s: s.patience(3, direction="up"), "direction must be 'min' or 'max'"),
        (lambda s: s.getting_worse(start=-1), "start must not be negative; got -1"),
    ],
)
def test_bad_settings_are_refused(fl, make, message):
    with pytest.raises(ValueError, match=message):
        make(fl.stopping)


NUMBERS = {
    "target": (lambda s, x: s.target(x), "value"),
    "max_epochs": (lambda s, x: s.max_epochs(x), "epochs"),
    "gradient_norm": (lambda s, x: s.gradient_norm(x), "tolerance"),
    "relative_change": (lambda s, x: s.relative_change(x), "tolerance"),
    "parameters": (lambda s, x: s.relative_change(x, on="parameters"), "tolerance"),
    "patience": (lambda s, x: s.patience(x), "epochs"),
    "min_delta": (lambda s, x: s.patience(3, min_delta=x), "min_delta"),
    "getting_worse": (lambda s, x: s.getting_worse(x), "epochs"),
    "diverged": (lambda s, x: s.diverged(x), "factor"),
    "start": (lambda s, x: s.patience(3, start=x), "start"),
}


@pytest.mark.usefixtures("plain_annotations")
@pytest.mark.parametrize("make, name", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize(
    "number",
    ["3", None, True, [1, 2], 1j, math.nan, np.ones(2), np.array(True)],
    ids=str,
)
def test_what_is_not_a_number_is_refused_by_every_rule(fl, make, name, number):
    with pytest.raises((TypeError, ValueError), match=f"{name} must") as caught:
        make(fl.stopping, number)
    assert "\n" not in str(caught.value)
    traced = jax.eval_shape(lambda x: make(fl.stopping, x), jnp.float32(3))
    assert jax.tree.leaves(traced)


@pytest.mark.parametrize("stop", ["patience", lambda: None])
def test_what_is_not_a_rule_is_refused(fl, problem, stop, plain_annotations):
    with pytest.raises(TypeError, match=r"stop must be a rule .*; got"):
        problem(0.05, stop)
