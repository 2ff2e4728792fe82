"""Runs that are saved on some devices and go on with on others."""

import functools
import os

import jax
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec

import funclearn as fl
from funclearn import devices
from funclearn.checkpoints import CheckpointError
from tests.devices.settings import DATA, INPUTS, KEY, begin, check_close, placed
from tests.processes import run_in_processes
from tests.runs import bits

EVALUATE = fl.make_evaluation(fl.models.affine(3), fl.losses.mse)


def ran(n, epochs, folder=None, *, data=DATA, begun=None, train=None, **options):
    train_step, state = begun or begin()
    state, *data = placed(n, state, data, DATA)
    data[0] = data[0] if train is None else train
    options = {"evaluate": EVALUATE, "resume": True, "progress": False, **options}
    return fl.running.run(
        train_step, state, *data, epochs=epochs, folder=folder, **options
    )


@pytest.mark.parametrize("batch_size", [None, 5])
@pytest.mark.slow
def test_a_run_goes_on_where_there_are_other_devices(tmp_path, batch_size):
    options = {"batch_size": batch_size, "begun": begin()}
    wanted = ran(None, 10, **options)
    for n, epochs in ((8, 2), (3, 4), (None, 6), (1, 8), (8, 10)):
        run = ran(n, epochs, tmp_path, **options)
        assert int(run.epochs) == epochs
        places = {leaf.sharding for leaf in jax.tree.leaves(run.state)}
        assert {len(place.device_set) for place in places} == {n or 1}
    losses, expected = run.history, wanted.history
    check_close(losses.loss, expected.loss)
    check_close(losses.evaluation, expected.evaluation)


def test_on_as_many_devices_it_goes_on_to_the_same_bits(tmp_path):
    begun = begin()
    ran(3, 3, tmp_path, begun=begun, batch_size=5)
    run = ran(3, 6, tmp_path, begun=begun, batch_size=5)
    whole = ran(3, 6, begun=begun, batch_size=5)
    assert bits((run.state, run.history)) == bits((whole.state, whole.history))


def test_other_rows_are_told_from_these_on_any_devices(tmp_path):
    begun = begin()
    ran(8, 1, tmp_path, begun=begun)
    # Of the shape of the data as they were padded, and with a row that is another.
    more = jax.tree.map(lambda rows: np.concatenate([rows, rows[-1:]]), DATA)
    other = DATA._replace(targets=DATA.targets + 1)
    for n in (8, 1):
        with pytest.raises(CheckpointError):
            ran(n, 2, tmp_path, data=more, begun=begun)
        with pytest.raises(CheckpointError, match="data"):
            ran(n, 2, tmp_path, data=other, begun=begun)


@pytest.mark.slow
def test_a_run_of_shards_goes_on_where_there_are_other_devices(tmp_path):
    np.save(tmp_path / "inputs-a.npy", INPUTS)
    np.save(tmp_path / "targets-a.npy", np.asarray(DATA.targets))
    options = {"train": tmp_path, "batch_size": 10, "begun": begin()}
    wanted = ran(None, 3, **options)
    for epochs, n in enumerate((8, None), 1):
        ran(n, epochs, tmp_path / "run", **options)
    run = ran(2, 3, tmp_path / "run", **options)
    check_close(run.history.loss, wanted.history.loss)


def in_blocks(n, epochs, folder=None, **options):
    """A run of minibatches whose sums do not depend on the number of devices."""
    model, optimizer = fl.models.affine(3), optax.adam(0.05)
    objective = fl.make_objective(model, fl.losses.mse)
    step = fl.make_train_step(objective, optimizer, blocks=8)
    state = fl.init_state(KEY, model.init(KEY), optimizer)
    options = {"batch_size": 16, "save_every": 0.0, **options}
    return ran(n, epochs, folder, begun=(step, state), **options)


def leave(report):
    """Ends a process at once, as a kill does, with a save under way."""
    if report.epoch >= 3:
        print("done", flush=True)
        os._exit(0)


@pytest.mark.slow
def test_a_run_goes_on_in_other_processes_to_the_same_bits(tmp_path):
    whole = in_blocks(None, 9)
    folder = tmp_path / "run"
    begin = "from tests.devices.test_resuming import bits, in_blocks, leave"
    run_in_processes(f"""
        {begin}
        in_blocks(4, 9, {str(folder)!r}, callbacks=[leave])
    """)
    saved = fl.checkpoints.latest(folder)
    assert saved is not None and 0 < saved.step < 9
    half = in_blocks(2, 6, folder)
    assert bits(half.history.loss) == bits(whole.history.loss[:6])
    run_in_processes(
        f"""
        {begin}
        run = in_blocks(8, 9, {str(folder)!r})
        assert not run.state.step.is_fully_addressable
        if number in (0, 3):
            made = bits((run.history.loss, run.state.params, run.state.opt_state))
            with open(f"{tmp_path}/{{number}}", "wb") as file:
                file.write(repr(made).encode())
        """,
        number=4,
    )
    wanted = repr(bits((whole.history.loss, whole.state.params, whole.state.opt_state)))
    for number in (0, 3):
        assert (tmp_path / str(number)).read_text() == wanted
    assert len((folder / "history.csv").read_text().splitlines()) == 10


def in_parts(n, epochs, folder=None, **options):
    """A run whose parameters and moments are dealt out to the devices."""
    model, optimizer = fl.models.affine(8), optax.adam(0.05)
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(KEY, model.init(KEY), optimizer)
    rows = np.random.default_rng(1).normal(size=(16, 8)).astype(np.float32)
    state, train = placed(n, state, fl.Dataset(rows, rows.sum(1)))
    place = NamedSharding(devices.mesh(n), PartitionSpec("data"))

    @functools.partial(jax.jit, out_shardings=place)
    def dealt(leaf):
        return leaf

    params, moments = jax.tree.map(
        lambda leaf: dealt(leaf) if leaf.shape == (8,) else leaf,
        (state.params, state.opt_state),
    )
    state = state._replace(params=params, opt_state=moments)
    kept = {"folder": folder, "resume": True, "progress": False, **options}
    return fl.running.run(step, state, train, epochs=epochs, **kept)


@pytest.mark.slow
def test_a_state_in_parts_goes_on_in_other_processes(tmp_path):
    folder = tmp_path / "run"
    in_parts(8, 4, folder)
    assert list(folder.glob("checkpoint-000000000004-*.orbax"))
    run_in_processes(f"""
        from tests.devices.test_resuming import in_parts

        def fail(report):
            if number == 1 and report.epoch >= 5:
                raise ValueError("no")

        # With a save due, which is all processes' to make and cannot be made by one.
        try:
            in_parts(4, 9, {str(folder)!r}, save_every=0.0, callbacks=[fail])
            raise AssertionError("it did not fail")
        except RuntimeError as error:
            assert "callback fail raised ValueError" in str(error), error
        run = in_parts(4, 8, {str(folder)!r}, save_every=0.0)
        weight = run.state.params.weight
        assert not weight.is_fully_replicated and not weight.is_fully_addressable
    """)
    run = in_parts(2, 12, folder)
    assert len(run.state.params.weight.sharding.device_set) == 2
    check_close(run.history.loss, in_parts(1, 12).history.loss)
