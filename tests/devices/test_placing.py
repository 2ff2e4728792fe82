"""Arrays on devices of several processes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from funclearn import devices
from funclearn.devices import _placing
from tests.processes import run_in_processes


@pytest.mark.slow
def test_a_run_in_two_processes_is_that_in_one():
    run_in_processes("""
        import jax.numpy as jnp
        import funclearn as fl
        from tests.devices.settings import DATA, begin, check_close, placed

        evaluate = fl.make_evaluation(fl.models.affine(3), fl.losses.mse)
        step, state = begin(input_noise=0.1)

        def losses(state, data):
            options = {"epochs": 2, "batch_size": 8, "evaluate": evaluate}
            return fl.fit(step, state, data, data, **options).history

        wanted = losses(state, DATA)
        for kind in (DATA, jax.tree.map(jnp.asarray, DATA)):
            there, data = placed(4, state, kind)
            parts = [part.data.shape for part in data.inputs.addressable_shards]
            assert parts == [(10, 3)] * 2 and not data.inputs.is_fully_addressable
            assert there.key.is_fully_replicated and not there.key.is_fully_addressable
            found = losses(there, data)
            check_close(found.loss, wanted.loss)
            check_close(found.evaluation, wanted.evaluation)
    """)


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
