"""Lanes of a mapped run."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.models import LinearParams
from funclearn.training._lanes import (
    any_lane,
    axes_of,
    choose_lanes,
    select,
    settled,
    where,
)
from tests.training.settings import (
    Settings,
    assert_close,
    compiled,
    results,
    some_settings,
)


def three_settings():
    data = some_settings().data
    return Settings(
        learning_rate=jnp.array([0.01, 0.05, 0.3]),
        params=LinearParams(jnp.arange(3.0), jnp.array([1.0, 0.0, -1.0])),
        data=jax.tree.map(lambda leaf: jnp.stack([leaf, leaf[::-1], leaf**2]), data),
        strength=jnp.array([0.0, 0.1, 1.0]),
        noise=jnp.array([0.0, 0.1, 1.0]),
        key=jax.random.split(jax.random.key(5), 3),
    )


def lane_of(tree, lane):
    return jax.tree.map(lambda leaf: leaf[lane], tree)


LANES = {
    "learning rate": (("learning_rate",), None),
    "initial parameters": (("params",), None),
    "data of one shape": (("data",), None),
    "key and noise": (("key", "noise"), None),
    "rate and key, minibatches": (("learning_rate", "key"), 3),
}


@pytest.mark.parametrize("names, batch_size", LANES.values(), ids=LANES)
@pytest.mark.slow
def test_an_axis_of_runs_equals_a_loop_of_runs(names, batch_size, float64):
    function, given = functools.partial(results, batch_size=batch_size), some_settings()
    lanes = given._replace(**{name: getattr(three_settings(), name) for name in names})
    axes = Settings._make(0 if name in names else None for name in Settings._fields)
    mapped = jax.jit(jax.vmap(function, (axes,)))(lanes)
    alone = compiled(batch_size)
    for lane in range(3):
        own = {name: lane_of(getattr(lanes, name), lane) for name in names}
        # Lanes may add up in another order than a single run does, nothing else.
        assert_close(
            lane_of(mapped, lane), alone(given._replace(**own)), rtol=1e-10, atol=1e-13
        )


def outcome(settings, **options):
    """One number that depends on all of a run."""
    params, history = results(settings, **options)
    return (
        params.weight
        + 2 * params.bias
        + jnp.mean(history.loss)
        + jnp.mean(history.evaluation)
    )


RULES = {
    "no rule": lambda loss: None,
    # With the loss the lanes stop apart; with the number of epochs they stop together.
    "target": lambda loss: fl.stopping.target(loss),
    "max_epochs": lambda loss: fl.stopping.max_epochs(2),
}


def weighted_history(rate, weights, rule, run=lambda learn, rate: learn(rate)):
    """Losses after a few epochs, as a scalar that tells them apart."""

    def learn(rate):
        optimizer = optax.sgd(rate)
        step = fl.make_train_step(
            fl.make_objective(fl.models.linear, fl.losses.mse), optimizer
        )
        settings = some_settings()
        state = fl.init_state(settings.key, settings.params, optimizer)
        epochs = weights.shape[-1]
        return fl.fit(step, state, settings.data, epochs=epochs, stop=rule).history.loss

    return jnp.nansum(weights * run(learn, rate))


def lanes(learn, rates):
    return jax.vmap(learn)(rates)


def nested_lanes(learn, rates):
    return jax.vmap(jax.vmap(learn))(rates[:, None])[:, 0]


def swept(learn, rates):
    return fl.sweeps.sweep(lambda rate: learn(rate), {"rate": rates}).result


# Every mapping with the rule that stops the lanes apart, both rules that do not with
# some; the number of epochs is unlike (2) and like (3) the number of lanes.
@pytest.mark.parametrize(
    ("rule", "many", "epochs"),
    [
        ("target", lanes, 3),
        ("target", nested_lanes, 3),
        ("target", swept, 2),
        ("max_epochs", lanes, 2),
        ("max_epochs", nested_lanes, 2),
        ("no rule", swept, 3),
    ],
)
@pytest.mark.slow
def test_derivatives_of_an_axis_of_runs_are_those_of_the_runs(
    rule, many, epochs, float64
):
    rates = jnp.array([0.05, 0.2, 0.4])
    weights = 1.0 + jnp.arange(3.0 * epochs).reshape(3, epochs)
    settings = some_settings()
    first = fl.losses.mse(
        fl.models.linear.apply(settings.params, settings.data.inputs),
        settings.data.targets,
    )
    rule = RULES[rule](0.8 * first)
    slope = jax.value_and_grad(weighted_history)
    pairs = zip(rates, weights, strict=True)
    values, slopes = zip(*(slope(*pair, rule) for pair in pairs), strict=True)
    got, gradient = slope(rates, weights, rule, many)
    np.testing.assert_allclose(got, sum(values), rtol=1e-12)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-9)
    forward = jax.jvp(
        lambda rates: weighted_history(rates, weights, rule, many),
        (rates,),
        (jnp.ones(3),),
    )[1]
    np.testing.assert_allclose(forward, sum(slopes), rtol=1e-9)


@pytest.mark.slow
def test_lanes_that_stopped_at_an_infinite_loss_spoil_no_derivative():
    rates = jnp.array([0.05, 1e30])
    weights = jnp.ones((2, 6))
    rule = fl.stopping.diverged(10.0)
    gradient = jax.grad(weighted_history)(rates, weights, rule, lanes)
    alone = jax.grad(weighted_history)(rates[0], weights[0], rule)
    np.testing.assert_allclose(gradient[0], alone, rtol=1e-5)


def test_any_lane_is_the_same_in_all_lanes():
    running = jnp.array([[True, False, False], [False, False, False]])
    for mapped, wanted in zip(running, (True, False), strict=True):
        np.testing.assert_array_equal(jax.vmap(any_lane)(mapped), [wanted] * 3)
    np.testing.assert_array_equal(jax.vmap(jax.vmap(any_lane))(running), True)
    assert not any_lane(jnp.array(False))
    # As many lanes as are compared in vectors, and one of them runs.
    for lane in (0, 15):
        alone = jnp.zeros(16, bool).at[lane].set(True)
        assert jax.jit(jax.vmap(any_lane))(alone).all()


@pytest.mark.parametrize("choose", [where, choose_lanes])
def test_lanes_are_chosen_one_by_one(choose):
    active = jnp.array([True, False, True])
    new, old = (jnp.arange(3.0), {"a": 1}), (jnp.full(3, -1.0), {"a": 2})
    chosen, shared = jax.vmap(choose, in_axes=(0, (0, None), (0, None)))(
        active, new, old
    )
    np.testing.assert_array_equal(chosen, [0, -1, 2])
    np.testing.assert_array_equal(shared["a"], [1, 2, 1])


def test_where_there_is_one_lane_the_loop_has_chosen_already():
    assert choose_lanes(jnp.array(True), 1, 2) == 1
    assert where(jnp.array(False), 1, 2) == 2


def test_only_what_changes_is_chosen():
    given = []

    def choose(active, new, old):
        given.append((new, old))
        return old

    new, old = {"a": 1, "b": 2, "c": 3}, {"a": 4, "b": 5, "c": 6}
    got = select(choose, jnp.array(False), [True, False, True], new, old)
    assert given == [([1, 3], [4, 6])]
    assert got == {"a": 4, "b": 5, "c": 6}


def test_axes_are_those_of_what_is_batched():
    assert axes_of({"a": True, "b": (False, True)}) == {"a": 0, "b": (None, 0)}


def shifting(captured, carry):
    """What differs among lanes goes on to the next entry at every trip."""
    first, second, third, fixed = carry
    return (first + captured, second + first, third + second, fixed), third * fixed


@pytest.mark.parametrize("of_captured", [True, False])
def test_what_comes_to_differ_among_lanes_gets_an_axis(of_captured):
    captured = jnp.arange(4.0) if of_captured else jnp.ones(())
    carry = (0.0 if of_captured else jnp.arange(4.0), 1.0, jnp.zeros(2), jnp.ones(2))
    batched = [of_captured, (not of_captured, False, False, False)]
    carry, of_carry, row = settled(shifting, 4, batched, captured, carry)
    assert of_carry == (True, True, True, False)
    assert [jnp.shape(leaf) for leaf in carry] == [(4,), (4,), (4, 2), (2,)]
    assert row.shape == (4, 2)
    np.testing.assert_array_equal(carry[1], np.ones(4))
