"""Rules on what moves, against NumPy: what is frozen takes no part."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

RATE, STEPS, FAR = 0.25, 12, 1000.0

LABELS = {"free": "free", "frozen": "frozen"}

FREE, FROZEN = {"free": True, "frozen": False}, {"free": False, "frozen": True}

FREEZERS = {
    "partition": lambda: optax.partition(
        {"free": optax.sgd(RATE), "frozen": optax.set_to_zero()}, LABELS
    ),
    "masked": lambda: optax.chain(
        optax.sgd(RATE), optax.masked(optax.set_to_zero(), FROZEN)
    ),
    "freeze": lambda: optax.chain(optax.sgd(RATE), optax.transforms.freeze(FROZEN)),
    "a rate of zero": lambda: optax.partition(
        {"free": optax.sgd(RATE), "frozen": optax.sgd(0.0)}, LABELS
    ),
}


@pytest.fixture(scope="module")
def descend(fl):
    """A run that pulls `free` towards 1 and `frozen`, far away, towards 0."""

    def run(optimizer, stop, **how):
        def objective(params, batch, key):
            pull = jnp.sum((params["free"] - 1) ** 2) / 2
            return pull + 5 * jnp.sum(params["frozen"])

        params = {"free": jnp.array([3.0, 2.0]), "frozen": jnp.array([FAR])}
        state = fl.init_state(jax.random.key(0), params, optimizer)
        step = fl.make_train_step(objective, optimizer)
        how = {"epochs": STEPS} | how
        return fl.fit(step, state, jnp.zeros((1, 1)), stop=stop, **how)

    return run


def path():
    """`free` before every epoch: its distance to 1 shrinks by the same factor."""
    start = np.array([2.0, 1.0])
    return 1 + start * (1 - RATE) ** np.arange(STEPS + 1)[:, None]


def first(condition):
    return int(np.flatnonzero(condition)[0]) + 1


@pytest.mark.parametrize("make", FREEZERS.values(), ids=FREEZERS)
def test_what_an_optimizer_freezes_does_not_count(fl, descend, make):
    norms = np.linalg.norm(path(), axis=1)
    changes = np.linalg.norm(np.diff(path(), axis=0), axis=1) / norms[:-1]
    gradients = np.linalg.norm(path()[:-1] - 1, axis=1)
    tolerance = float(changes[6]) * 1.001
    stop = fl.stopping.relative_change(tolerance, on="parameters")
    assert descend(make(), stop).epochs == first(changes <= tolerance) == 7
    stop = fl.stopping.gradient_norm(0.5)
    assert descend(make(), stop).epochs == first(gradients <= 0.5) > 1
    # With all that moves or not it would have been at once, and never.
    assert RATE * gradients[0] / np.hypot(norms[0], FAR) < tolerance


def test_numbers_frozen_within_an_array_do_not_count_as_changing(fl):
    far = np.array([FAR, 0.0], np.float32)

    def objective(w, batch, key):
        return jnp.square((w * jnp.array([0.0, 1.0]) + far)[1] - 1)

    optimizer = optax.sgd(0.125)
    step = fl.make_train_step(objective, optimizer)
    state = fl.init_state(jax.random.key(0), jnp.array([FAR, 3.0]), optimizer)
    w = 1 + 2 * 0.75 ** np.arange(21)
    changes = np.abs(np.diff(w)) / w[:-1]
    stop = fl.stopping.relative_change(0.05, on="parameters")
    run = fl.fit(step, state, jnp.zeros(1), epochs=20, stop=stop)
    assert run.epochs == first(changes <= 0.05) > 1


def test_before_anything_has_moved_all_counts(fl, descend):
    """A schedule that warms up from zero does not end a run at its first epoch."""
    warm = optax.sgd(lambda count: jnp.where(count == 0, 0.0, RATE))
    run = descend(warm, fl.stopping.gradient_norm(4.0))
    assert run.epochs == STEPS
    short = optax.chain(warm, optax.masked(optax.set_to_zero(), FROZEN))
    run = descend(short, fl.stopping.gradient_norm(1.5))
    gradients = np.linalg.norm(path()[:-1] - 1, axis=1)
    assert run.epochs == first(gradients <= 1.5) + 1


def test_what_has_moved_once_goes_on_counting(fl, descend):
    """Also in another run, and though its updates end."""
    late = optax.partition(
        {
            "free": optax.sgd(RATE),
            "frozen": optax.sgd(lambda count: jnp.where(count == 0, 1.0, 0.0)),
        },
        LABELS,
    )
    stop = fl.stopping.gradient_norm(4.0)
    begun = descend(late, stop, epochs=3)
    assert begun.epochs == 3
    frozen = FREEZERS["partition"]()
    assert descend(frozen, begun.stop).epochs == STEPS
    assert descend(frozen, stop).epochs == 1


def replaying(fl, grads, params):
    """A step of one's own, which shows and moves to what it is given."""

    def train_step(state, batch):
        at = state.step
        info = fl.StepInfo(jnp.float32(1), jax.tree.map(lambda leaf: leaf[at], grads))
        after = jax.tree.map(lambda leaf: leaf[at + 1], params)
        return state._replace(params=after, step=at + 1), info

    begin = jax.tree.map(lambda leaf: leaf[0], params)
    state = fl.TrainState(begin, (), jax.random.key(0), jnp.int32(0))

    def run(stop):
        return fl.fit(train_step, state, jnp.zeros(1), epochs=3, stop=stop)

    return run


def test_counters_among_the_parameters_do_not_count(fl):
    params = {"n": jnp.arange(4), "w": jnp.array([100.0, 101.0, 101.5, 101.5])}
    grads = {"n": jnp.full(3, 7), "w": jnp.array([3.0, 0.5, 0.0])}
    run = replaying(fl, grads, params)
    assert run(fl.stopping.gradient_norm(0.5)).epochs == 2
    assert run(fl.stopping.relative_change(0.006, on="parameters")).epochs == 2


def test_a_gradient_of_another_structure_counts_whole(fl):
    params = {"w": jnp.array([1.0, 2.0, 3.0, 4.0]), "b": jnp.zeros(4)}
    run = replaying(fl, jnp.array([3.0, 2.0, 1.0]), params)
    assert run(fl.stopping.gradient_norm(2.0)).epochs == 2


def test_small_changes_in_half_precision_are_not_zero(fl):
    """Their squares would be, below 6e-8."""
    params = jnp.array([0.01, 0.0101, 0.0102, 0.0102], jnp.float16)
    changes = np.abs(np.diff(np.float64(params))) / np.float64(params[:-1])
    run = replaying(fl, jnp.zeros(3, jnp.float16), params)
    assert changes[1] > 0.001 and changes[2] == 0
    assert run(fl.stopping.relative_change(0.001, on="parameters")).epochs == 3
