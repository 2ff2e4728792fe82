"""Where lanes run, and where they are kept."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from funclearn._lanes import _runner, _spread
from funclearn._lanes._spread import Results, Spread, agree, exchange, spread_of
from funclearn.sweeps import sweep
from funclearn.validation import cross_validate, leave_one_out
from tests.processes import run_in_processes
from tests.runs import RATES, RUNS, descend, equal, readings, run_of


def mesh_of(number):
    """A mesh of the first devices."""
    devices = jax.devices()[:number]
    return jax.make_mesh((number,), ("x",), (AxisType.Auto,), devices=devices)


# Every device compiles the program for itself: one more is enough to see whether
# that changes a run's bits, and one kind of run to see them on any number.
@pytest.mark.parametrize(
    ("name", "numbers"),
    [(name, (1, 2, 4, 8) if name == "line that stops" else (2,)) for name in RUNS],
)
@pytest.mark.slow
def test_lanes_have_the_same_bits_on_any_number_of_devices(name, numbers):
    run, grid = run_of(name), {"learning_rate": RATES}
    alone = sweep(run, grid, block_size=2)
    for number in numbers:
        spread = sweep(run, grid, block_size=2, mesh=mesh_of(number))
        assert equal(alone.result, spread.result), number


def test_blocks_run_on_the_devices_of_the_mesh(monkeypatch):
    seen, compile_block = [], _runner.compile_block

    def noting(*of):
        block = compile_block(*of)

        def noted(consts, inputs):
            outputs = block(consts, inputs)
            seen.extend(jnp.asarray(one).devices() for one in outputs)
            return outputs

        return noted

    monkeypatch.setattr(_runner, "compile_block", noting)
    there, elsewhere = jax.devices()[2:4]
    mesh = jax.make_mesh((1,), ("x",), (AxisType.Auto,), devices=[there])
    offset = jax.device_put(1.5, elsewhere)  # which the run closes over
    result = sweep(lambda x: x + offset, {"x": RATES}, block_size=5, mesh=mesh).result
    np.testing.assert_array_equal(result, RATES + np.float32(1.5))
    assert seen == [{there}] * 3


def test_splits_have_the_same_bits_on_any_number_of_devices(tmp_path):
    def run(train, held_out, key):
        return (train.inputs * train.targets).mean()

    def evaluate(fitted, rows):
        return ((fitted * rows.inputs - rows.targets) ** 2).mean()

    rows, key = readings(), jax.random.key(0)
    splits = leave_one_out(rows)
    alone = cross_validate(key, run, rows, splits, evaluate=evaluate)
    for mesh in (None, mesh_of(1), mesh_of(4)):
        kept = {"mesh": mesh, "folder": tmp_path}
        spread = cross_validate(key, run, rows, splits, evaluate=evaluate, **kept)
        assert equal(alone, spread)


def test_processes_share_the_lanes_in_whole_blocks():
    order = np.arange(10)[::-1]
    shares = [Spread(processes=3, process=one).own(order, 2) for one in range(3)]
    assert [share.tolist() for share in shares] == [[9, 8, 3, 2], [7, 6, 1, 0], [5, 4]]
    assert Spread(processes=8, process=7).own(order, 2).size == 0


def test_one_process_has_all_there_is():
    results = Results([np.ones(2)], np.array([True, False]))
    assert agree(results, Spread()).tolist() == [True, False]
    exchange(results, Spread())
    assert results.done.tolist() == [True, False]


class Peers:
    """Other processes, by what they would send."""

    def __init__(self, monkeypatch, *sent):
        self.sent = list(sent)
        monkeypatch.setattr(_spread, "from_all", self.gather)

    def gather(self, array, _):
        other = self.sent.pop(0)
        if isinstance(other, Exception):
            raise other
        return np.stack([array, other])


def test_every_process_is_given_the_lanes_of_all_others(monkeypatch):
    values = np.array([[1.0, np.nan], [0.0, 0.0], [5.0, 6.0]], np.float32)
    others = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32).view(np.uint8)
    Peers(monkeypatch, np.array([False, True, True]), others.reshape(2, 8))
    results = Results([values], np.array([True, False, True]))
    exchange(results, Spread(processes=2))
    assert results.done.all()
    np.testing.assert_array_equal(values, [[1.0, np.nan], [3.0, 4.0], [5.0, 6.0]])


def test_what_any_process_has_is_not_run_again(monkeypatch):
    Peers(monkeypatch, np.array([True, True, False]))
    results = Results([], np.array([True, False, False]))
    spread = Spread(processes=2, folder=Path("here"))
    assert agree(results, spread).tolist() == [True, True, False]
    assert results.done.tolist() == [True, False, False]


@pytest.mark.parametrize(
    "folder, advice",
    [(None, "give it a folder to keep them"), (Path("here"), "same folder for the")],
)
def test_a_lost_process_is_told(monkeypatch, folder, advice):
    Peers(monkeypatch, ValueError("Connection closed by peer"))
    results = Results([], np.array([True, False, False]))
    lost = f"one of 2 processes was lost.*1 of 3 are done in this one.*{advice}"
    with pytest.raises(RuntimeError, match=lost):
        exchange(results, Spread(processes=2, folder=folder))


@pytest.mark.slow
def test_lanes_have_the_same_bits_in_all_processes(tmp_path):
    program = f"""
        from funclearn import devices
        from funclearn.sweeps import sweep
        from tests.runs import RATES, Display, bits, run_of

        run, grid = run_of("line that stops"), {{"learning_rate": RATES}}
        alone = bits(sweep(run, grid, block_size=2).result)
        how = {{"mesh": devices.mesh(), "folder": {str(tmp_path)!r}, "block_size": 2}}
        display = Display()
        assert bits(sweep(run, grid, progress=display, **how).result) == alone
        assert bool(display.seen) == (number == 0)
        if number == 0:
            assert (display.seen[-1].lane, display.seen[-1].lanes) == (6, 6)
        # Each of them has kept its own lanes, and is given those of the other.
        assert bits(sweep(run, grid, **how).result) == alone
    """
    run_in_processes(program)
    own = {"folder": tmp_path, "block_size": 2}
    result = sweep(run_of("line that stops"), {"learning_rate": RATES}, **own).result
    alone = sweep(run_of("line that stops"), {"learning_rate": RATES}, block_size=2)
    assert equal(result, alone.result)
    kept = sorted(place.name for place in tmp_path.glob("process-*"))
    assert kept == ["process-0", "process-1"]


def test_bad_places_are_refused(tmp_path):
    with pytest.raises(TypeError, match=r"mesh must be a mesh of devices.*got.*8"):
        spread_of(8, None)
    with pytest.raises(TypeError, match=r"folder must be a path; got.*8"):
        spread_of(None, 8)
    for mesh, folder in ((mesh_of(2), None), (None, tmp_path)):

        def inside(rates, mesh=mesh, folder=folder):
            grid = {"learning_rate": rates}
            return sweep(descend, grid, mesh=mesh, folder=folder).result

        with pytest.raises(ValueError, match="mesh and folder must be None under"):
            jax.jit(inside)(RATES)


def test_a_mesh_of_some_processes_is_refused(monkeypatch):
    mesh = mesh_of(2)
    monkeypatch.setattr(jax, "process_count", lambda: 3)
    own = tuple(jax.devices()[:2])
    assert spread_of(mesh, None) == Spread(own, one_each=own[1:])
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    with pytest.raises(ValueError, match=r"all 3; it has some of the processes \[0\]"):
        spread_of(mesh, None)
