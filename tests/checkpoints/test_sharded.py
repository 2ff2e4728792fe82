"""Arrays that have parts, by Orbax."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.checkpoints import CheckpointError, restore, save
from funclearn.checkpoints import _sharded as sharded
from funclearn.checkpoints._errors import Damage
from funclearn.checkpoints._leaves import Leaf
from funclearn.checkpoints._sharded import is_sharded, place_of
from tests.checkpoints.parted import WIDE, over, parted, put


def test_only_what_has_parts_is_for_orbax():
    wide = put(WIDE, over(4, "data"))
    assert is_sharded(wide) and is_sharded(put(WIDE, over(2, None, "data")))
    others = [WIDE, 1.5, jnp.ones(3), put(WIDE, over(4)), put(WIDE, over(1, "data"))]
    assert not any(map(is_sharded, [*others, put(np.zeros((4, 0)), over(4, "data"))]))
    wide.delete()
    assert not is_sharded(wide)
    jax.jit(lambda x: bool(is_sharded(x)) or x)(put(WIDE, over(4, "data")))


def test_where_parts_go_is_said_by_like():
    place = over(4, "data")
    assert place_of(put(WIDE, place)) == place
    assert place_of(jax.ShapeDtypeStruct((8, 4), jnp.float32, sharding=place)) == place
    keys = jax.device_put(jax.random.split(jax.random.key(0), 4), place)
    assert [*map(place_of, (WIDE, 3, jnp.ones(2), keys))] == [None] * 4


@pytest.mark.parametrize(
    "dtype", ["bool", "int4", "uint8", "bfloat16", "float8_e4m3fn", "complex64"]
)
def test_numbers_come_back_in_other_parts_to_the_bit(tmp_path, dtype):
    numbers = np.arange(64).reshape(8, 8).astype(jnp.dtype(dtype))
    numbers = (numbers % 7).astype(dtype) if dtype == "int4" else numbers
    save(tmp_path, {"x": put(numbers, over(8, "data"))}, step=0)
    for place in (over(4, None, "data"), over(2), over(8, "data")):
        got = restore(tmp_path, {"x": put(np.zeros_like(numbers), place)})["x"]
        assert got.sharding == place and got.dtype == numbers.dtype
        assert np.asarray(got).tobytes() == numbers.tobytes()


def test_like_need_have_no_parts(tmp_path):
    save(tmp_path, parted(8, 2), step=2)
    like = {
        "wide": np.zeros_like(WIDE),
        "half": jnp.zeros(8, jnp.bfloat16),
        "all": put(np.zeros(3, int), over(4)),
        "number": 0,
    }
    got = restore(tmp_path, like)
    assert isinstance(got["wide"], np.ndarray) and not got["half"].committed
    np.testing.assert_array_equal(got["wide"], WIDE + 2)
    np.testing.assert_array_equal(got["half"], np.arange(8) - 2.0)
    assert got["number"] == 2 and got["all"].sharding == over(4)


def test_keys_come_back_where_like_has_them(tmp_path):
    keys = jax.random.split(jax.random.key(3), 8)
    state = {"keys": jax.device_put(keys, over(8, "data"))}
    assert is_sharded(state["keys"])
    save(tmp_path, state, step=0)
    for place in (over(2, "data"), over(4)):
        got = restore(tmp_path, {"keys": jax.device_put(keys, place)})["keys"]
        assert got.sharding.is_equivalent_to(place, 1)
        assert (jax.random.key_data(got) == jax.random.key_data(keys)).all()


def test_numbers_that_jax_would_narrow_are_refused(tmp_path):
    with jax.enable_x64(True):
        save(tmp_path, {"x": put(np.arange(8.0), over(8, "data"))}, step=0)
    like = jax.ShapeDtypeStruct((8,), np.float64, sharding=over(4, "data"))
    with pytest.raises(CheckpointError, match=r"x.*float64.*jax_enable_x64"):
        restore(tmp_path, {"x": like})
    assert restore(tmp_path, {"x": np.zeros(8)})["x"].tolist() == [*range(8)]


def test_what_orbax_cannot_read_is_damage(tmp_path):
    wanted = {"0": ("state.x", Leaf("float32", (8, 4)), over(4, "data"))}
    with pytest.raises(Damage, match="Orbax cannot read it"):
        sharded.read_arrays(tmp_path, wanted)


def test_what_the_system_says_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as caught:
        sharded.write_arrays(tmp_path / "file", {"0": put(WIDE, over(4, "data"))})
    assert caught.value.errno == 20


def test_orbax_is_imported_for_parts_alone(tmp_path):
    program = f"""
import sys
import numpy as np
import funclearn as fl
fl.checkpoints.save({str(tmp_path)!r}, {{"w": np.ones(2)}}, step=1)
fl.checkpoints.restore({str(tmp_path)!r}, {{"w": np.ones(2)}})
assert not {{"orbax", "tensorstore"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
