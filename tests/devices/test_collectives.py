"""What devices tell each other, read off compiled programs."""

import re

import jax
import numpy as np
import optax
import pytest

import funclearn as fl
from tests.devices.settings import DATA, begin, placed

WHOLE = jax.tree.map(lambda rows: rows[:32], DATA)
COLUMNS = WHOLE._replace(targets=np.stack([WHOLE.targets] * 3, 1))

# An operation of many results is one collective.
COLLECTIVE = re.compile(
    r"= .*? (all-reduce|all-gather|reduce-scatter|all-to-all|collective-\w+)"
    r"(?:-start)?\("
)


def collectives(data, model, optimizer, batch_size=None):
    """Those of a step, and those before the first."""
    train_step, state = begin(optimizer, model)
    state, data = placed(8, state, data)

    def run(state, data):
        return fl.fit(train_step, state, data, epochs=3, batch_size=batch_size)

    text = jax.jit(run).lower(state, data).compile().as_text()
    names = {True: [], False: []}
    for line in (text or "").splitlines():
        found = COLLECTIVE.search(line)
        if found:
            names["/while/body/" in line].append(found[1])
    return names[True], names[False]


LINE, NET = fl.models.affine(3), fl.models.mlp((3, 8, 3))
SGD, ADAM = optax.sgd(0.1), optax.adam(0.01)


@pytest.mark.parametrize(
    "data, model, optimizer",
    [(WHOLE, LINE, SGD), (COLUMNS, NET, ADAM)],
    ids=["line", "net"],
)
def test_a_full_batch_needs_one_word_a_step(data, model, optimizer):
    """Of as many arrays as the gradient has, and the loss."""
    assert collectives(data, model, optimizer) == (["all-reduce"], [])
    # Nobody waits for the sum of the weights, which are told to all once.
    weighed = data._replace(weights=np.arange(32, dtype=np.float32))
    assert collectives(weighed, model, optimizer) == (["all-reduce"], ["all-gather"])


def test_rows_that_are_added_need_no_other_word():
    assert collectives(DATA, LINE, SGD) == (["all-reduce"], ["all-gather"])


def test_a_minibatch_needs_another_for_its_rows():
    assert collectives(COLUMNS, NET, ADAM, 16) == (["all-reduce"] * 2, [])
    # Five rows are left over, which eight devices do not divide: each has them all.
    assert collectives(DATA, LINE, SGD, 8) == (["all-reduce"] * 3, [])
