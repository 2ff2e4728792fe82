"""Curvatures agree with closed forms, verdicts with how the curves were made."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from scipy.sparse.linalg import eigsh

KEY = jax.random.key(0)
METHODS = [(0.0, False), (0.5, False), (0.9, False), (0.5, True), (0.9, True)]


@pytest.fixture(scope="module")
def fl():
    import funclearn
    import funclearn.diagnosis

    return funclearn


@pytest.fixture(scope="module")
def stability(fl):
    return jax.jit(fl.diagnosis.stability, static_argnums=0, static_argnames="products")


@pytest.fixture(scope="module")
def line(fl):
    """The linear model's objective, and where the sources start."""
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    return objective, fl.models.LinearParams(jnp.ones(()), jnp.zeros(()))


@pytest.fixture(scope="module")
def readings(fl):
    raw = fl.data.thermometer()
    return {"raw": raw, "scaled": fl.data.Scaler(input_scale=10.0)(raw)}


def quadratic(params, matrix, key):
    del key
    return 0.5 * params @ (matrix @ params)


def symmetric(curvatures, seed=0):
    """A matrix with these eigenvalues, whose eigenvectors are random."""
    shape = len(curvatures), len(curvatures)
    vectors, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=shape))
    return vectors * np.asarray(curvatures) @ vectors.T


def line_hessian(inputs):
    inputs = np.asarray(inputs, np.float64)
    return 2 * np.array([[np.mean(inputs**2), np.mean(inputs)], [np.mean(inputs), 1]])


# Curvature


@pytest.mark.parametrize("name", ["raw", "scaled"])
def test_curvatures_of_the_line_are_those_of_its_closed_form(
    stability, line, readings, name
):
    found = stability(*line, readings[name])
    low, high = np.linalg.eigvalsh(line_hessian(readings[name].inputs))
    assert abs(found.largest - high) <= found.error
    assert abs(found.smallest - low) <= found.error
    assert found.condition == pytest.approx(high / low, rel=float(found.error / low))


SPECTRA = {
    "one": [3.0],
    "two": [-1.0, 2.0],
    "spread": np.geomspace(1e-3, 1e3, 100),
    "saddle": np.linspace(-3, 1, 80),
    "hill": np.linspace(-3, -1, 80),
    "equal": np.full(90, 2.0),
    "rank two": [5.0, 4.0] + [0.0] * 98,
    "flat": np.zeros(70),
    "cluster": np.r_[np.full(60, 1.0), np.full(60, 1.001), 10.0, 10.001],
}


@pytest.mark.parametrize("products", [1, 10, 64])
@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_an_eigenvalue_lies_within_the_error(stability, spectrum, products, float64):
    matrix = jnp.asarray(symmetric(spectrum))
    zero = jnp.zeros(len(spectrum))
    found = stability(quadratic, zero, matrix, products=products)
    truth = np.linalg.eigvalsh(matrix)
    for curvature in found.largest, found.smallest:
        assert np.min(np.abs(truth - curvature)) <= found.error
    if products >= 64:
        scale = np.max(np.abs(truth))
        np.testing.assert_allclose(found.largest, truth[-1], atol=1e-9 * scale)
        # The small end of a wide spectrum is the last to be found.
        np.testing.assert_allclose(found.smallest, truth[0], atol=1e-3 * scale)


def test_lanczos_finds_both_ends_for_a_network(fl, stability):
    model = fl.models.mlp((1, 30, 1))
    objective = fl.make_objective(model, fl.losses.mse)
    params, data = jax.jit(model.init)(KEY), fl.data.noisy_sine(KEY)
    found = stability(objective, params, data)
    flat, unravel = ravel_pytree(params)
    assert flat.size > 64
    hessian = jax.jit(jax.hessian(lambda flat: objective(unravel(flat), data, KEY)))
    hessian = np.asarray(hessian(flat), np.float64)
    for end, curvature in ("LA", found.largest), ("SA", found.smallest):
        truth = np.asarray(eigsh(hessian, 1, which=end, return_eigenvectors=False))
        assert curvature == pytest.approx(truth.item(), abs=float(found.error))
    assert found.error < 1e-3 * found.largest


def test_stability_is_a_pure_function_to_map_and_compile(fl, stability, line, readings):
    objective, start = line
    scales = jnp.array([1.0, 10.0])

    def at(scale):
        data = fl.data.Scaler(input_scale=scale)(readings["raw"])
        return stability(objective, start, data)

    mapped = jax.jit(jax.vmap(at))(scales)
    for lane, scale in enumerate(scales):
        alone = at(scale)
        np.testing.assert_allclose(mapped.largest[lane], alone.largest, rtol=1e-6)
        np.testing.assert_allclose(mapped.limit(0.9)[lane], alone.limit(0.9), rtol=1e-6)


def test_a_noisy_objective_is_given_the_key(fl, stability, line, readings):
    noisy = fl.make_objective(fl.models.linear, fl.losses.mse, input_noise=3.0)
    with_key = [
        stability(noisy, line[1], readings["raw"], jax.random.key(seed))
        for seed in (0, 0, 1)
    ]
    assert with_key[0].largest == with_key[1].largest != with_key[2].largest


@pytest.mark.parametrize("momentum, nesterov", METHODS)
def test_at_the_limit_the_slowest_mode_neither_grows_nor_shrinks(
    stability, momentum, nesterov, float64
):
    curvature = 7.0
    matrix = jnp.diag(jnp.array([1.0, curvature]))
    found = stability(quadratic, jnp.ones(2), matrix)
    rate = float(found.limit(momentum, nesterov=nesterov))

    def growth(rate):
        ahead = momentum if nesterov else 0
        # One step takes (velocity, position) to m v + λ x, x - η (m' v' + λ x).
        velocity = np.array([momentum, curvature])
        step = velocity if not nesterov else ahead * velocity + [0, curvature]
        return np.abs(np.linalg.eigvals([velocity, [0, 1] - rate * step])).max()

    assert growth(rate) == pytest.approx(1, abs=1e-7)
    assert growth(0.99 * rate) < 1 < growth(1.01 * rate)


@pytest.mark.parametrize("name", ["raw", "scaled"])
@pytest.mark.parametrize("momentum, nesterov", METHODS)
def test_runs_explode_above_the_predicted_limit_and_not_below(
    fl, stability, line, readings, name, momentum, nesterov
):
    objective, start = line
    limit = stability(objective, start, readings[name]).limit(
        momentum, nesterov=nesterov
    )

    def last_loss(rate):
        optimizer = optax.sgd(rate, momentum, nesterov)
        state = fl.init_state(KEY, start, optimizer)
        step = fl.make_train_step(objective, optimizer)
        losses = fl.fit(step, state, readings[name], epochs=2000).history.loss
        return losses[-1] / losses[0]

    below, above = jax.vmap(last_loss)(limit * jnp.array([0.99, 1.01]))
    assert below < 1
    assert not above < 1e3


def test_predicts_what_the_sources_saw(stability, line, readings):
    raw, scaled = (stability(*line, readings[name]) for name in readings)
    assert 1e-4 < raw.limit() < 1e-2 < scaled.limit()
    assert raw.limit() == pytest.approx(3.4e-4, rel=0.01)
    assert scaled.limit() == pytest.approx(0.033, rel=0.01)


def test_without_upward_curvature_there_is_no_limit(stability):
    found = stability(quadratic, jnp.zeros(3), -jnp.eye(3))
    assert found.limit() == jnp.inf
    assert found.condition == jnp.inf


def test_the_input_scale_is_that_of_the_smallest_condition_number(
    stability, line, readings
):
    raw = np.asarray(readings["raw"].inputs, np.float64)
    found = stability(*line, readings["raw"])
    scales = np.geomspace(1, 1e3, 5001)
    conditions = [np.linalg.cond(line_hessian(raw / scale)) for scale in scales]
    best = scales[np.argmin(conditions)]
    assert found.input_scale == pytest.approx(best, rel=2 * (scales[1] - 1))


def test_the_input_scale_is_one_a_column_and_never_zero(fl, stability):
    model = fl.models.affine(2)
    objective = fl.make_objective(model, fl.losses.mse)
    data = fl.Dataset(jnp.array([[3.0, 0.0], [4.0, 0.0]]), jnp.zeros(2))
    found = stability(objective, model.init(KEY), data)
    np.testing.assert_allclose(found.input_scale, [np.sqrt(12.5), 1.0], rtol=1e-6)
    other = stability(quadratic, jnp.ones(2), jnp.eye(2))
    assert other.input_scale is None


@pytest.mark.parametrize("unit", [1e20, 1.0, 1e-25])
def test_the_input_scale_stays_in_range(fl, stability, line, unit):
    data = fl.Dataset(jnp.array([3.0, 4.0]) * unit, jnp.zeros(2))
    scale = stability(line[0], line[1], data).input_scale
    assert scale == pytest.approx(unit * np.sqrt(12.5), rel=1e-6)


@pytest.mark.parametrize("unit", [1e-25, 1.0, 1e25])
def test_lanczos_stays_in_range(stability, unit):
    curvatures = jnp.arange(1, 101) * unit
    found = stability(
        lambda params, batch, key: 0.5 * jnp.sum(batch * params**2),
        jnp.zeros(100),
        curvatures,
    )
    assert 0 < found.error < 0.1 * found.largest
    assert abs(found.largest - 100 * unit) <= found.error


@pytest.mark.parametrize(
    "momentum, error, message",
    [
        (1.5, ValueError, "between 0 and 1; got 1.5"),
        (-2, ValueError, "between 0 and 1; got -2"),
        ("a", TypeError, "a number; got 'a'"),
    ],
)
@pytest.mark.usefixtures("plain_annotations")
def test_refuses_what_is_no_momentum(stability, momentum, error, message):
    found = stability(quadratic, jnp.zeros(3), jnp.eye(3))
    with pytest.raises(error, match=f"momentum must be {message}"):
        found.limit(momentum)


@pytest.mark.parametrize(
    "params, error, message",
    [
        (np.zeros(3, np.float16), TypeError, "single or double precision.*float16"),
        (np.zeros(0, np.float32), ValueError, "at least one number"),
    ],
)
def test_refuses_parameters_without_eigenvalues(stability, params, error, message):
    with pytest.raises(error, match=message):
        stability(quadratic, params, jnp.eye(3))


# Verdicts


def made(fl, training, validation=None, **changes):
    """A run with these curves."""
    history = fl.History(
        *(
            x if x is None else jnp.asarray(x, jnp.float32)
            for x in (training, validation)
        )
    )
    reason = fl.stopping.Reason(np.zeros((), np.int32), ("epochs",))
    run = fl.Run(None, history, np.asarray(len(training), np.int32), reason)
    return run._replace(**changes)


EPOCHS = np.arange(2000)
FALL = np.exp(-EPOCHS / 200)
UP_AND_DOWN = 0.3 * np.random.default_rng(0).normal(size=(2, 2000))
NOISE = 1 + UP_AND_DOWN.clip(-0.9)
# Name: curves, number of validation rows, kind, cause.
VERDICTS = {
    "both settle": (10 * FALL + 1, 10 * FALL + 1.3, 100, "healthy", "curves agree"),
    "both settle, jittering": (
        (10 * FALL + 1) * NOISE[0],
        (10 * FALL + 1.3) * NOISE[1],
        100,
        "healthy",
        "curves agree",
    ),
    "a gap from the start": (FALL + 1, FALL + 3, 100, "healthy", "curves agree"),
    "validation rises": (
        10 * FALL + 0.01,
        10 * FALL + 1 + EPOCHS / 1000,
        100,
        "overfitting",
        "curves part",
    ),
    "validation stays": (
        np.exp(-EPOCHS / 300),
        0.5 + np.exp(-EPOCHS / 50),
        100,
        "overfitting",
        "curves part",
    ),
    "validation rises, jittering": (
        (10 * FALL + 0.1) * NOISE[0],
        (10 * FALL + 1 + EPOCHS / 500) * NOISE[1],
        100,
        "overfitting",
        "curves part",
    ),
    "validation rises on two rows": (
        10 * FALL + 0.01,
        10 * FALL + 0.01 + EPOCHS / 100,
        2,
        "cannot tell",
        "curves may part",
    ),
    "both settle, two rows": (
        10 * FALL + 1,
        10 * FALL + 1.3,
        2,
        "cannot tell",
        "uncertain validation",
    ),
    "flat": (np.full(2000, 5.0), np.full(2000, 5.0), 100, "cannot tell", "flat"),
    "noise": (5 * NOISE[0], 5 * NOISE[1], 100, "cannot tell", "flat"),
    "no validation": (10 * FALL + 1, None, None, "cannot tell", "no validation"),
    "slow": (
        10 * np.exp(-EPOCHS / 3000) + 1,
        10 * np.exp(-EPOCHS / 3000) + 1,
        100,
        "underfitting",
        "still learning",
    ),
    "straight down": (10 - EPOCHS / 400, None, None, "underfitting", "still learning"),
    "short": ([3.0, 2.0, 1.0], [3.0, 2.0, 1.0], 100, "cannot tell", "too short"),
    "explodes": (
        np.where(EPOCHS < 70, FALL, np.nan),
        None,
        None,
        "diverged",
        "not finite",
    ),
    "rises": (1 + EPOCHS / 100, None, None, "diverged", "rising"),
    "falls and rises": (
        10 * FALL + EPOCHS / 500,
        None,
        None,
        "cannot tell",
        "unstable",
    ),
    "perfect": (np.zeros(50), np.zeros(50), 100, "cannot tell", "flat"),
    "explodes at the very end": (
        np.r_[FALL[:-20] + 1, 2.0 ** np.arange(20)],
        FALL + 1.1,
        100,
        "diverged",
        "rising",
    ),
    "explodes in the last epoch": (
        np.r_[FALL[:-1] + 1, 1e30],
        FALL + 1.1,
        100,
        "diverged",
        "rising",
    ),
    "a spike on the way": (
        np.where(EPOCHS == 900, 1e30, 10 * FALL + 1),
        10 * FALL + 1.1,
        100,
        "healthy",
        "curves agree",
    ),
    "ten times as much every epoch": (
        10.0 ** np.arange(6),
        None,
        None,
        "diverged",
        "rising",
    ),
    "doubles at the end": (
        np.r_[FALL[:-45] + 1, 1 + 1.32 ** np.arange(45)],
        None,
        None,
        "diverged",
        "rising",
    ),
    "rises to half of its start at the end": (
        np.r_[10 * FALL[:-9] + 1, np.linspace(2, 5, 9)],
        10 * FALL + 1.1,
        100,
        "cannot tell",
        "unstable",
    ),
    "rounding errors": (
        np.r_[0.0, np.full(99, 1e-14)],
        None,
        None,
        "cannot tell",
        "no validation",
    ),
    "validation rises below training": (
        3 * FALL + 1,
        0.3 + np.exp(-EPOCHS / 50) + 0.6 * EPOCHS / 2000,
        1000,
        "overfitting",
        "curves part",
    ),
    "validation rises with training": (
        np.exp(-EPOCHS / 50) + 1 + EPOCHS / 4000,
        0.3 + np.exp(-EPOCHS / 50) + EPOCHS / 4000,
        1000,
        "healthy",
        "curves agree",
    ),
    "falls on by next to nothing": (
        3 * FALL**4 + 1 - 1e-4 * (EPOCHS / 2000) ** 1.1,
        3 * FALL**4 + 1.1 - 1e-4 * (EPOCHS / 2000) ** 1.1,
        1000,
        "healthy",
        "curves agree",
    ),
    "two epochs up": ([1.0, 2.0], None, None, "diverged", "rising"),
    "two epochs down": ([2.0, 1.0], None, None, "cannot tell", "too short"),
    "one epoch": ([1.0], None, None, "cannot tell", "too short"),
    "validation not finite": (
        10 * FALL + 1,
        np.where(EPOCHS == 6, np.nan, FALL),
        100,
        "cannot tell",
        "validation not finite",
    ),
    "nothing finite": (
        np.full(20, np.nan),
        np.full(20, np.nan),
        100,
        "diverged",
        "not finite",
    ),
}


@pytest.mark.parametrize("case", VERDICTS.values(), ids=VERDICTS)
def test_the_verdict_is_how_the_curves_were_made(fl, case):
    training, validation, rows, kind, cause = case
    run = made(fl, training, validation)
    verdict = fl.diagnosis.diagnose(run, rows and jnp.zeros(rows))
    assert (verdict.kind, verdict.cause) == (kind, cause)
    assert str(verdict).startswith(f"{kind.capitalize()}: ")
    assert "{" not in str(verdict)


@pytest.mark.parametrize("bend", [300, 700, 1200])
def test_tells_from_which_epoch_the_curves_part(fl, bend):
    training = np.exp(-EPOCHS / 500)
    validation = 0.5 + np.abs(EPOCHS - bend) / 500
    verdict = fl.diagnosis.diagnose(made(fl, training, validation))
    assert verdict.kind == "overfitting"
    # Within the 1 % of the loss that counts as no change, and half a median's width.
    assert bend - 0.01 * 0.5 * 500 - 50 <= verdict.epoch <= bend + 50


def test_tells_the_first_epoch_that_is_not_finite(fl):
    losses = [5.0, 4.0, np.inf, np.nan, 3.0]
    assert fl.diagnosis.diagnose(made(fl, losses)).epoch == 3
    verdict = fl.diagnosis.diagnose(made(fl, np.ones(5), losses))
    assert verdict.epoch == 3
    assert "validation data" in str(verdict)
    assert "learning rate" not in str(verdict)


def test_a_stop_because_of_divergence_decides(fl):
    losses = np.r_[10 * FALL + 1, 12.0]
    run = made(fl, losses)
    assert fl.diagnosis.diagnose(run).cause != "rising"
    stopped = run._replace(
        reason=fl.stopping.Reason(np.ones((), np.int32), ("epochs", "diverged"))
    )
    verdict = fl.diagnosis.diagnose(stopped)
    assert (verdict.kind, verdict.numbers["last_training"]) == ("diverged", 12.0)
    assert "rose from 11 to 12" in str(verdict)
    # On the validation loss the rule says nothing of the training loss.
    falling = stopped._replace(history=run.history._replace(loss=10 * FALL + 1))
    assert fl.diagnosis.diagnose(falling).cause == "no validation"


def test_a_run_whose_rate_grows_too_large_has_diverged(fl, stability, line, readings):
    limit = float(stability(*line, readings["scaled"]).limit())
    rates = optax.linear_schedule(0.2 * limit, 1.4 * limit, 3000)
    run = trained(
        fl,
        fl.models.linear,
        line[1],
        optax.sgd(rates),
        readings["scaled"],
        epochs=3000,
        stop=fl.stopping.diverged(10.0),
    )
    assert run.reason.name == "diverged"
    assert fl.diagnosis.diagnose(run).kind == "diverged"
    assert fl.diagnosis.diagnose(run._replace(reason=None)).kind == "diverged"


def test_large_steps_are_not_next_to_nothing(fl, line, readings):
    model, data = fl.models.linear, readings["raw"]
    run = trained(fl, model, line[1], optax.adam(50.0), data, epochs=60)
    assert run.history.loss[-1] > 5 * run.history.loss[0]
    assert fl.diagnosis.diagnose(run).cause == "unstable"


def test_final_parameters_that_are_not_finite_have_diverged(fl, line):
    run = made(fl, 10 * FALL + 1)
    state = fl.init_state(KEY, line[1], optax.sgd(0.1))
    assert fl.diagnosis.diagnose(run._replace(state=state)).cause == "no validation"
    bad = state._replace(params=state.params._replace(bias=jnp.asarray(jnp.nan)))
    verdict = fl.diagnosis.diagnose(run._replace(state=bad))
    assert (verdict.kind, verdict.cause) == ("diverged", "parameters not finite")


def test_sees_overfitting_where_validation_is_cleaner_than_training(fl):
    model, key = fl.models.mlp((1, 32, 1)), jax.random.key(3)
    train = fl.data.noisy_sine(key, 60, 1.5)
    validation = fl.data.noisy_sine(key, 300, 0.0)
    start = jax.jit(model.init)(key)
    run = trained(
        fl,
        model,
        start,
        optax.adam(5e-3),
        train,
        validation=validation,
        epochs=6000,
    )
    judged = run.history.evaluation
    assert judged[-1] > 10 * judged.min()
    assert judged[-1] < run.history.loss[-1]
    assert fl.diagnosis.diagnose(run, validation).kind == "overfitting"


@pytest.mark.parametrize("epochs", [12, 20, 30])
def test_no_minimum_is_picked_out_of_noise(fl, epochs):
    fall = np.exp(-np.arange(epochs) / 3)
    random = np.random.default_rng(0)
    causes = []
    for _ in range(200):
        noise = 1 + 0.1 * random.normal(size=(2, epochs))
        run = made(fl, (3 * fall + 1.5) * noise[0], (3 * fall + 1) * noise[1])
        causes.append(fl.diagnosis.diagnose(run, jnp.zeros(10_000)).cause)
    assert causes.count("curves part") + causes.count("curves may part") <= 2


def test_a_loss_like_that_of_a_constant_is_underfitting(fl):
    run = made(fl, 10 * FALL + 5, 10 * FALL + 5)
    rows = jnp.zeros(100)
    assert fl.diagnosis.diagnose(run, rows).kind == "healthy"
    assert fl.diagnosis.diagnose(run, rows, baseline=50.0).kind == "healthy"
    verdict = fl.diagnosis.diagnose(run, rows, baseline=5.1)
    assert (verdict.kind, verdict.cause) == (
        "underfitting",
        "no better than a constant",
    )
    assert verdict.numbers["share_of_baseline"] == pytest.approx(5 / 5.1, rel=1e-3)


def test_more_rows_make_the_same_curves_certain(fl):
    run = made(fl, FALL + 0.2, np.exp(-EPOCHS / 50) + 0.3 + EPOCHS / 20_000)
    kinds = [fl.diagnosis.diagnose(run, jnp.zeros(n)).kind for n in (4, 20, 1000)]
    assert kinds == ["cannot tell", "cannot tell", "overfitting"]
    assert fl.diagnosis.diagnose(run).kind == "overfitting"


def test_rows_that_never_ran_do_not_count(fl):
    padded = np.r_[10 * FALL[:500] + 1, np.full(1500, np.nan)]
    run = made(fl, padded, epochs=np.asarray(500, np.int32))
    assert fl.diagnosis.diagnose(run).cause == "still learning"


def test_takes_the_loss_among_metrics(fl):
    run = made(fl, 10 * FALL + 1, 10 * FALL + 1)
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
def test_refuses_what_is_no_single_curve(fl, training, validation, epochs, message):
    run = made(fl, training, epochs=np.asarray(epochs, np.int32))
    run = run._replace(history=run.history._replace(evaluation=validation))
    with pytest.raises(ValueError, match=message):
        fl.diagnosis.diagnose(run)


def test_refuses_a_history_of_another_kind(fl, line):
    run = made(fl, np.ones(5), history=jnp.ones(5))
    for look in (fl.diagnosis.diagnose, explain_nothing(fl, line)):
        with pytest.raises(TypeError, match="run must have the default history"):
            look(run)


@pytest.mark.parametrize(
    "baseline, error", [(0, "0"), (-1.0, "-1"), (np.nan, "nan"), ("a", "'a'")]
)
@pytest.mark.usefixtures("plain_annotations")
def test_refuses_a_baseline_that_is_no_loss(fl, baseline, error):
    kind = TypeError if baseline == "a" else ValueError
    with pytest.raises(kind, match=f"baseline must be .*; got {error}"):
        fl.diagnosis.diagnose(made(fl, FALL + 1), baseline=baseline)


def trained(fl, model, start, optimizer, data, **settings):
    """A real run."""
    objective = fl.make_objective(model, fl.losses.mse)
    state = fl.init_state(KEY, start, optimizer)
    step = fl.make_train_step(objective, optimizer)
    if settings.get("validation") is not None:
        settings["evaluate"] = fl.make_evaluation(model, fl.losses.mse)
    return fl.fit(step, state, data, **settings)


@pytest.mark.parametrize(
    "name, rate, epochs, cause",
    [
        ("raw", 1e-2, 100, "not finite"),
        ("raw", 1e-4, 100, "still learning"),
        ("raw", 1e-4, 5000, "still learning"),
        ("scaled", 1e-2, 1000, "still learning"),
        ("scaled", 1e-2, 5000, "no validation"),
    ],
)
def test_judges_the_sources_runs(fl, line, readings, name, rate, epochs, cause):
    linear, data = fl.models.linear, readings[name]
    run = trained(fl, linear, line[1], optax.sgd(rate), data, epochs=epochs)
    verdict = fl.diagnosis.diagnose(run)
    assert verdict.cause == cause
    if name == "raw" and epochs == 5000:
        inputs, targets = (np.asarray(part, np.float64) for part in data)
        best = np.polyfit(inputs, targets, 1)
        # Gradient descent in closed form, for twenty times as long again.
        step = np.eye(2) - rate * line_hessian(inputs)
        off = np.linalg.matrix_power(step, 21 * epochs) @ ([1, 0] - best)
        errors = np.polyval(best + off, inputs) - targets
        assert verdict.numbers["floor"] == pytest.approx(np.mean(errors**2), rel=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_two_validation_rows_never_tell(fl, line, readings, seed):
    train, validation = fl.data.split(jax.random.key(seed), readings["scaled"])
    run = trained(
        fl,
        fl.models.linear,
        line[1],
        optax.sgd(1e-2),
        train,
        validation=validation,
        epochs=5000,
    )
    assert fl.diagnosis.diagnose(run, validation).kind == "cannot tell"


@pytest.mark.parametrize(
    "rows, epochs, kind", [(20, 4000, "overfitting"), (500, 1000, "healthy")]
)
def test_judges_a_network_on_few_rows_and_on_many(fl, rows, epochs, kind):
    model = fl.models.mlp((1, 32, 1)) if rows == 20 else fl.models.mlp((1, 6, 1))
    data = fl.data.noisy_sine(KEY, rows + 300, noise=0.5 if rows == 20 else 0.25)
    fraction = 300 / (rows + 300) + 1e-6
    train, validation = fl.data.split(KEY, data, fraction)
    run = trained(
        fl,
        model,
        jax.jit(model.init)(KEY),
        optax.adam(2e-2),
        train,
        validation=validation,
        epochs=epochs,
    )
    assert fl.diagnosis.diagnose(run, validation).kind == kind


def test_hardly_any_healthy_run_is_called_overfitting(fl, line):
    objective, start = line
    evaluate = fl.make_evaluation(fl.models.linear, fl.losses.mse)
    optimizer = optax.sgd(1e-2)
    step = fl.make_train_step(objective, optimizer)

    def draw(key, rows):
        input_key, noise_key = jax.random.split(key)
        inputs = jax.random.normal(input_key, (rows,))
        noise = jax.random.normal(noise_key, (rows,))
        return fl.Dataset(inputs, 2 * inputs + 1 + 0.5 * noise)

    @jax.jit
    @jax.vmap
    def losses(key):
        train_key, validation_key = jax.random.split(key)
        data = draw(train_key, 200), draw(validation_key, 20)
        state = fl.init_state(key, start, optimizer)
        return fl.fit(step, state, *data, epochs=1000, evaluate=evaluate).history

    history = jax.device_get(losses(jax.random.split(KEY, 100)))
    kinds = [
        fl.diagnosis.diagnose(made(fl, *curves), jnp.zeros(20)).kind
        for curves in zip(*history, strict=True)
    ]
    # Two standard errors leave one run in forty.
    assert kinds.count("overfitting") <= 3
    assert kinds.count("healthy") >= 80


# Divergence


def explain_nothing(fl, line, **settings):
    """`explain_divergence` of a run, whatever the run was made with."""
    arguments = {"learning_rate": 1.0} | settings
    return lambda run: fl.diagnosis.explain_divergence(
        run, line[0], lambda state, batch: (state, ()), None, None, **arguments
    )


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


def test_what_it_suggests_works(fl, line, readings):
    _, found = blown_up(fl, line, readings["raw"], 1e-2)
    assert blown_up(fl, line, readings["raw"], found.suggestion)[1] is None
    scaler = fl.data.Scaler(input_scale=found.stability.input_scale)
    scaled = scaler(readings["raw"])
    assert blown_up(fl, line, scaled, found.scaled_limit / 2)[1] is None


@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize("momentum, nesterov", METHODS)
def test_the_last_good_parameters_have_the_lowest_loss(
    fl, stability, line, readings, momentum, nesterov, batch_size
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
        epochs=500,
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


def test_blames_a_gradient_that_is_not_finite(fl):
    def root(params, batch, key):
        return jnp.sqrt(jnp.sum(params**2)) + 0 * jnp.sum(batch)

    _, found = blown_up(fl, (root, jnp.zeros(2)), jnp.ones(3), 0.1)
    assert found.cause == "gradient"
    assert found.scaled_limit is None
    assert "logarithms" in str(found)


def test_looks_elsewhere_where_the_rate_is_below_the_limit(fl):
    def cliff(params, batch, key):
        # Flat, and far out ever steeper: a momentum that is not said carries it there.
        return jnp.mean(batch) * (params - 0.1) ** 4 - params

    _, found = blown_up(fl, (cliff, jnp.asarray(0.0)), jnp.ones(3), 2.0)
    assert found.cause == "elsewhere"
    assert found.learning_rate <= found.limit
    assert "below" in str(found)
    assert found.suggestion == 1.0


@pytest.mark.parametrize(
    "columns, advice", [(1, "by 54.2"), (2, "by their root mean squares")]
)
def test_advises_one_scale_a_column(fl, readings, columns, advice):
    model = fl.models.affine(columns)
    start = fl.models.LinearParams(jnp.ones(columns), jnp.zeros(()))
    inputs = readings["raw"].inputs[:, None] * jnp.array([[1.0, 0.1]])[:, :columns]
    data = readings["raw"]._replace(inputs=inputs)
    objective = fl.make_objective(model, fl.losses.mse)
    assert advice in str(blown_up(fl, (objective, start), data, 1e-2)[1])


def test_refuses_mapped_runs(fl, line, readings):
    run = made(fl, np.ones((2, 5)))
    with pytest.raises(ValueError, match="single run"):
        explain_nothing(fl, line)(run)


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
def test_refuses_what_is_no_rate(fl, line, name, value, error, message):
    with pytest.raises(error, match=f"{name} must be .*{message}"):
        explain_nothing(fl, line, **{name: value})(made(fl, [1.0, 2.0]))


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
    assert found.suggestion == 0.5
    assert "leaves no stable learning rate" in str(found)
    assert str(dataclasses.replace(found, cause="learning rate", limit=0.0))


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


def test_explanations_are_values(fl, line, readings):
    _, found = blown_up(fl, line, readings["raw"], 1e-2)
    assert dataclasses.replace(found, cause="elsewhere").cause == "elsewhere"
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.cause = "data"
