"""Batches that a function gives."""

import itertools

import jax
import numpy as np
import pytest

import funclearn as fl
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


def test_batches_may_come_in_the_same_memory_again_and_again():
    def function(key, epoch):
        memory = np.empty(3)
        for number in range(5):
            memory[:] = number
            yield memory

    got = parts(Function(function), wanted=9)[0]
    assert isinstance(got, Block) and got.number == 5
    np.testing.assert_array_equal(np.asarray(got.chunk)[:15], np.repeat(range(5), 3))


def test_small_batches_take_little_room():
    (block, _) = parts(source(np.ones(1)))
    assert isinstance(block, Block) and block.rows.size <= 5000


def test_fewer_batches_than_were_made_are_refused():
    two = source(np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match=r"train\(key, 4\) must give the same batches"):
        parts(two, 2)


def test_weights_are_those_of_rows_and_padding():
    rows = fl.Dataset(np.ones(2), np.ones(2))
    parts(source(rows._replace(weights=np.zeros(2))))
    negative = rows._replace(weights=np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match=r"\[0\]\.weights must be finite and not neg"):
        parts(source(negative))


def test_digits_are_judged_by_the_first_batch_once():
    made = source(*np.split(19000 + np.arange(12) / 24, 3))
    parts(made)  # no warning
    dataset = source(fl.Dataset(19000 + np.arange(4) / 24, np.ones(4)))
    with pytest.warns(UserWarning, match=r"train\(key, 4\)\[0\]\.inputs loses digits"):
        dataset.example(KEY, 4)


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
