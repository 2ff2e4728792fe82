"""Arrays on devices of several processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import funclearn as fl
from funclearn import devices
from funclearn.devices import _placing

WORKER = """
import os, sys, traceback
import jax
jax.config.update("jax_num_cpu_devices", 2)
address, number = sys.argv[1], int(sys.argv[2])
jax.distributed.initialize(
    address, num_processes=2, process_id=number, heartbeat_timeout_seconds=20
)
try:
    import jax.numpy as jnp
    import funclearn as fl
    from tests.devices.settings import DATA, begin, check_close, placed
    evaluate = fl.make_evaluation(fl.models.affine(3), fl.losses.mse)
    def losses(state, data):
        run = fl.fit(step, state, data, data, epochs=2, batch_size=8, evaluate=evaluate)
        return run.history
    step, state = begin(input_noise=0.1)
    wanted = losses(state, DATA)
    for kind in (DATA, jax.tree.map(jnp.asarray, DATA)):
        there, data = placed(4, state, kind)
        parts = [part.data.shape for part in data.inputs.addressable_shards]
        assert parts == [(10, 3)] * 2 and not data.inputs.is_fully_addressable
        assert there.key.is_fully_replicated and not there.key.is_fully_addressable
        found = losses(there, data)
        check_close(found.loss, wanted.loss)
        check_close(found.evaluation, wanted.evaluation)
except BaseException:
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(75)  # an orderly end would wait for the other process
print("done")
"""


def test_a_run_in_two_processes_is_that_in_one():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, address, str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(fl.__file__).parents[1],
            env=os.environ | {"PYTHONPATH": "."},
        )
        for number in range(2)
    ]
    try:
        for worker in workers:
            out, error = worker.communicate(timeout=200)
            assert worker.returncode == 0 and out.endswith("done\n"), error
    finally:
        for worker in workers:
            worker.kill()


def test_every_device_is_given_its_part():
    mesh = devices.mesh(4)
    rows = np.arange(8)
    for spec, lengths in ((P("data"), {2}), (P(), {8})):
        place = NamedSharding(mesh, spec)
        array = _placing.made_of_parts((8,), place, lambda index: rows[index])
        assert array.sharding == place and array.tolist() == rows.tolist()
        assert {len(part.data) for part in array.addressable_shards} == lengths
    number = _placing.made_of_parts((), NamedSharding(mesh, P()), lambda _: np.array(3))
    assert number.shape == () and number == 3
    assert _placing.can_move(jnp.asarray(rows), NamedSharding(mesh, P()))
    assert isinstance(array, jax.Array)
