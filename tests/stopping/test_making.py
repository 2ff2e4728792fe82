"""What rules are made of."""

import jax.numpy as jnp
import numpy as np

from funclearn.stopping import Goal, Observation
from funclearn.stopping._making import AfterStart, fires, make_rule, no_memory


def remember(rule, memory, observation):
    """Notes every epoch that it is shown, and fires at the third."""
    return memory.at[observation.epoch].set(observation.epoch), observation.epoch >= 3


def seen(epoch):
    return Observation(jnp.float32(1), None, {}, {}, {}, jnp.int32(epoch))


def test_a_condition_becomes_a_code():
    rule = make_rule("third", (), ("loss",), no_memory, fires(remember))
    assert (rule.reasons, rule.looks_at, rule.goal.on) == (("third",), {"loss"}, "loss")
    for epoch, code in ((1, 0), (3, 1)):
        _, found = rule.update(rule, jnp.zeros(9), seen(epoch))
        assert (int(found), found.dtype) == (code, jnp.int32)
    assert rule.init(rule, seen(0)) == ()


def test_epochs_that_do_not_count_are_as_if_they_had_not_been():
    late = Goal("loss", start=4)
    update = AfterStart(fires(remember))
    rule = make_rule("third", (), ("loss",), no_memory, update, late)
    memory, codes = jnp.full(9, -1), []
    for epoch in range(1, 9):
        memory, code = rule.update(rule, memory, seen(epoch))
        codes.append(int(code))
    assert codes == [0] * 6 + [1, 1]
    np.testing.assert_array_equal(memory, [-1, 1, 2, 3, 4, -1, -1, -1, -1])
