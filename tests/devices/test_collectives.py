"""What devices tell each other, read off compiled programs, is what a formula says.

XLA decides on it when it compiles, which it does here for a CPU alone; how much there
is to tell is the same anywhere.
"""

import jax
import numpy as np
import optax
import pytest

import funclearn as fl
from benchmarks.scaling._traffic import Collective, counted, of_a_step
from tests.devices.settings import DATA, begin, placed
from tests.processes import started

WHOLE = jax.tree.map(lambda rows: rows[:32], DATA)
COLUMNS = WHOLE._replace(targets=np.stack([WHOLE.targets] * 3, 1))
LINE, NET = fl.models.affine(3), fl.models.mlp((3, 8, 3))
SGD, ADAM = optax.sgd(0.1), optax.adam(0.01)


def collectives(n, data, model, optimizer, *, blocks=None, validation=None, **options):
    """Those of a run, by how many loops they are in; the epochs' is the first."""
    train_step, state = begin(optimizer, model, blocks=blocks)
    state, data, validation = placed(n, state, data, validation)

    def run(state, data, validation):
        return fl.fit(train_step, state, data, validation, epochs=3, **options)

    compiled = jax.jit(run).lower(state, data, validation).compile()
    return counted(compiled.as_text() or "")


def formula(data, model, devices=8, **options):
    params = jax.eval_shape(model.init, jax.random.key(0))
    return of_a_step(params, data[:2], devices=devices, **options)


@pytest.mark.parametrize(
    "data, model, optimizer, n_params",
    [(WHOLE, LINE, SGD, 4), (COLUMNS, NET, ADAM, 59)],
    ids=["line", "net"],
)
@pytest.mark.slow
def test_a_full_batch_needs_one_word_a_step(data, model, optimizer, n_params):
    """Of the gradient and the loss."""
    word = [Collective("all-reduce", 4 * (n_params + 1))]
    assert formula(data, model) == word
    assert collectives(8, data, model, optimizer) == {1: word}
    # Nobody waits for the sum of the weights, which are told to all once.
    weighed = data._replace(weights=np.arange(32, dtype=np.float32))
    once = [Collective("all-gather", 4 * 32)]
    assert collectives(8, weighed, model, optimizer) == {1: word, 0: once}


def test_rows_that_are_added_need_no_other_word():
    once = [Collective("all-gather", 4 * 40)]
    assert collectives(8, DATA, LINE, SGD) == {1: formula(DATA, LINE), 0: once}


def test_an_evaluation_is_told_in_the_same_word():
    evaluate = fl.make_evaluation(LINE, fl.losses.mse)
    options = {"validation": WHOLE, "evaluate": evaluate}
    word = formula(WHOLE, LINE, extras=1)
    assert word == [Collective("all-reduce", 4 * (4 + 1 + 1))]
    assert collectives(8, WHOLE, LINE, SGD, **options) == {1: word}


@pytest.mark.slow
def test_a_minibatch_needs_another_for_its_rows():
    words = formula(COLUMNS, NET, batch_size=16)
    assert words == [
        Collective("all-reduce", 16 * 4 * (3 + 3)),
        Collective("all-reduce", 4 * (59 + 1)),
    ]
    assert collectives(8, COLUMNS, NET, ADAM, batch_size=16) == {2: words}
    # Five rows are left over, which eight devices do not divide: each has them all.
    words, last = (formula(DATA, LINE, batch_size=size) for size in (8, 5))
    assert [len(words), len(last)] == [2, 1]
    assert collectives(8, DATA, LINE, SGD, batch_size=8) == {2: words, 1: last}


@pytest.mark.parametrize("blocks", [8, 16])
def test_blocks_need_one_word_of_all_their_gradients(blocks):
    word = formula(WHOLE, LINE, blocks=blocks)
    assert word == [Collective("all-gather", 4 * blocks * (4 + 1 + 1))]
    assert collectives(8, WHOLE, LINE, SGD, blocks=blocks) == {1: word}
    if blocks == 8:
        words = formula(WHOLE, LINE, batch_size=16, blocks=8)
        assert [one.kind for one in words] == ["all-reduce", "all-gather"]
        found = collectives(8, WHOLE, LINE, SGD, batch_size=16, blocks=8)
        assert found == {2: words}


def test_one_device_has_nothing_to_tell():
    assert formula(WHOLE, LINE, devices=1, batch_size=4) == []
    assert collectives(1, WHOLE, LINE, SGD) == {}


MANY = """
from tests.devices.test_collectives import *
rows = np.ones((512, 3), np.float32)
data = fl.Dataset(rows, rows[:, 0])
for options in ({}, {"batch_size": 256}, {"blocks": 256}):
    found = collectives(256, data, LINE, SGD, **options)
    loops = 2 if "batch_size" in options else 1
    wanted = {loops: formula(data, LINE, devices=256, **options)}
    assert found == wanted, (options, found, wanted)
"""


@pytest.mark.slow
def test_256_devices_tell_each_other_no_more():
    many = started("-c", MANY, devices=256)
    try:
        _, error = many.communicate(timeout=200)
    finally:
        many.kill()
    assert many.returncode == 0, error
