"""The devices of a run."""

import re

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh

from funclearn import devices
from funclearn.devices import _mesh


@pytest.mark.parametrize("n", [None, 1, 3, 8])
def test_a_mesh_is_of_the_first_devices(n):
    mesh = devices.mesh(n)
    assert list(mesh.devices.flat) == jax.devices()[:n]
    assert mesh.axis_names == ("data",) and mesh.axis_types == (AxisType.Auto,)


@pytest.mark.parametrize(
    "n, error, message",
    [
        (2.0, TypeError, "n must be an integer"),
        (True, TypeError, "n must be an integer"),
        (0, ValueError, "n must be at least 1; got 0"),
        (
            9,
            ValueError,
            "n must be at most the number of devices, 8; got 9. A CPU is made 9 "
            'devices by jax.config.update("jax_num_cpu_devices", 9) before the first',
        ),
    ],
)
def test_other_numbers_are_refused(n, error, message, plain_annotations):
    with pytest.raises(error, match=re.escape(message)):
        devices.mesh(n)


def test_meshes_of_other_axes_are_refused():
    both = np.array(jax.devices()[:4]).reshape(2, 2)
    for mesh, error, got in (
        ("data", TypeError, "got 'data'"),
        (jax.make_mesh((2,), ("rows",)), ValueError, "got 'rows' Explicit"),
        (Mesh(both, ("a", "b")), ValueError, "got 'a' Auto, 'b' Auto"),
    ):
        with pytest.raises(error, match=f"axis of type Auto.*{got}"):
            _mesh.check_mesh(mesh)
    _mesh.check_mesh(Mesh(both.ravel(), ("rows",)))
