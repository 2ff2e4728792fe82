"""Lanes that are shown while they run."""

import math
import threading
import time

import jax.numpy as jnp
import numpy as np
import pytest

from funclearn import sweeps
from funclearn._lanes import _host as host
from funclearn._lanes import map_blocks, watching
from tests.runs import Display


def itself(lane):
    return lambda result: result


def test_without_a_display_there_is_nothing_to_tell():
    with watching(False, 3, itself) as watch:
        assert watch is None


@pytest.mark.parametrize("direction, best", [("min", -2.0), ("max", 9.0)])
def test_the_best_of_all_blocks_and_never_of_padding_or_nan(direction, best):
    display = Display()
    values = {"x": np.array([4.0, 9.0, np.nan, 1.0, -2.0], np.float32)}
    with watching(display, 5, itself, direction) as watch:
        result = map_blocks(lambda x: x, values, block_size=4, watch=watch)
    last = display.seen[-1]
    assert (last.lane, last.lanes, last.best) == (5, 5, best)
    assert last.rate > 0 and display.closed == 1
    np.testing.assert_array_equal(result, values["x"])


def test_nothing_but_nan_is_no_best():
    display = Display()
    with watching(display, 2, itself) as watch:
        map_blocks(lambda x: x, {"x": jnp.full(2, jnp.nan)}, watch=watch)
    assert display.seen[-1].best is None


def test_several_maps_add_up(monkeypatch):
    display = Display()
    with watching(display, 5, lambda lane: None) as watch:
        for numbers in (jnp.arange(2), jnp.arange(3)):
            map_blocks(lambda x: x, {"x": numbers}, watch=watch)
    assert [one.lane for one in display.seen][-1] == 5
    assert display.seen[-1].best is None
    assert display.seen == sorted(display.seen, key=lambda one: one.lane)


def test_it_moves_while_threads_run_and_the_caller_alone_shows_it(monkeypatch):
    monkeypatch.setattr(host, "_WORTH_THREADS", 0.0)
    monkeypatch.setattr(host, "n_threads", lambda _: 3)
    monkeypatch.setattr(host, "_LOOKS", 0.01)
    display = Display()
    with watching(display, 6, itself) as watch:
        assert watch is not None
        watch.expect(np.zeros(()))
        watch.begin()

        def run(number):
            time.sleep(0.05)
            watch.take([np.full(1, float(number))], 1)

        host.run_all(run, range(6), host.Clock(), watch.look)
        watch.look()
    assert display.threads == {threading.current_thread()}
    assert len(display.seen) > 4 and math.isnan(display.seen[0].rate)
    assert display.seen[-1][:3] == (6, 6, 0.0)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_of_a_display_ends_the_sweep_and_closes_it(monkeypatch, error):
    monkeypatch.setattr(host, "_LOOKS", 0.01)
    monkeypatch.setattr(host, "_abandoned", set())

    class Broken(Display):
        def show(self, seen):
            raise error("display")

    display = Broken()
    with pytest.raises(error, match="display"):
        sweeps.sweep(lambda x: x, {"x": jnp.arange(3.0)}, progress=display)
    assert display.closed == 1
