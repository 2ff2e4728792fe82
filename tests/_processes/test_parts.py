"""Arrays of which a process holds a part."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from funclearn import devices
from funclearn._processes import is_spread, local, whole
from tests.processes import run_in_processes


def test_all_arrays_of_one_process_are_its_own():
    place = NamedSharding(devices.mesh(4), PartitionSpec("data"))
    array = jax.device_put(jnp.arange(8.0), place)
    assert not is_spread(array) and not is_spread(np.arange(8)) and not is_spread(3)
    tree = {"array": array, "number": 3, "numpy": np.arange(2)}
    assert all(local(tree)[name] is tree[name] for name in tree)
    np.testing.assert_array_equal(whole(array), np.arange(8.0))
    assert whole(tree["numpy"]) is tree["numpy"]


def test_what_is_traced_is_nobodys():
    @jax.jit
    def traced(x):
        assert not is_spread(x) and local(x) is x
        return x

    assert traced(2.0) == 2.0


@pytest.mark.slow
def test_parts_of_two_processes_are_joined():
    run_in_processes("""
        import jax.numpy as jnp
        import numpy as np
        from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
        from funclearn._processes import (
            Elsewhere, Together, from_all, is_spread, local, one_of_each, whole
        )

        mesh = jax.make_mesh((2, 2), ("a", "b"), (AxisType.Auto,) * 2)
        numbers = np.arange(48, dtype=np.float32).reshape(4, 2, 6)
        numbers[0, 0, 0] = np.nan
        for spec in ((), ("a",), (None, "b"), ("b", "a"), (("a", "b"),)):
            place = NamedSharding(mesh, P(*spec))
            for dtype in ("float32", "bfloat16", "int8"):
                want = np.nan_to_num(numbers).astype(jnp.dtype(dtype))
                array = jax.make_array_from_callback(
                    want.shape, place, lambda index: want[index]
                )
                assert is_spread(array) == bool(spec), spec
                got = whole(array)
                assert got.dtype == want.dtype and (got == want).all(), (spec, dtype)
                if not is_spread(array) and not spec:
                    own = local({"array": array})["array"]
                    assert own.is_fully_addressable and (own == want).all()

        devices = one_of_each(array)
        assert [one.process_index for one in devices] == [0, 1]
        assert from_all(np.array([number]), devices).tolist() == [[0], [1]]

        together = Together({"array": array})
        assert (together.count, together.number) == (2, number)
        assert together.exchange([number, None]) == [[0, None], [1, None]]
        failed = None
        try:
            with together.alike():
                if number == 1:
                    raise OSError(28, "No space left on device", "é" * 2000)
        except (OSError, Elsewhere) as error:
            failed = error
        if number == 1:
            assert isinstance(failed, OSError) and failed.errno == 28
        else:
            assert isinstance(failed, Elsewhere)
            told = "process 1 of 2 failed: OSError: [Errno 28] No space left"
            assert str(failed).startswith(told), failed
        with together.alike():  # they are in step again
            pass
    """)
