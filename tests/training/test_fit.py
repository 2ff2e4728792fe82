"""What a run does, records, and refuses."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.models import LinearParams

KEY = jax.random.key(0)
SCALED = jax.tree.map(np.float64, fl.data.standardise(fl.data.thermometer())[0])
OBJECTIVE = fl.make_objective(fl.models.linear, fl.losses.mse)
IDENTITY = LinearParams(jnp.float32(1), jnp.float32(0))
SGD = optax.sgd(0.1)
STEP = fl.make_train_step(OBJECTIVE, SGD)
EVALUATE = fl.make_evaluation(fl.models.linear, fl.losses.mse)


def thermometer():
    """The thermometer's readings, standardised, in the precision in force."""
    return jax.tree.map(jnp.asarray, SCALED)


def start(optimizer=SGD, params=IDENTITY):
    return fl.init_state(KEY, params, optimizer)


def assert_close(tree, other, **tolerance):
    assert jax.tree.structure(tree) == jax.tree.structure(other)
    for one, two in zip(*map(jax.tree.leaves, (tree, other)), strict=True):
        np.testing.assert_allclose(one, two, **tolerance)


FITS = {
    "linear": (fl.models.linear, (), lambda x: np.stack([x, np.ones_like(x)], 1)),
    "affine": (fl.models.affine(3), (3,), lambda x: np.c_[x, np.ones(len(x))]),
    "polynomial": (fl.models.polynomial(2), (), lambda x: np.vander(x, 3)[:, ::-1]),
}


@pytest.mark.parametrize("model, columns, design", FITS.values(), ids=FITS)
@pytest.mark.parametrize("batch_size", [None, 20])
def test_fit_finds_the_least_squares_solution(
    model, columns, design, batch_size, float64
):
    rng = np.random.default_rng(5)
    inputs, targets = rng.uniform(-1, 1, (20, *columns)), rng.normal(size=20)
    optimizer = optax.sgd(0.3, momentum=0.5)
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(KEY, model.init(KEY), optimizer)
    train = fl.Dataset(jnp.asarray(inputs), jnp.asarray(targets))
    run = fl.fit(step, state, train, epochs=1000, batch_size=batch_size)
    solution, squares, *_ = np.linalg.lstsq(design(inputs), targets, rcond=None)
    found = np.concatenate([np.ravel(leaf) for leaf in run.state.params])
    np.testing.assert_allclose(found, solution, rtol=1e-9)
    np.testing.assert_allclose(run.history.loss[-1], squares[0] / 20, rtol=1e-9)


def by_hand(step, state, train, validation, evaluate, epochs, batch_size):
    """A run as a loop in Python, with the documented keys."""
    rows = []
    for epoch in range(epochs):
        evaluation = evaluate(state.params, validation)
        batches, total, info = [train], 0, None
        if batch_size is not None:
            key = jax.random.fold_in(jax.random.fold_in(state.key, 1), epoch)
            batches = fl.data.batches(key, train, batch_size)
        for batch in batches:
            state, info = step(state, batch)
            total += len(batch.targets) * info.loss
        state = state._replace(epoch=state.epoch + 1)
        seen = (state.params, state.step, info, evaluation)
        rows.append((total / len(train.targets), seen))
    losses, seen = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
    return state, losses, seen


@pytest.mark.parametrize("batch_size", [None, 4, 9])
@pytest.mark.slow
def test_a_run_is_the_loop_that_one_would_write(batch_size, float64):
    train, validation = fl.data.split(KEY, thermometer())
    optimizer = optax.sgd(0.1, momentum=0.5)
    step = fl.make_train_step(OBJECTIVE, optimizer)
    state = fl.init_state(KEY, fl.models.linear.init(KEY), optimizer)
    evaluate = fl.make_evaluation(
        fl.models.linear, fl.losses.mse, {"mae": fl.losses.mae}
    )
    epochs = 3
    expected, losses, seen = by_hand(
        jax.jit(step), state, train, validation, jax.jit(evaluate), epochs, batch_size
    )
    settings = {"epochs": epochs, "batch_size": batch_size, "evaluate": evaluate}
    run = fl.fit(step, state, train, validation, **settings)
    kept = fl.fit(
        step,
        state,
        train,
        validation,
        **settings,
        record=lambda state, info, evaluation: (
            state.params,
            state.step,
            info,
            evaluation,
        ),
    )
    for state in (run.state, kept.state):
        assert_close(state._replace(key=0), expected._replace(key=0), rtol=1e-11)
    assert_close(run.history, fl.History(losses, seen[3]), rtol=1e-11)
    assert_close(kept.history, seen, rtol=1e-11)
    assert run.epochs == kept.epochs == epochs
    assert run.state.step == epochs * (1 if batch_size is None else -(-9 // batch_size))


def test_the_first_row_is_taken_before_the_first_update():
    train = thermometer()
    run = fl.fit(STEP, start(), train, train, epochs=2, evaluate=EVALUATE)
    first = np.mean((np.float64(train.inputs) - np.float64(train.targets)) ** 2)
    np.testing.assert_allclose(run.history.loss[0], first, rtol=1e-6)
    np.testing.assert_allclose(run.history.loss, run.history.evaluation, rtol=1e-6)
    assert run.history.loss[1] < run.history.loss[0]


@pytest.mark.parametrize("epochs, batch_size", [(1, None), (3, None), (2, 4)])
def test_validation_is_never_differentiated(epochs, batch_size):
    @jax.custom_jvp
    def evaluate(params, dataset):
        return EVALUATE(params, dataset)

    @evaluate.defjvp
    def refuse(primals, tangents):
        raise AssertionError("validation is differentiated")

    train = thermometer()
    run = fl.fit(
        STEP,
        start(),
        train,
        train,
        epochs=epochs,
        batch_size=batch_size,
        evaluate=evaluate,
    )
    assert run.history.evaluation.shape == (epochs,)
    with pytest.raises(AssertionError, match="validation is differentiated"):
        jax.grad(evaluate)(run.state.params, train)


@pytest.mark.parametrize("batch_size", [None, 4])
def test_no_epochs_return_the_state_and_an_empty_history(batch_size):
    train, state = thermometer(), start(optax.adam(0.1))
    step = fl.make_train_step(OBJECTIVE, optax.adam(0.1))
    settings = {"epochs": 0, "batch_size": batch_size, "evaluate": EVALUATE}
    run = fl.fit(step, state, train, train, **settings)
    assert_close(run.state._replace(key=0), state._replace(key=0), rtol=0)
    assert run.state.key == state.key and run.epochs == 0
    assert run.history.loss.shape == run.history.evaluation.shape == (0,)
    recorded = fl.fit(
        step,
        state,
        train,
        train,
        **settings,
        record=lambda state, info, evaluation: {"grads": info.grads},
    )
    assert recorded.history["grads"].weight.shape == (0,)


def test_a_record_may_keep_nothing():
    run = fl.fit(STEP, start(), thermometer(), epochs=2, record=lambda *seen: None)
    assert run.history is None
    assert run.state.step == 2


def fit(**changes):
    arguments = {"state": start(), "train": thermometer(), "epochs": 1}
    return fl.fit(STEP, **{**arguments, **changes})


UNEQUAL = fl.Dataset(jnp.zeros(3), jnp.zeros((2, 1)))
SHORT = fl.Dataset(jnp.zeros(0), jnp.zeros(0))


class Refusal(NamedTuple):
    arguments: dict[str, Any]
    error: type[Exception]
    message: str


REFUSALS = {
    "negative epochs": Refusal(
        {"epochs": -1}, ValueError, "epochs must be at least 0; got -1"
    ),
    **{
        f"epochs {epochs}": Refusal(
            {"epochs": epochs},
            TypeError,
            f"epochs must be an integer known at trace time; got {epochs!r}",
        )
        for epochs in (2.5, 2.0, True, "2", None)
    },
    "no batch": Refusal(
        {"batch_size": 0}, ValueError, "batch_size must be at least 1; got 0"
    ),
    "batch beyond the data": Refusal(
        {"batch_size": 12},
        ValueError,
        "batch_size must be at most the number of rows, 11; got 12",
    ),
    "fraction of a batch": Refusal(
        {"batch_size": 1.5}, TypeError, "batch_size must be an integer.*got 1.5"
    ),
    "unequal lengths": Refusal(
        {"train": UNEQUAL},
        ValueError,
        r"train must .* train\.inputs \(3,\), train\.targets \(2, 1\)",
    ),
    "unequal lengths in validation": Refusal(
        {"validation": UNEQUAL, "evaluate": EVALUATE},
        ValueError,
        r"validation\.inputs \(3,\), validation\.targets \(2, 1\)",
    ),
    "no rows": Refusal(
        {"train": SHORT}, ValueError, "train must have at least one row; got none"
    ),
    "no validation rows": Refusal(
        {"validation": SHORT, "evaluate": EVALUATE},
        ValueError,
        "validation must have at least one row",
    ),
    "evaluate without validation": Refusal(
        {"evaluate": EVALUATE}, ValueError, "validation must be given"
    ),
    "validation without evaluate": Refusal(
        {"validation": thermometer()}, ValueError, "evaluate must be given"
    ),
    "integer parameters": Refusal(
        {"state": start()._replace(params=LinearParams(jnp.int32(1), jnp.zeros(())))},
        TypeError,
        r"state\.params\.weight must be floating-point.*got int32",
    ),
    "another optimizer": Refusal(
        {"state": start(optax.adam(0.1))},
        ValueError,
        r"state\.opt_state must have the structure of the state of the optimizer.*"
        "ScaleByAdamState",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.usefixtures("plain_annotations")
def test_fit_refuses_by_name(refusal):
    with pytest.raises(refusal.error, match=refusal.message):
        fit(**refusal.arguments)


@pytest.mark.usefixtures("plain_annotations")
def test_a_traced_number_of_epochs_or_rows_is_refused():
    for name in ("epochs", "batch_size"):
        with pytest.raises(
            TypeError, match=f"{name} must be an integer known at trace"
        ):
            jax.jit(lambda number, name=name: fit(**{name: number}).state)(2)


@pytest.mark.usefixtures("plain_annotations")
def test_refusals_do_not_wait_for_the_first_epoch():
    for arguments in ({"train": UNEQUAL}, {"batch_size": 12}, {"evaluate": EVALUATE}):
        with pytest.raises(ValueError):
            fit(**arguments, epochs=0)


class Traces:
    """An objective that counts how often it is traced."""

    def __init__(self):
        self.count = 0

    def __call__(self, params, batch, key):
        self.count += 1
        return OBJECTIVE(params, batch, key)


def test_the_same_step_compiles_once():
    objective, optimizer = Traces(), optax.adam(0.1)
    step, train = fl.make_train_step(objective, optimizer), thermometer()
    run = fl.fit(step, start(optimizer), train, epochs=3)
    traced = objective.count
    assert traced > 0
    fl.fit(step, start(optimizer, LinearParams._make([2.0, 3.0])), train, epochs=3)
    again = fl.fit(step, run.state, train, epochs=3)
    fl.fit(step, again.state, jax.tree.map(lambda leaf: leaf + 1, train), epochs=3)
    assert objective.count == traced
    fl.fit(step, run.state, train, epochs=4)
    assert objective.count > traced


def test_another_learning_rate_does_not_compile_again():
    objective, train = Traces(), thermometer()

    def run(learning_rate, train):
        optimizer = optax.sgd(learning_rate, momentum=0.9)
        step = fl.make_train_step(objective, optimizer)
        return fl.fit(step, start(optimizer), train, epochs=5).history.loss

    compiled: Any = jax.jit(run)
    first = compiled(0.1, train)
    traced = objective.count
    second = compiled(0.01, train)
    assert objective.count == traced
    assert compiled._cache_size() == 1
    assert first[0] == second[0] and first[1] != second[1]


def test_a_learning_rate_in_the_state_does_not_compile_again():
    objective, train = Traces(), thermometer()
    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1)
    step = fl.make_train_step(objective, optimizer)
    run = fl.fit(step, start(optimizer), train, epochs=2)
    traced = objective.count
    opt_state: Any = run.state.opt_state
    opt_state = opt_state._replace(hyperparams={"learning_rate": jnp.float32(0.0)})
    still = fl.fit(step, run.state._replace(opt_state=opt_state), train, epochs=2)
    assert objective.count == traced
    assert still.state.params == run.state.params


def test_parts_of_ones_own_work():
    """A model of two lambdas, a loss of one's own, and parameters in a dictionary."""
    model = fl.Model(
        init=lambda key: {"w": [jnp.zeros(2)], "b": 0.0},
        apply=lambda params, inputs: inputs @ params["w"][0] + params["b"],
    )
    objective = fl.make_objective(model, lambda p, t: jnp.mean(jnp.cosh(p - t) - 1))
    inputs = np.random.default_rng(2).normal(size=(12, 2)).astype(np.float32)
    targets = inputs @ np.array([2, -1], np.float32) + 0.5
    train = fl.Dataset._make([inputs, targets])  # NumPy's arrays
    step = fl.make_train_step(objective, SGD)
    for batch_size in (None, 5):
        state = fl.init_state(KEY, model.init(KEY), SGD)
        run = fl.fit(step, state, train, epochs=1000, batch_size=batch_size)
        np.testing.assert_allclose(run.state.params["w"][0], [2, -1], atol=1e-4)
        np.testing.assert_allclose(run.state.params["b"], 0.5, atol=1e-4)


def test_a_train_step_of_ones_own_works():
    """A perceptron: no objective, no optimizer, no gradient."""
    rng = np.random.default_rng(4)
    inputs = rng.normal(size=(30, 2))
    batch = {"x": inputs, "sign": np.where(inputs @ [1, -2] > 0, 1, -1)}

    def perceptron(state, batch):
        wrong = batch["sign"] * (batch["x"] @ state.params) <= 0
        push = jnp.mean(
            jnp.where(wrong, batch["sign"], 0)[:, None] * batch["x"], axis=0
        )
        info = fl.StepInfo(jnp.mean(wrong.astype(push.dtype)), push)
        return state._replace(params=state.params + push, step=state.step + 1), info

    state = fl.TrainState(jnp.zeros(2), (), KEY, jnp.int32(0))
    for batch_size in (None, 7):
        run = fl.fit(perceptron, state, batch, epochs=300, batch_size=batch_size)
        assert run.history.loss[0] > 0.2
        assert run.history.loss[-1] == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.slow
def test_parameters_keep_their_precision(dtype, float64):
    for optimizer, batch_size in (
        (optax.sgd(0.05), None),
        (optax.sgd(0.05, 0.5, nesterov=True), 4),
        (optax.adam(0.1), None),
    ):
        params = LinearParams(jnp.ones((), dtype), jnp.zeros((), dtype))
        train = jax.tree.map(lambda leaf: leaf.astype(dtype), thermometer())
        run = fl.fit(
            fl.make_train_step(OBJECTIVE, optimizer),
            start(optimizer, params),
            train,
            epochs=6,
            batch_size=batch_size,
        )
        assert {leaf.dtype.name for leaf in run.state.params} == {dtype}
        # Squares would soon be beyond the range of float16.
        wide = "float32" if dtype == "float16" else dtype
        assert run.history.loss.dtype == wide
        assert run.history.loss[-1] < run.history.loss[0]


def test_half_precision_parameters_learn_from_single_precision_data():
    params = LinearParams(jnp.bfloat16(1), jnp.bfloat16(0))
    learning_rate = jnp.float32(0.1)
    optimizer = optax.sgd(learning_rate)
    step = fl.make_train_step(OBJECTIVE, optimizer)
    run = fl.fit(step, start(optimizer, params), thermometer(), epochs=5)
    assert {leaf.dtype.name for leaf in run.state.params} == {"bfloat16"}
    assert run.history.loss[-1] < run.history.loss[0] / 2


def test_a_diverging_run_is_recorded_to_its_end():
    optimizer = optax.sgd(1e20)
    step = fl.make_train_step(OBJECTIVE, optimizer)
    losses = fl.fit(step, start(optimizer), thermometer(), epochs=5).history.loss
    assert math.isfinite(losses[0]) and not math.isfinite(losses[-1])


@pytest.mark.parametrize("epochs, batch_size", [(1, None), (2, 4)])
@pytest.mark.slow
def test_a_run_can_be_debugged(epochs, batch_size):
    """Under JAX's own watchmen, and uncompiled."""
    train = thermometer()
    settings = {"epochs": epochs, "batch_size": batch_size, "evaluate": EVALUATE}
    expected = fl.fit(STEP, start(), train, train, **settings)
    for watched in (jax.checking_leaks(), jax.debug_nans(True), jax.disable_jit()):
        with watched:
            # Another step, that the first run's compilation is not used again.
            step = fl.make_train_step(OBJECTIVE, SGD)
            run = fl.fit(step, start(), train, train, **settings)
        assert_close(run.history, expected.history, rtol=1e-5)
        assert_close(run.state.params, expected.state.params, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.parametrize("stop", [None, fl.stopping.max_epochs(3)])
@pytest.mark.slow
def test_the_final_row_is_the_last_that_ran(stop, batch_size):
    train = thermometer()
    run = fl.fit(
        STEP,
        start(),
        train,
        train,
        epochs=5,
        batch_size=batch_size,
        evaluate=EVALUATE,
        stop=stop,
    )
    last = jax.tree.map(lambda rows: rows[int(run.epochs) - 1], run.history)
    jax.tree.map(np.testing.assert_array_equal, run.final, last)
    assert int(run.epochs) == (5 if stop is None else 3)
    assert run.state.epoch == run.epochs


def test_the_final_row_is_what_record_returned():
    run = fit(epochs=3, record=lambda state, info, _: (state.step, info.grads))
    assert run.final[0] == 3
    np.testing.assert_array_equal(run.final[1].bias, run.history[1].bias[-1])


def test_where_no_epoch_ran_the_final_row_is_blank():
    assert np.isnan(fit(epochs=0).final.loss)
    counted = fit(epochs=0, record=lambda state, info, evaluation: state.step)
    assert (counted.final, counted.final.dtype) == (0, jnp.int32)
    rule = fit(epochs=4, stop=fl.stopping.max_epochs(2)).stop
    assert np.isnan(fit(epochs=4, stop=rule).final.loss)


@pytest.mark.slow
def test_every_lane_has_a_final_row_of_its_own():
    def final(epochs):
        run = fit(epochs=6, stop=fl.stopping.max_epochs(epochs))
        return run.final.loss, run.history.loss, run.epochs

    loss, history, epochs = jax.vmap(final)(jnp.arange(1, 9))
    np.testing.assert_array_equal(epochs, [1, 2, 3, 4, 5, 6, 6, 6])
    np.testing.assert_array_equal(loss, history[jnp.arange(8), epochs - 1])


@pytest.mark.parametrize("stop", [None, fl.stopping.patience(3)])
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.slow
def test_a_history_that_nobody_reads_is_not_stored(stop, many):
    epochs = 10_000
    train = thermometer()

    def bytes_of(result):
        def run(weight):
            state = start(params=LinearParams(weight, jnp.float32(0)))
            return result(fl.fit(STEP, state, train, epochs=epochs, stop=stop))

        weights = jax.ShapeDtypeStruct((3,) if many else (), jnp.float32)
        compiled: Any = jax.jit(jax.vmap(run) if many else run).lower(weights).compile()
        memory = compiled.memory_analysis()
        return memory.temp_size_in_bytes + memory.output_size_in_bytes

    one_history = 4 * epochs
    assert bytes_of(lambda run: run.history.loss[..., -1]) > one_history
    assert bytes_of(lambda run: (run.final.loss, run.state.params)) < one_history / 10


def test_evaluations_and_validation_come_together():
    for missing, given in (("evaluate", "validation"), ("validation", "evaluate")):
        value = thermometer() if given == "validation" else EVALUATE
        with pytest.raises(
            ValueError, match=f"{missing} must be given too; got {given} alone"
        ):
            fit(**{given: value})
