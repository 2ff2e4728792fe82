"""One train step for every optimizer: formulas, masks, line searches, refusals."""

from typing import Any, cast

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


def thermometer():
    """The thermometer's readings, standardised, in the precision in force."""
    return jax.tree.map(jnp.asarray, SCALED)


def start(optimizer=SGD, params=IDENTITY):
    return fl.init_state(KEY, params, optimizer)


def draw(params, batch, key):
    """An objective that is what it draws."""
    return 0 * params + jax.random.uniform(key)


@pytest.mark.parametrize("batch_size, steps", [(None, 1), (4, 3)])
def test_noise_derives_from_the_constant_key_and_the_step(batch_size, steps):
    step = fl.make_train_step(draw, SGD)
    state = fl.init_state(KEY, jnp.float32(0), SGD)._replace(step=jnp.int32(6))
    run = fl.fit(
        step,
        state,
        jnp.zeros(9),
        epochs=4,
        batch_size=batch_size,
        record=lambda state, info, evaluation: info.loss,
    )
    last_steps = [6 + steps * (epoch + 1) - 1 for epoch in range(4)]
    stream = jax.random.fold_in(KEY, 0)
    expected = [jax.random.uniform(jax.random.fold_in(stream, s)) for s in last_steps]
    assert run.history.tolist() == [float(one) for one in expected]
    assert len(set(run.history.tolist())) == 4
    assert run.state.key == KEY


OTHERS = {
    "momentum for plain": (optax.sgd(0.1, momentum=0.9), optax.sgd(0.1)),
    "plain for momentum": (optax.sgd(0.1), optax.sgd(0.1, momentum=0.9)),
    "Adam for L-BFGS": (optax.adam(0.1), optax.lbfgs()),
    "RMSProp for Adam": (optax.rmsprop(0.1), optax.adam(0.1)),
    "another memory": (optax.lbfgs(memory_size=3), optax.lbfgs(memory_size=5)),
}


@pytest.mark.parametrize("theirs, ours", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("epochs", [0, 1])
def test_a_state_of_another_optimizer_is_refused_before_the_loop(theirs, ours, epochs):
    step = fl.make_train_step(OBJECTIVE, ours)
    with pytest.raises(ValueError, match=r"state\.opt_state.*this train step was made"):
        fl.fit(step, start(theirs), thermometer(), epochs=epochs)


def test_a_state_of_other_parameters_is_refused():
    momentum = optax.sgd(0.1, momentum=0.9)
    state = start(momentum)._replace(params=LinearParams(jnp.zeros(3), jnp.zeros(())))
    step = fl.make_train_step(OBJECTIVE, momentum)
    with pytest.raises(ValueError, match=r"trace\.weight must be float32\(3,\)"):
        fl.fit(step, state, thermometer(), epochs=1)


def test_another_rate_of_the_same_optimizer_goes_on():
    other = fl.make_train_step(OBJECTIVE, optax.adam(0.5))
    run = fl.fit(other, start(optax.adam(0.1)), thermometer(), epochs=1)
    assert run.state.step == 1


def momentum(learning_rate, decay, nesterov=False):
    def update(params, grad, trace, step):
        trace = grad + decay * trace
        direction = grad + decay * trace if nesterov else trace
        return params - learning_rate * direction, trace

    return update, np.zeros(2)


def adam(learning_rate, weight_decay=0.0, b1=0.9, b2=0.999, eps=1e-8):
    def update(params, grad, moments, step):
        first = b1 * moments[0] + (1 - b1) * grad
        second = b2 * moments[1] + (1 - b2) * grad**2
        mean, square = first / (1 - b1**step), second / (1 - b2**step)
        direction = mean / (np.sqrt(square) + eps) + weight_decay * params
        return params - learning_rate * direction, (first, second)

    return update, (np.zeros(2), np.zeros(2))


def harmonic(learning_rate):
    def update(params, grad, memory, step):
        return params - learning_rate / step * grad, memory

    return update, None


FORMULAS = {
    "SGD": (optax.sgd(0.1), momentum(0.1, 0.0)),
    "momentum": (optax.sgd(0.05, momentum=0.8), momentum(0.05, 0.8)),
    "Nesterov": (optax.sgd(0.05, 0.8, nesterov=True), momentum(0.05, 0.8, True)),
    "Adam": (optax.adam(0.2), adam(0.2)),
    "AdamW": (optax.adamw(0.2, weight_decay=0.1), adam(0.2, weight_decay=0.1)),
    "schedule": (optax.sgd(lambda count: 0.3 / (count + 1.0)), harmonic(0.3)),
}


@pytest.mark.parametrize("optimizer, formula", FORMULAS.values(), ids=FORMULAS)
@pytest.mark.parametrize("batch_size", [None, 4])
@pytest.mark.slow
def test_steps_follow_the_formula(optimizer, formula, batch_size, float64):
    train, epochs = thermometer(), 5
    step = fl.make_train_step(OBJECTIVE, optimizer)
    state = fl.init_state(KEY, LinearParams._make([1.0, 0.5]), optimizer)
    run = fl.fit(
        step,
        state,
        train,
        epochs=epochs,
        batch_size=batch_size,
        record=lambda state, info, evaluation: jnp.stack(state.params),
    )
    (update, memory), params = formula, np.array([1.0, 0.5])
    expected, count = [], 0
    for epoch in range(epochs):
        batches = [train]
        if batch_size is not None:
            key = jax.random.fold_in(jax.random.fold_in(KEY, 1), epoch)
            batches = fl.data.batches(key, train, batch_size)
        for batch in batches:
            inputs, targets = np.asarray(batch.inputs), np.asarray(batch.targets)
            residuals = params[0] * inputs + params[1] - targets
            grad = 2 * np.array([np.mean(residuals * inputs), np.mean(residuals)])
            count += 1
            params, memory = update(params, grad, memory, count)
        expected.append(params)
    np.testing.assert_allclose(run.history, expected, rtol=1e-10)


def least_squares(train):
    design = np.stack([train.inputs, np.ones(len(train.inputs))], axis=1)
    return np.linalg.lstsq(design, train.targets, rcond=None)[0]


LINE_SEARCHES = {
    "L-BFGS": (optax.lbfgs(), 10),
    "backtracking": (
        optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(20)),
        60,
    ),
}

line_searches = pytest.mark.parametrize(
    "optimizer, epochs", LINE_SEARCHES.values(), ids=LINE_SEARCHES
)


@line_searches
@pytest.mark.slow
def test_a_line_search_goes_through_the_same_step(optimizer, epochs, float64):
    train = thermometer()
    step = fl.make_train_step(OBJECTIVE, optimizer)
    state = fl.init_state(KEY, LinearParams._make([1.0, 0.0]), optimizer)
    run = fl.fit(step, state, train, epochs=epochs)
    np.testing.assert_allclose(run.state.params, least_squares(train), rtol=1e-7)
    assert np.all(np.diff(run.history.loss) <= 1e-12)


@pytest.mark.slow
def test_an_optimizer_is_told_the_loss_the_gradient_and_the_function(float64):
    """The function being the step's own: the same batch, and the same noise."""

    def update(updates, state, params, *, value, grad, value_fn):
        gaps = jax.tree.map(
            lambda one, other: jnp.abs(one - other),
            (jax.value_and_grad(value_fn)(params), grad),
            ((value, updates), updates),
        )
        largest = jnp.max(jnp.stack(jax.tree.leaves(gaps)))
        downhill = jax.tree.map(lambda leaf: -0.1 * leaf, updates)
        return downhill, jnp.maximum(state, largest)

    spy = optax.GradientTransformationExtraArgs._make(
        [lambda params: jnp.zeros(()), update]
    )
    noisy = fl.make_objective(fl.models.linear, fl.losses.mse, input_noise=0.5)
    step = fl.make_train_step(noisy, spy)
    state = fl.init_state(KEY, LinearParams._make([1.0, 0.0]), spy)
    run = fl.fit(step, state, thermometer(), epochs=3, batch_size=4)
    assert run.state.params != state.params
    largest_gap: Any = run.state.opt_state
    np.testing.assert_allclose(largest_gap, 0, atol=1e-12)


LABELS = LinearParams._make(["frozen", "free"])

FROZEN = LinearParams._make([True, False])

MASKS = {
    "partition": optax.partition(
        {"free": optax.adam(0.3), "frozen": optax.set_to_zero()}, LABELS
    ),
    "freeze": optax.chain(optax.adam(0.3), optax.transforms.freeze(FROZEN)),
    "masked": optax.chain(
        optax.masked(optax.adam(0.3), LinearParams._make([False, True])),
        optax.masked(optax.set_to_zero(), FROZEN),
    ),
    "selective": optax.transforms.selective_transform(
        optax.adam(0.3), freeze_mask=FROZEN
    ),
}


@pytest.mark.parametrize("optimizer", MASKS.values(), ids=MASKS)
@pytest.mark.slow
def test_masks_freeze_parameters(optimizer):
    train, weight = thermometer(), jnp.float32(1.7)
    step = fl.make_train_step(OBJECTIVE, optimizer)
    state = fl.init_state(KEY, LinearParams(weight, jnp.float32(0)), optimizer)
    for batch_size in (None, 11):
        run = fl.fit(step, state, train, epochs=300, batch_size=batch_size)
        assert run.state.params.weight == weight
        # The best offset of a line of any slope through standardised inputs.
        np.testing.assert_allclose(
            run.state.params.bias, np.mean(train.targets), rtol=1e-4
        )


@pytest.mark.usefixtures("plain_annotations")
def test_blocks_are_a_number_of_them():
    for blocks in (True, 2.5, "8"):
        with pytest.raises(TypeError, match="blocks must be an integer"):
            fl.make_train_step(OBJECTIVE, SGD, blocks=cast(Any, blocks))
    with pytest.raises(ValueError, match="blocks must be at least 1; got 0"):
        fl.make_train_step(OBJECTIVE, SGD, blocks=0)
