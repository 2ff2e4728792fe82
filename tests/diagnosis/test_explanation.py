"""A run that diverged is explained by what made it diverge."""

import dataclasses
import functools
import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

KEY = jax.random.key(0)


def blown_up(
    fl, problem, data, rate, *, momentum=0.0, nesterov=False, epochs=100, **settings
):
    """A run of an objective from a start, and its explanation."""
    objective, start = problem
    optimizer = optax.sgd(rate, momentum or None, nesterov)
    state = fl.init_state(KEY, start, optimizer)
    step = fl.make_train_step(objective, optimizer)
    run = fl.fit(step, state, data, epochs=epochs, **settings)
    return run, fl.diagnosis.explain_divergence(
        run,
        objective,
        step,
        state,
        data,
        learning_rate=rate,
        momentum=momentum,
        nesterov=nesterov,
        batch_size=settings.get("batch_size"),
    )


@pytest.mark.slow
def test_explains_the_sources_explosion(fl, line, readings):
    _, found = blown_up(fl, line, readings["raw"], 1e-2)
    # The book's loop in single precision.
    inputs, targets = map(np.asarray, readings["raw"])
    params, losses = np.array([1, 0], np.float32), []
    with np.errstate(all="ignore"):
        for _ in range(100):
            errors = params[0] * inputs + params[1] - targets
            losses.append(np.mean(errors**2))
            gradient = 2 * np.array([np.mean(errors * inputs), np.mean(errors)])
            params = params - np.float32(1e-2) * gradient
    assert found.cause == "learning rate"
    assert (found.last_good_epoch, found.first_bad_epoch) == (1, 2)
    assert found.not_finite_epoch == np.argmin(np.isfinite(losses)) + 1
    assert found.last_good_loss == pytest.approx(losses[0])
    jax.tree.map(np.testing.assert_array_equal, found.last_good_params, line[1])
    assert found.limit == pytest.approx(3.4e-4, rel=0.01)
    assert found.limit < found.learning_rate < found.scaled_limit
    for part in "29.4 times", "epoch 11", "0.00017", "divide the inputs by 54.2":
        assert part in str(found)


@pytest.mark.slow
def test_what_it_suggests_works(fl, line, readings):
    _, found = blown_up(fl, line, readings["raw"], 1e-2)
    assert blown_up(fl, line, readings["raw"], found.suggestion)[1] is None
    scaler = fl.data.Scaler(input_scale=found.stability.input_scale)
    scaled = scaler(readings["raw"])
    assert blown_up(fl, line, scaled, found.scaled_limit / 2)[1] is None


@pytest.mark.parametrize(
    "momentum, nesterov, batch_size",
    [(0.0, False, None), (0.0, False, 4), (0.9, False, None), (0.9, True, None)],
)
@pytest.mark.slow
def test_the_last_good_parameters_have_the_lowest_loss(
    fl, stability, line, readings, batch_size, momentum, nesterov, line_hessian
):
    objective, _ = line
    data = readings["scaled"]
    # Off the best line along the valley: the loss falls before the walls throw it out.
    best = np.polyfit(np.asarray(data.inputs), np.asarray(data.targets), 1)
    _, directions = np.linalg.eigh(line_hessian(data.inputs))
    start = fl.models.LinearParams(*jnp.float32(best + 20 * directions[:, 0]))
    limit = stability(objective, start, data).limit(momentum, nesterov=nesterov)
    rate = float(1.1 * limit)
    run, found = blown_up(
        fl,
        (objective, start),
        data,
        rate,
        momentum=momentum,
        nesterov=nesterov,
        batch_size=batch_size,
        epochs=500 if batch_size is None else 150,
    )
    lowest = int(np.nanargmin(run.history.loss))
    assert batch_size or lowest > 5
    assert found.last_good_epoch == lowest + 1
    optimizer = optax.sgd(rate, momentum or None, nesterov)
    again = fl.fit(
        fl.make_train_step(objective, optimizer),
        fl.init_state(KEY, start, optimizer),
        data,
        epochs=lowest,
        batch_size=batch_size,
    )
    jax.tree.map(
        np.testing.assert_array_equal, found.last_good_params, again.state.params
    )
    assert found.cause == "learning rate"


def test_a_loss_that_grows_without_end_has_diverged(fl, line, readings):
    stop = fl.stopping.diverged(10.0)
    run, found = blown_up(fl, line, readings["raw"], 1e-2, stop=stop)
    assert np.isfinite(run.history.loss[: int(run.epochs)]).all()
    assert found.not_finite_epoch is None
    assert found.cause == "learning rate"
    assert "not finite" not in str(found)


@pytest.mark.parametrize("name, rate", [("raw", 1e-4), ("scaled", 1e-2)])
def test_a_run_that_learns_needs_no_explanation(fl, line, readings, name, rate):
    assert blown_up(fl, line, readings[name], rate)[1] is None


def test_blames_data_that_are_not_finite(fl, line, readings):
    inputs = readings["raw"].inputs.at[3].set(jnp.nan)
    data = readings["raw"]._replace(inputs=inputs)
    _, found = blown_up(fl, line, data, 1e-4)
    assert found.cause == "data"
    assert "training data" in str(found)


def test_blames_a_start_that_is_not_finite(fl, line, readings):
    start = line[1]._replace(weight=jnp.asarray(jnp.inf))
    _, found = blown_up(fl, (line[0], start), readings["raw"], 1e-4)
    assert (found.cause, found.last_good_epoch) == ("start", 0)
    assert "initial parameters" in str(found)


@pytest.mark.slow
def test_blames_a_gradient_that_is_not_finite(fl):
    def root(params, batch, key):
        return jnp.sqrt(jnp.sum(params**2)) + 0 * jnp.sum(batch)

    _, found = blown_up(fl, (root, jnp.zeros(2)), jnp.ones(3), 0.1)
    assert found.cause == "gradient"
    assert found.scaled_limit is None
    assert "logarithms" in str(found)


@pytest.mark.slow
def test_looks_elsewhere_where_the_rate_is_below_the_limit(fl):
    def cliff(params, batch, key):
        # Flat, and far out ever steeper: a momentum that is not said carries it there.
        return jnp.mean(batch) * (params - 0.1) ** 4 - params

    _, found = blown_up(fl, (cliff, jnp.asarray(0.0)), jnp.ones(3), 2.0)
    assert found.cause == "elsewhere"
    assert found.learning_rate <= found.limit
    assert "below" in str(found)
    assert (
        blown_up(fl, (cliff, jnp.asarray(0.0)), jnp.ones(3), found.suggestion)[1]
        is None
    )


@pytest.mark.parametrize(
    "columns, advice", [(1, "by 54.2"), (2, "by their root mean squares")]
)
@pytest.mark.slow
def test_advises_one_scale_a_column(fl, readings, columns, advice):
    model = fl.models.affine(columns)
    start = fl.models.LinearParams(jnp.ones(columns), jnp.zeros(()))
    inputs = readings["raw"].inputs[:, None] * jnp.array([[1.0, 0.1]])[:, :columns]
    data = readings["raw"]._replace(inputs=inputs)
    objective = fl.make_objective(model, fl.losses.mse)
    assert advice in str(blown_up(fl, (objective, start), data, 1e-2)[1])


def test_refuses_mapped_runs(made, explain_nothing):
    run = made(np.ones((2, 5)))
    with pytest.raises(ValueError, match="single run"):
        explain_nothing()(run)


@pytest.mark.parametrize(
    "name, value, error, message",
    [
        ("learning_rate", 0.0, ValueError, "positive and finite; got 0"),
        ("learning_rate", -1, ValueError, "positive and finite; got -1"),
        ("learning_rate", optax.constant_schedule(1.0), TypeError, "schedule"),
        ("momentum", 1.5, ValueError, "between 0 and 1; got 1.5"),
        ("momentum", "a", TypeError, "a number; got 'a'"),
    ],
)
@pytest.mark.usefixtures("plain_annotations")
def test_refuses_what_is_no_rate(name, value, error, message, made, explain_nothing):
    with pytest.raises(error, match=f"{name} must be .*{message}"):
        explain_nothing(**{name: value})(made([1.0, 2.0]))


@pytest.mark.slow
def test_notices_arguments_that_are_not_those_of_the_run(fl, line, readings):
    optimizer = optax.sgd(1e-3)
    state = fl.init_state(KEY, line[1], optimizer)
    step, data = fl.make_train_step(line[0], optimizer), readings["raw"]
    run = fl.fit(step, state, data, epochs=20, batch_size=4)
    explain = functools.partial(
        fl.diagnosis.explain_divergence,
        run,
        line[0],
        step,
        state,
        data,
        learning_rate=1e-3,
    )
    assert explain(batch_size=4).cause == "learning rate"
    with pytest.raises(ValueError, match="batch_size must be those of the run"):
        explain()


@pytest.mark.slow
def test_a_run_that_stays_at_its_optimum_needs_no_explanation(fl, line, readings):
    data = readings["scaled"]
    best = np.polyfit(np.asarray(data.inputs), np.asarray(data.targets), 1)
    start = fl.models.LinearParams(*jnp.float32(best))
    optimizer = optax.sgd(1e-2)
    step = fl.make_train_step(line[0], optimizer)

    rose = diverged = explained = 0
    for seed in range(40):
        state = fl.init_state(jax.random.key(seed), start, optimizer)
        run = fl.fit(step, state, data, epochs=50, batch_size=4)
        found = fl.diagnosis.explain_divergence(
            run, line[0], step, state, data, learning_rate=1e-2, batch_size=4
        )
        rose += int(run.history.loss[-1] > run.history.loss[0])
        diverged += fl.diagnosis.diagnose(run).kind == "diverged"
        explained += found is not None
    # Chance alone decides which of two single losses is the larger.
    assert 10 < rose < 30
    assert explained == diverged <= 1


@pytest.mark.slow
def test_explains_parameters_that_are_not_finite(fl, line, readings):
    run, found = blown_up(fl, line, readings["raw"], 1e37, epochs=1)
    assert np.isfinite(run.history.loss).all()
    assert (found.cause, found.last_good_epoch) == ("learning rate", 1)
    assert found.not_finite_epoch == 2
    assert "rose" not in str(found)


def test_explains_a_curvature_beyond_the_precision(fl):
    def steep(params, batch, key):
        del key
        return jnp.mean(batch) * jnp.sum(1e38 * params**2)

    _, found = blown_up(fl, (steep, jnp.full(1, 1e-9)), 3 * jnp.ones(3), 1.0)
    assert found.cause == "curvature"
    assert found.tested is None
    assert "leaves no stable learning rate" in str(found)
    assert str(dataclasses.replace(found, cause="learning rate", limit=0.0))


@pytest.mark.slow
def test_explains_classification(fl):
    inputs = 100 * jax.random.normal(KEY, (20, 3))
    data = fl.Dataset(inputs, jnp.arange(20) % 4)

    def objective(weights, batch, key):
        del key
        return fl.losses.cross_entropy(batch.inputs @ weights, batch.targets)

    _, found = blown_up(fl, (objective, jnp.zeros((3, 4))), data, 1e3)
    assert found.cause == "learning rate"
    assert found.scaled_limit > found.limit


@pytest.mark.parametrize("kind", ["tokens", "dictionary"])
@pytest.mark.slow
def test_explains_inputs_that_cannot_be_scaled(fl, kind):
    tokens = jnp.arange(20) % 4
    inputs = tokens if kind == "tokens" else {"token": tokens, "weight": jnp.ones(20)}

    def objective(table, batch, key):
        del key
        found = batch.inputs if kind == "tokens" else batch.inputs["token"]
        return jnp.mean((table[found] - batch.targets) ** 2)

    data = fl.Dataset(inputs, jnp.ones(20))
    _, found = blown_up(fl, (objective, jnp.zeros(4)), data, 50.0)
    assert found.cause == "learning rate"
    assert found.limit == pytest.approx(4.0)  # a quarter of the rows bends every entry
    assert found.stability.input_scale is None
    assert found.scaled_limit is None


def bowl():
    """An objective that nothing else refers to, and how often it was traced."""
    traces = []

    def objective(params, batch, key):
        del key
        traces.append(params)
        return jnp.mean(batch) * jnp.sum(params**2)

    return objective, traces


@pytest.mark.slow
def test_what_explained_a_run_does_not_outlive_it(fl):
    def references():
        problem = bowl()[0], jnp.ones(3)
        optimizer = optax.sgd(10.0)
        state = fl.init_state(KEY, problem[1], optimizer)
        step = fl.make_train_step(problem[0], optimizer)
        run = fl.fit(step, state, jnp.ones(3), epochs=20)
        found = fl.diagnosis.explain_divergence(
            run, problem[0], step, state, jnp.ones(3), learning_rate=10.0
        )
        return found, weakref.ref(problem[0]), weakref.ref(step)

    found, objective, step = references()
    gc.collect()
    assert found.cause == "learning rate"
    assert objective() is None
    assert step() is None


def test_a_second_explanation_compiles_nothing_again(fl):
    objective, traces = bowl()
    optimizer = optax.sgd(10.0)
    state = fl.init_state(KEY, jnp.ones(3), optimizer)
    step = fl.make_train_step(objective, optimizer)
    run = fl.fit(step, state, jnp.ones(3), epochs=20)
    counts, found = [], []
    for _ in range(3):
        found.append(
            fl.diagnosis.explain_divergence(
                run, objective, step, state, jnp.ones(3), learning_rate=10.0
            )
        )
        counts.append(len(traces))
    assert counts[2] == counts[1] == counts[0] > 1
    assert str(found[0]) == str(found[2])


@pytest.mark.slow
def test_explains_parameters_that_look_ahead(fl):
    objective, _ = bowl()
    optimizer = optax.lookahead(optax.sgd(10.0), sync_period=3, slow_step_size=0.5)
    start = optax.LookaheadParams.init_synced(jnp.ones(3))
    state = fl.init_state(KEY, start, optimizer)
    step = fl.make_train_step(objective, optimizer)
    run = fl.fit(step, state, jnp.ones(3), epochs=20)
    found = fl.diagnosis.explain_divergence(
        run, objective, step, state, jnp.ones(3), learning_rate=10.0
    )
    # The loss is the sum of squares, whose curvature is 2.
    assert (found.cause, float(found.stability.largest)) == ("learning rate", 2)
    assert found.tested is not None and found.tested < 1
