"""Lanes that are kept in a folder."""

import shutil
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn import checkpoints
from funclearn._lanes import _keeping as keeping
from funclearn.sweeps import sweep
from tests.runs import KEY, RATES, Display, bits, equal, readings, run_of

GRID = {"learning_rate": RATES}


@pytest.fixture
def at_once(monkeypatch):
    """It is always time to save."""
    monkeypatch.setattr(keeping, "_EVERY", 0.0)
    monkeypatch.setattr(keeping, "_SHARE", 1e9)


class Stops:
    """A run that counts its lanes on the host, and ends the sweep at one of them."""

    def __init__(self, after):
        self.left, self.seen = after, []

    def count(self, rate):
        if len(self.seen) == self.left:
            raise KeyboardInterrupt
        self.seen.append(float(rate))
        return np.float32(rate)

    def __call__(self, learning_rate):
        shape = jax.ShapeDtypeStruct((), jnp.float32)
        return jax.pure_callback(self.count, shape, learning_rate)


def interrupted(folder, after):
    """A sweep of which some lanes are done."""
    run = Stops(after)
    with pytest.raises(Exception, match="KeyboardInterrupt"):
        sweep(run, GRID, block_size=1, folder=folder)
    return run


def test_it_goes_on_with_the_lanes_that_are_missing(tmp_path, at_once):
    run = interrupted(tmp_path, 5)
    done, run.left, run.seen = run.seen, -1, []
    result = sweep(run, GRID, block_size=1, folder=tmp_path).result
    np.testing.assert_array_equal(result, RATES)
    assert 0 < len(run.seen) < len(RATES)
    assert sorted({*done, *run.seen}) == sorted(RATES.tolist())
    run.seen.clear()
    assert equal(sweep(run, GRID, block_size=1, folder=tmp_path).result, result)
    assert not run.seen


def test_lanes_that_are_all_done_are_kept_once(tmp_path):
    """Though the sweep was killed before it removed what it had kept earlier."""
    run = Stops(-1)
    first = sweep(run, GRID, block_size=1, folder=tmp_path).result
    (last,) = tmp_path.glob("process-0/checkpoint-*")
    shutil.copy(last, last.with_name("checkpoint-000000000001.safetensors"))
    assert equal(sweep(run, GRID, block_size=1, folder=tmp_path).result, first)
    assert list(last.parent.glob("checkpoint-*")) == [last]


def test_lanes_that_are_kept_are_shown_as_done(tmp_path, at_once):
    run = interrupted(tmp_path, 5)
    run.left, run.seen, shown = -1, [], Display()
    sweep(run, GRID, block_size=1, folder=tmp_path, progress=shown)
    last = shown.seen[-1]
    assert last.lane == last.lanes == len(RATES) and last.rate > 0
    sweep(run, GRID, block_size=1, folder=tmp_path, progress=(again := Display()))
    assert again.seen[-1].share == 1


def test_all_that_a_run_returns_is_kept_to_the_bit(tmp_path):
    train = run_of("line by Adam")

    def run(learning_rate):
        params, history, epochs, _ = train(learning_rate)
        key = jax.random.fold_in(KEY, epochs)
        return params, history, key, learning_rate.astype(jnp.bfloat16), jnp.zeros(0)

    whole = sweep(run, GRID).result
    assert bits(sweep(run, GRID, folder=tmp_path).result) == bits(whole)
    assert bits(sweep(run, GRID, folder=tmp_path).result) == bits(whole)


def test_static_arguments_have_folders_of_their_own(tmp_path):
    def run(x, power):
        return x**power

    grid = {"x": RATES, "power": [1, 2]}
    whole = sweep(run, grid, static_argnames="power").result
    for _ in range(2):
        kept = sweep(run, grid, static_argnames="power", folder=tmp_path).result
        assert equal(kept, whole)
    assert len(list(tmp_path.glob("static-*"))) == 2


@pytest.mark.parametrize(
    "change, name",
    [
        ({"grid": {"learning_rate": 2 * RATES}}, "values"),
        ({"grid": {"learning_rate": RATES[1:]}}, "lanes|values"),
        ({"run": lambda learning_rate: learning_rate - 1}, "program"),
        ({"block_size": 3}, "block_size"),
    ],
)
def test_another_sweep_is_refused_and_the_lanes_stay(change, name, tmp_path):
    def run(learning_rate):
        return learning_rate + 1

    first = {"run": run, "grid": GRID, "block_size": 2}
    whole = sweep(**first, folder=tmp_path).result
    with pytest.raises(checkpoints.CheckpointError, match=f"'({name})'"):
        sweep(**{**first, **change}, folder=tmp_path)
    assert equal(sweep(**first, folder=tmp_path).result, whole)


def test_another_value_closed_over_is_another_sweep(tmp_path):
    data = [readings().inputs, 2 * readings().inputs]
    for one in data:
        refused = one is data[1]
        run = {"run": lambda x, one=one: x * one.sum(), "grid": {"x": RATES}}
        if not refused:
            sweep(**run, folder=tmp_path)
            continue
        with pytest.raises(checkpoints.CheckpointError, match=r"'(values|program)'"):
            sweep(**run, folder=tmp_path)


def test_two_sweeps_in_one_folder_are_refused(tmp_path):
    def inner(learning_rate):
        sweep(lambda x: x, {"x": RATES}, folder=tmp_path)
        return learning_rate

    def outer(learning_rate):
        shape = jax.ShapeDtypeStruct((), jnp.float32)
        return jax.pure_callback(inner, shape, learning_rate)

    with pytest.raises(Exception, match="must be of one run; another is at it"):
        sweep(outer, GRID, block_size=1, folder=tmp_path)


def test_damaged_lanes_are_told_and_run_again(tmp_path):
    def run(x):
        return x + 1

    whole = sweep(run, {"x": RATES}, folder=tmp_path).result
    (file,) = tmp_path.glob("process-0/*.safetensors")
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.warns(checkpoints.CheckpointWarning, match=file.name):
        assert equal(sweep(run, {"x": RATES}, folder=tmp_path).result, whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert equal(sweep(run, {"x": RATES}, folder=tmp_path).result, whole)


def test_an_unwritable_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        sweep(lambda x: x, {"x": RATES}, folder=tmp_path / "file")
