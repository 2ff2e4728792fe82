"""Stopping rules against plain Python loops over prescribed losses."""

import math
import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

LOSSES = [9.0, 5.0, 5.5, 4.0, 4.1, 4.2, 3.999, 4.5, 1.0, 2.0, 3.0, 0.5]


@pytest.fixture(scope="module")
def fl():
    import funclearn

    return funclearn


@pytest.fixture(scope="module")
def replay(fl):
    """Makes `fit` see given losses: `replay(losses, validation=None, **options)`."""

    def train_step(state, batch):
        loss = batch.inputs[state.step]
        grads = jax.tree.map(lambda leaf: leaf * loss, state.params)
        params = jax.tree.map(lambda leaf: leaf - 0.1 * loss, state.params)
        info = fl.StepInfo(loss, grads)
        return state._replace(params=params, step=state.step + 1), info

    def evaluate(params, dataset):
        # The parameters count the losses so far; the batch holds their running sums.
        past = jnp.searchsorted(dataset.inputs, (1.0 - params["p"]) / 0.1 - 1e-3)
        return dataset.targets[past]

    def run(losses, validation=None, **options):
        losses = jnp.asarray(losses)
        state = fl.TrainState(
            {"p": jnp.ones(())}, (), jax.random.key(0), jnp.zeros((), jnp.int32)
        )
        if validation is not None:
            sums = jnp.concatenate([jnp.zeros(1), jnp.cumsum(losses)[:-1]])
            options["validation"] = fl.Dataset(sums, jnp.asarray(validation))
            options["evaluate"] = evaluate
        options.setdefault("epochs", len(losses))
        return fl.fit(train_step, state, fl.Dataset(losses, losses), **options)

    return run


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


def test_or_tells_which_and_prefers_the_left(fl, replay):
    stopping = fl.stopping
    late, soon, same = (
        stopping.target(1.0),
        stopping.target(5.0),
        stopping.max_epochs(2),
    )
    assert replay(LOSSES, stop=late | same).reason.name == "max_epochs"
    assert replay(LOSSES, stop=soon | same).reason.name == "target"
    assert replay(LOSSES, stop=same | soon).reason.name == "max_epochs"
    assert str(replay(LOSSES, stop=late | soon | same).reason) == "target"


def test_and_needs_both_at_one_epoch(fl, replay):
    stopping = fl.stopping
    rule = stopping.target(4.5) & stopping.getting_worse()
    run = replay(LOSSES, stop=rule | stopping.diverged())
    expected = first(lambda past: past[-1] <= 4.5 and rising(past, 1), LOSSES)
    assert (int(run.epochs), run.reason.name) == (expected, "target & getting_worse")


def test_a_rule_goes_on_where_it_left_off(fl, replay):
    rule = fl.stopping.patience(3, min_delta=0.01) | fl.stopping.max_epochs(11)
    whole = replay(LOSSES, stop=rule)
    part, done = None, 0
    while part is None or not part.reason.code:
        part = replay(LOSSES[done:], stop=rule, epochs=2)
        rule, done = part.stop, done + int(part.epochs)
    assert (done, part.reason.name) == (int(whole.epochs), whole.reason.name)
    assert int(replay(LOSSES, stop=rule).epochs) == 0


@pytest.fixture(scope="module")
def problem(fl):
    key = jax.random.key(1)
    train, validation = fl.data.split(key, fl.data.thermometer())
    train, scaler = fl.data.standardise(train)
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    evaluate = fl.make_evaluation(fl.models.linear, fl.losses.mse)

    def run(learning_rate, stop, epochs=120, weight=0.5):
        optimizer = optax.sgd(learning_rate)
        params = fl.models.LinearParams(weight, 0.0)
        state = fl.init_state(key, params, optimizer)
        step = fl.make_train_step(objective, optimizer)
        return fl.fit(
            step,
            state,
            train,
            scaler(validation),
            epochs=epochs,
            evaluate=evaluate,
            stop=stop,
        )

    return run


def test_a_stop_by_the_parameters_is_the_run_of_as_many_epochs(fl, problem):
    rule = fl.stopping.relative_change(1e-2, on="parameters")
    stopped = problem(0.05, rule)
    epochs = int(stopped.epochs)
    assert 1 < epochs < 120
    cut = problem(0.05, rule, epochs=epochs)
    jax.tree.map(np.testing.assert_array_equal, stopped.state.params, cut.state.params)
    plain = problem(0.05, None, epochs=epochs)
    for one, other in zip(stopped.state.params, plain.state.params, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def momentum(rate):
    return optax.sgd(rate, momentum=0.9)


@pytest.mark.skipif(
    os.environ.get("FUNCLEARN_PLAIN", "0") not in ("", "0"),
    reason="these bits need calls that XLA does not inline",
)
@pytest.mark.parametrize(
    "degree, optimizer, validated, rule",
    [
        (1, optax.sgd, False, lambda s: s.relative_change(1e-2)),
        (1, optax.adam, True, lambda s: s.target(10.0) | s.max_epochs(23)),
        (1, momentum, True, lambda s: s.patience(5)),
        (2, optax.sgd, True, lambda s: s.patience(5) | s.diverged()),
        (2, momentum, False, lambda s: s.target(10.0)),
        (2, momentum, True, lambda s: s.when("cold", lambda seen: seen.loss < 20)),
    ],
)
def test_a_stop_has_the_bits_of_a_run_without_a_rule(
    fl, degree, optimizer, validated, rule
):
    model = fl.models.polynomial(degree) if degree > 1 else fl.models.linear
    train, validation = fl.data.split(jax.random.key(0), fl.data.thermometer())
    train, scale = fl.data.standardise(train)
    optimizer = optimizer(0.02)
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(jax.random.key(0), model.init(jax.random.key(0)), optimizer)
    how = {}
    if validated:
        evaluate = fl.make_evaluation(model, fl.losses.mse)
        how = {"validation": scale(validation), "evaluate": evaluate}

    def assert_same(one, other):
        for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(x, y)

    stopped = fl.fit(step, state, train, epochs=100, stop=rule(fl.stopping), **how)
    epochs = int(stopped.epochs)
    assert 1 < epochs < 100
    plain = fl.fit(step, state, train, epochs=epochs, **how)
    assert_same(stopped.state._replace(key=0), plain.state._replace(key=0))
    assert_same(jax.tree.map(lambda x: x[:epochs], stopped.history), plain.history)
    if validated:
        best = int(stopped.best.epoch) - 1
        before = fl.fit(step, state, train, epochs=best, **how).state.params
        assert_same(stopped.best.params, before)


@pytest.mark.parametrize("widths", [(1, 2, 1), (1, 32, 1)])
def test_gradient_norm_is_that_of_numpy_for_short_and_long_gradients(fl, widths):
    model, optimizer = fl.models.mlp(widths), optax.sgd(0.1)
    data = fl.data.noisy_sine(jax.random.key(0))
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(jax.random.key(1), model.init(jax.random.key(1)), optimizer)
    grads = fl.fit(
        step, state, data, epochs=20, record=lambda state, info, _: info.grads
    ).history
    squares = [
        np.square(leaf.reshape(20, -1)).sum(1) for leaf in jax.tree.leaves(grads)
    ]
    norms = np.sqrt(sum(squares))
    tolerance = float(np.sort(norms)[5]) * 1.0001
    rule = fl.stopping.gradient_norm(tolerance)
    expected = np.flatnonzero(norms <= tolerance)[0] + 1
    assert 1 < expected < 20
    assert int(fl.fit(step, state, data, epochs=20, stop=rule).epochs) == expected


def test_every_lane_of_a_vmap_stops_by_itself(fl, problem):
    rates = jnp.array([1e-3, 0.02, 0.1, 0.4, 1.5, 5.0])
    rule = fl.stopping.diverged(1e6) | fl.stopping.target(12.0)
    lanes = jax.vmap(lambda rate: problem(rate, rule))(rates)
    for lane, rate in enumerate(rates):
        alone = problem(rate, rule)
        epochs = int(alone.epochs)
        assert int(lanes.epochs[lane]) == epochs
        assert lanes.reason.name[lane] == alone.reason.name
        assert int(lanes.best.epoch[lane]) == int(alone.best.epoch)
        history = lanes.history.loss[lane]
        np.testing.assert_allclose(history[:epochs], alone.history.loss[:epochs], 1e-4)
        assert np.isnan(history[epochs:]).all()
    assert set(lanes.reason.name) == {"epochs", "target", "diverged"}


def test_no_epochs(fl, problem):
    run = problem(0.05, fl.stopping.target(12.0), epochs=0)
    assert (int(run.epochs), run.reason.name) == (0, "epochs")
    assert run.history.loss.shape == (0,)


def test_nested_vmap(fl, problem):
    rule = fl.stopping.target(12.0)
    rates = jnp.array([[0.02, 0.05], [0.1, 0.2]])
    nested = jax.vmap(jax.vmap(lambda rate: problem(rate, rule).epochs))(rates)
    flat = jax.vmap(lambda rate: problem(rate, rule).epochs)(rates.ravel())
    np.testing.assert_array_equal(nested.ravel(), flat)


@pytest.mark.parametrize("epochs", [1, 120])
def test_a_stopped_run_is_differentiable_both_ways(fl, problem, float64, epochs):
    rule = fl.stopping.target(12.0)

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


def test_settings_may_be_mapped_over_without_compiling_again(fl, problem):
    traces = []

    @jax.jit
    def epochs(target):
        traces.append(target)
        return problem(0.05, fl.stopping.target(target)).epochs

    goals = [30.0, 12.0]
    assert [int(epochs(goal)) for goal in goals] == [
        int(problem(0.05, fl.stopping.target(goal)).epochs) for goal in goals
    ]
    assert len(traces) == 1


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda s: s.patience(0), "epochs must be at least 1; got 0"),
        (lambda s: s.patience(2, min_delta=-1.0), "min_delta must not be negative"),
        (lambda s: s.getting_worse(0), "epochs must be at least 1"),
        (lambda s: s.diverged(0.5), "factor must be at least 1; got 0.5"),
        (lambda s: s.gradient_norm(-1.0), "tolerance must not be negative"),
        (lambda s: s.target(1.0, on="test"), "on must be 'loss', 'validation' or None"),
    ],
)
def test_bad_settings_are_refused(fl, make, message):
    with pytest.raises(ValueError, match=message):
        make(fl.stopping)


def test_watching_a_missing_validation_loss_is_refused(fl, replay):
    with pytest.raises(ValueError, match="fit needs validation and evaluate"):
        replay(LOSSES, stop=fl.stopping.patience(3, on="validation"))


def test_a_rule_of_ones_own_may_use_the_shape_of_the_gradient_alone(fl, problem):
    seen = []

    def condition(seen_of_epoch):
        seen.append(jax.tree.map(jnp.shape, seen_of_epoch.grads))
        return seen_of_epoch.epoch >= len(jax.tree.leaves(seen_of_epoch.grads))

    run = problem(0.05, fl.stopping.when("as many as parameters", condition))
    assert int(run.epochs) == 2
    assert all(shapes == fl.models.LinearParams((), ()) for shapes in seen)


def test_a_number_of_mistakes_is_a_validation_loss(fl):
    train, validation = fl.data.split(jax.random.key(0), fl.data.thermometer())
    optimizer = optax.sgd(1e-4)
    step = fl.make_train_step(
        fl.make_objective(fl.models.linear, fl.losses.mse), optimizer
    )
    state = fl.init_state(
        jax.random.key(0), fl.models.linear.init(jax.random.key(0)), optimizer
    )

    def mistakes(params, rows):
        errors = fl.models.linear.apply(params, rows.inputs) - rows.targets
        return jnp.sum(jnp.abs(errors) > 10)

    run = fl.fit(
        step,
        state,
        train,
        validation,
        epochs=30,
        evaluate=mistakes,
        stop=fl.stopping.patience(3),
    )
    history = np.asarray(run.history.evaluation)[: int(run.epochs)]
    assert history.dtype == np.int32
    assert float(run.best.loss) == history.min()
    assert int(run.best.epoch) == history.argmin() + 1


def test_a_small_gradient_in_half_precision_is_not_zero(fl):
    def train_step(state, batch):
        grads = jnp.full((2,), 1e-4, jnp.float16)
        return state._replace(step=state.step + 1), fl.StepInfo(jnp.float16(1), grads)

    state = fl.TrainState(
        jnp.zeros(2, jnp.float16), (), jax.random.key(0), jnp.zeros((), jnp.int32)
    )
    for tolerance, expected in ((1e-5, 3), (2e-4, 1)):
        rule = fl.stopping.gradient_norm(tolerance)
        run = fl.fit(train_step, state, jnp.zeros(1), epochs=3, stop=rule)
        assert int(run.epochs) == expected


@pytest.mark.parametrize("stop", ["patience", lambda: None])
def test_what_is_not_a_rule_is_refused(fl, problem, stop, plain_annotations):
    with pytest.raises(TypeError, match=r"stop must be a rule .*; got"):
        problem(0.05, stop)


def test_a_condition_that_is_not_scalar_is_refused(fl, problem):
    rule = fl.stopping.when("two", lambda seen: jnp.array([True, False]))
    with pytest.raises(ValueError, match=r"when\('two', ...\).*shape \(2,\)"):
        problem(0.05, rule)
