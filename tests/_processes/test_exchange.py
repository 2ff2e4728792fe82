"""Arrays from every process to all others."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from funclearn import devices
from funclearn._processes import Elsewhere, from_all, one_of_each, wait_for


def test_arrays_of_one_process_have_no_others():
    mesh = devices.mesh(4)
    spread = jax.device_put(np.arange(8), NamedSharding(mesh, PartitionSpec("data")))
    assert one_of_each({"spread": spread, "number": 1.0, "text": "a"}) == ()


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int32"])
def test_every_place_gives_what_it_has(dtype):
    """Of one process all devices have the same; the axis in front counts them."""
    array = np.array([[0, 1, 1], [1, 0, 0]]).astype(dtype)
    got = from_all(array, tuple(jax.devices()[2:3]))
    assert got.shape == (1, 2, 3) and got.dtype == array.dtype
    np.testing.assert_array_equal(got[0], array)


def test_it_is_waited_for_in_python():
    class Slow:
        looks = 0

        def is_ready(self):
            self.looks += 1
            return self.looks == 3

    slow = Slow()
    wait_for(slow)
    assert slow.looks == 3
    wait_for(np.zeros(2))  # which nobody has to wait for


class Part:
    """A part of an array, or an array that nobody finds ready."""

    is_fully_addressable = False
    sharding = SimpleNamespace(
        device_set=[SimpleNamespace(process_index=one) for one in (0, 0, 1, 1)]
    )

    def __init__(self, ready=False, error=None, parts=()):
        self.ready, self.error = ready, error
        self.addressable_shards = [SimpleNamespace(data=part) for part in parts]

    def is_ready(self):
        return self.ready

    def block_until_ready(self):
        if self.error is not None:
            raise self.error


def test_nobody_waits_for_a_part_that_waits_for_one_that_failed():
    failed = Part(ready=True, error=ValueError("Gloo AllReduce failed"))
    array = Part(parts=[Part(ready=True), failed, Part()])
    with pytest.raises(Elsewhere, match="one of 2 processes was lost: Gloo") as caught:
        wait_for(array)
    assert caught.value.__cause__ is failed.error
