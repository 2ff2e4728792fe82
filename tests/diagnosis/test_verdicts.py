"""Verdicts agree with how the curves were made."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

KEY = jax.random.key(0)
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
    "a gap from the start, which may be that of harder rows": (
        FALL + 1,
        FALL + 3,
        100,
        "cannot tell",
        "gap may count",
    ),
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
    "rounding errors, where nothing was learnt": (
        np.r_[0.0, np.full(99, 1e-14)],
        None,
        None,
        "cannot tell",
        "flat",
    ),
    "validation rises below training": (
        3 * FALL + 1,
        0.3 + np.exp(-EPOCHS / 50) + 0.6 * EPOCHS / 2000,
        1000,
        "overfitting",
        "curves part",
    ),
    "both lose a half of what they learnt": (
        np.exp(-EPOCHS / 50) + 1 + EPOCHS / 4000,
        0.3 + np.exp(-EPOCHS / 50) + EPOCHS / 4000,
        1000,
        "cannot tell",
        "unstable",
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
def test_the_verdict_is_how_the_curves_were_made(fl, case, made):
    training, validation, rows, kind, cause = case
    run = made(training, validation)
    verdict = fl.diagnosis.diagnose(run, rows and jnp.zeros(rows))
    assert (verdict.kind, verdict.cause) == (kind, cause)
    assert str(verdict).startswith(f"{kind.capitalize()}: ")
    assert verdict.__rich__().plain == str(verdict)
    assert "{" not in str(verdict)


@pytest.mark.parametrize("bend", [300, 700, 1200])
def test_tells_from_which_epoch_the_curves_part(fl, bend, made):
    training = np.exp(-EPOCHS / 500)
    validation = 0.5 + np.abs(EPOCHS - bend) / 500
    verdict = fl.diagnosis.diagnose(made(training, validation))
    assert verdict.kind == "overfitting"
    # Within the 1 % of the loss that counts as no change, and half a median's width.
    assert bend - 0.01 * 0.5 * 500 - 50 <= verdict.epoch <= bend + 50


def test_tells_the_first_epoch_that_is_not_finite(fl, made):
    losses = [5.0, 4.0, np.inf, np.nan, 3.0]
    assert fl.diagnosis.diagnose(made(losses)).epoch == 3
    verdict = fl.diagnosis.diagnose(made(np.ones(5), losses))
    assert verdict.epoch == 3
    assert "validation data" in str(verdict)
    assert "learning rate" not in str(verdict)


def test_a_stop_because_of_divergence_decides(fl, made):
    losses = np.r_[10 * FALL + 1, 12.0]
    run = made(losses)
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


def test_final_parameters_that_are_not_finite_have_diverged(fl, line, made):
    run = made(10 * FALL + 1)
    state = fl.init_state(KEY, line[1], optax.sgd(0.1))
    assert fl.diagnosis.diagnose(run._replace(state=state)).cause == "no validation"
    bad = state._replace(params=state.params._replace(bias=jnp.asarray(jnp.nan)))
    verdict = fl.diagnosis.diagnose(run._replace(state=bad))
    assert (verdict.kind, verdict.cause) == ("diverged", "parameters not finite")


@pytest.mark.slow
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
@pytest.mark.slow
def test_no_minimum_is_picked_out_of_noise(fl, epochs, made):
    fall = np.exp(-np.arange(epochs) / 3)
    random = np.random.default_rng(0)
    causes = []
    for _ in range(200):
        noise = 1 + 0.1 * random.normal(size=(2, epochs))
        run = made((3 * fall + 1.5) * noise[0], (3 * fall + 1) * noise[1])
        causes.append(fl.diagnosis.diagnose(run, jnp.zeros(10_000)).cause)
    assert causes.count("curves part") + causes.count("curves may part") <= 2


def test_a_loss_like_that_of_a_constant_is_underfitting(fl, made):
    run = made(10 * FALL + 5, 10 * FALL + 5)
    rows = jnp.zeros(100)
    assert fl.diagnosis.diagnose(run, rows).kind == "healthy"
    assert fl.diagnosis.diagnose(run, rows, baseline=50.0).kind == "healthy"
    verdict = fl.diagnosis.diagnose(run, rows, baseline=5.1)
    assert (verdict.kind, verdict.cause) == (
        "underfitting",
        "no better than a constant",
    )
    assert verdict.numbers["share_of_baseline"] == pytest.approx(5 / 5.1, rel=1e-3)


def test_more_rows_make_the_same_curves_certain(fl, made):
    run = made(FALL + 0.2, np.exp(-EPOCHS / 50) + 0.3 + EPOCHS / 20_000)
    kinds = [fl.diagnosis.diagnose(run, jnp.zeros(n)).kind for n in (4, 20, 1000)]
    assert kinds == ["cannot tell", "cannot tell", "overfitting"]
    assert fl.diagnosis.diagnose(run).kind == "overfitting"


@pytest.mark.parametrize(
    "baseline, error", [(0, "0"), (-1.0, "-1"), (np.nan, "nan"), ("a", "'a'")]
)
@pytest.mark.usefixtures("plain_annotations")
def test_refuses_a_baseline_that_is_no_loss(fl, baseline, error, made):
    kind = TypeError if baseline == "a" else ValueError
    with pytest.raises(kind, match=f"baseline must be .*; got {error}"):
        fl.diagnosis.diagnose(made(FALL + 1), baseline=baseline)


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
def test_judges_the_sources_runs(
    fl, line, readings, name, rate, epochs, cause, line_hessian
):
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
@pytest.mark.slow
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


@pytest.mark.slow
def test_hardly_any_healthy_run_is_called_overfitting(fl, line, made):
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
        fl.diagnosis.diagnose(made(*curves), jnp.zeros(20)).kind
        for curves in zip(*history, strict=True)
    ]
    # Two standard errors leave one run in forty.
    assert kinds.count("overfitting") <= 3
    assert kinds.count("healthy") >= 80
