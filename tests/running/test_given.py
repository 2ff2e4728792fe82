"""Batches that a function gives."""

import itertools

import jax
import numpy as np
import pytest

from funclearn.running._given import Function
from funclearn.running._source import Block

KEY = jax.random.key(0)


def source(*batches):
    return Function(lambda key, epoch: iter(batches))


def parts(made, start=0, wanted=2):
    return list(made.parts(KEY, 4, start, lambda: wanted))


def test_it_is_called_with_the_key_of_the_order_and_the_epoch():
    seen = []
    made = Function(lambda key, epoch: seen.append((key, epoch)) or [np.ones(2)])
    parts(made)
    key = jax.random.fold_in(jax.random.fold_in(KEY, 1), 4)
    assert seen[0][0] == key and seen[0][1] == 4


@pytest.mark.parametrize("wanted", [1, 2, 9])
def test_batches_of_one_type_come_together_and_none_is_lost(wanted):
    sizes = [3, 3, 3, 2, 3, 3]
    given = [np.full(size, number) for number, size in enumerate(sizes)]
    for start in range(6):
        got, numbers = [], []
        for part in parts(source(*given), start, wanted)[:-1]:
            assert isinstance(part, Block) and part.number <= wanted
            chunk = np.asarray(part.chunk)
            got += [chunk[rows] for rows in part.rows[: part.number]]
            numbers.append(part.number)
        jax.tree.map(np.testing.assert_array_equal, got, given[start:])
        together = [len(list(group)) for _, group in itertools.groupby(sizes[start:])]
        assert wanted < 9 or numbers == together


WRONG = {
    "no iterable": (lambda key, epoch: None, TypeError, "one after the other"),
    "no batch": (lambda key, epoch: [], ValueError, "at least one batch; it gave none"),
    "no numbers": (
        lambda key, epoch: [np.array(["a"])],
        TypeError,
        r"train\(key, 4\)\[0",
    ),
    "uneven": (
        lambda key, epoch: [(np.ones(2), np.ones(3))],
        ValueError,
        r"train\(key, 4\)\[0\] must hold arrays with one leading",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_gives_no_batches_is_refused(case):
    function, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        parts(Function(function))
    with pytest.raises(error, match=message):
        Function(function).example(KEY, 4)
