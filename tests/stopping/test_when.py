"""Rules of one's own."""

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
