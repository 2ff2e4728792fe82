"""Running blocks on devices."""

import concurrent.futures
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn._lanes._runner import runner


def test_blocks_at_once_run_on_devices_of_their_own():
    devices = jax.devices()[2:5]
    together = threading.Barrier(len(devices), timeout=60)

    def wait(x):
        together.wait()
        return x

    def lane(x):
        shape = jax.ShapeDtypeStruct((), jnp.float32)
        return jax.pure_callback(wait, shape, x) + 1, jax.random.key(0)

    closed = jax.make_jaxpr(lane)(jnp.float32(0))
    run = runner(closed, [np.dtype(np.float32)], 1, devices)
    with concurrent.futures.ThreadPoolExecutor(len(devices)) as pool:
        given = np.arange(len(devices), dtype=np.float32)[:, None]
        results = list(pool.map(lambda x: run([x]), given))
    np.testing.assert_array_equal([values for values, _ in results], given + 1)
    used = [device for values, _ in results for device in values.devices()]
    assert sorted(used, key=lambda device: device.id) == devices
    assert all(keys.shape == (1,) for _, keys in results)


def test_a_block_that_fails_leaves_its_device_free():
    failing = [True]

    def maybe(x):
        if failing.pop(0):
            raise ZeroDivisionError("told")
        return x

    def lane(x):
        shape = jax.ShapeDtypeStruct((), jnp.float32)
        return jax.pure_callback(maybe, shape, x)

    closed = jax.make_jaxpr(lane)(jnp.float32(0))
    run = runner(closed, [np.dtype(np.float32)], 1, jax.devices()[:2])
    with pytest.raises(Exception, match="told"):
        run([np.ones(1, np.float32)])
    failing.append(False)
    (values,) = run([np.ones(1, np.float32)])
    assert values.devices() == {jax.devices()[0]}
