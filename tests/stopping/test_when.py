"""Rules of one's own."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportPossiblyUnboundVariable=false

import copy
import pickle

import jax
import jax.numpy as jnp
import pytest


def test_a_rule_of_ones_own_may_use_the_shape_of_the_gradient_alone(fl, problem):
    seen = []

    def condition(seen_of_epoch):
        seen.append(jax.tree.map(jnp.shape, seen_of_epoch.grads))
        return seen_of_epoch.epoch >= len(jax.tree.leaves(seen_of_epoch.grads))

    run = problem(0.05, fl.stopping.when("as many as parameters", condition))
    assert int(run.epochs) == 2
    assert all(shapes == fl.models.LinearParams((), ()) for shapes in seen)


def test_a_condition_that_is_not_scalar_is_refused(fl, problem):
    rule = fl.stopping.when("two", lambda seen: jnp.array([True, False]))
    with pytest.raises(ValueError, match=r"when\('two', ...\).*shape \(2,\)"):
        problem(0.05, rule)


def far(seen):
    return seen.loss > 8


def test_a_condition_of_a_module_is_pickled(fl, replay):
    rule = fl.stopping.when("far", far)
    assert pickle.loads(pickle.dumps(rule)) == rule == fl.stopping.when("far", far)
    watched = replay([1.0, 2.0, 9.0], stop=rule | fl.stopping.diverged(), epochs=2).stop
    again = pickle.loads(pickle.dumps(watched))
    assert again == watched
    assert replay([3.0, 9.0, 1.0], stop=again).epochs == 2


def test_a_lambda_is_copied_and_named_where_it_cannot_be_pickled(fl):
    rule = fl.stopping.when("far", lambda seen: seen.loss > 8)
    assert copy.deepcopy(rule) == rule == copy.copy(rule)
    with pytest.raises((pickle.PicklingError, AttributeError), match="<lambda>"):
        pickle.dumps(rule)


def test_two_rules_of_one_condition_compile_once(fl, replay):
    seen = []

    def condition(observation):
        seen.append(observation)
        return observation.loss > 8

    for _ in range(2):
        replay([1.0, 2.0], stop=fl.stopping.when("far", condition))
        traced = len(seen)
    replay([1.0, 2.0], stop=fl.stopping.when("far", condition))
    assert len(seen) == traced


RESULTS = {
    "a number": (lambda seen: seen.loss, "must return a boolean scalar.*got float32"),
    "a count": (lambda seen: seen.epoch, "must return a boolean scalar.*got int32"),
    "nothing": (lambda seen: None, "must return a boolean scalar.*got None"),
    "text": (lambda seen: "yes", "must return a boolean scalar.*got 'yes'"),
}


@pytest.mark.parametrize("condition, message", RESULTS.values(), ids=RESULTS)
@pytest.mark.usefixtures("plain_annotations")
def test_a_condition_that_returns_no_boolean_is_refused(fl, replay, condition, message):
    with pytest.raises(TypeError, match=message):
        replay([1.0, 2.0], stop=fl.stopping.when("odd", condition))


@pytest.mark.usefixtures("plain_annotations")
def test_a_rule_of_ones_own_has_a_name_and_a_function(fl):
    with pytest.raises(TypeError, match=r"name must be a string, .*; got 3"):
        fl.stopping.when(3, far)
    with pytest.raises(TypeError, match=r"condition of when\('far', .*; got 3"):
        fl.stopping.when("far", 3)
