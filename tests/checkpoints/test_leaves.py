import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.random import define_prng_impl
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from funclearn.checkpoints import CheckpointError
from funclearn.checkpoints._leaves import (
    DTYPES,
    Leaf,
    facts_of,
    fits,
    made_like,
    numbers_of,
)
from tests.checkpoints.settings import bits

BYTES = np.random.default_rng(0).bytes(48)


def back(leaf, like=None):
    """A leaf after all that happens to it but for the file."""
    numbers = numbers_of("x", leaf).copy()
    return made_like("x", numbers, facts_of("x", leaf), leaf if like is None else like)


@pytest.mark.parametrize("name", DTYPES)
def test_any_bits_of_any_type_come_back(name):
    """NaN with a payload and numbers below the normal ones among them."""
    if name == "bool":
        leaf = np.asarray([True, False])
    elif DTYPES[name].itemsize == 1 and name.strip("uint").isdigit():
        leaf = np.asarray([0, 1]).astype(DTYPES[name])
    else:
        leaf = np.frombuffer(BYTES, DTYPES[name]).reshape(-1, 1)
    for one in (leaf, leaf[:0], leaf[::2], leaf.T):
        assert bits(back(one)) == bits(one)
    assert facts_of("x", leaf) == Leaf(name, leaf.shape)
    with jax.enable_x64(True):
        try:
            array = jax.device_put(leaf)
        except jax.errors.JaxRuntimeError:  # a type that JAX lacks
            return
        assert bits(back(array)) == bits(array)


@pytest.mark.parametrize("value", [True, -3, 2**63, 1.5, float("nan"), -0.0, 1 + 2j])
def test_numbers_of_python_come_back_as_such(value):
    got = back(value)
    assert type(got) is type(value) and bits(got) == bits(value)


@pytest.mark.parametrize("value", [np.float64(0.1), np.int8(3), np.bool_(True)])
def test_numbers_of_numpy_come_back_as_such(value):
    assert bits(back(value)) == bits(value)


def test_the_other_order_of_bytes_keeps_the_values():
    got = back(np.arange(3, dtype=">f4"))
    assert got.dtype == np.float32 and got.tolist() == [0, 1, 2]


OWN = define_prng_impl(
    key_shape=(3,),
    seed=lambda seed: jnp.zeros(3, jnp.uint32) + seed.astype(jnp.uint32),
    split=lambda key, shape: jnp.broadcast_to(key, (*shape, 3)),
    random_bits=lambda key, width, shape: jnp.zeros(shape, f"uint{width}"),
    fold_in=lambda key, data: key + data,
    name="own",
    tag="own",
)


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg", OWN])
@pytest.mark.parametrize("shape", [(), (2,), (0, 2)])
def test_keys_of_every_implementation_come_back(impl, shape):
    key = jax.random.key(3, impl=impl)
    keys = jnp.broadcast_to(key, shape)
    for like in (keys, jax.eval_shape(lambda: keys)):
        got = back(keys, like)
        assert bits(got) == bits(keys)
        assert jax.random.key_impl(got) == jax.random.key_impl(keys)
    assert facts_of("x", keys).key == str(jax.random.key_impl(keys))


@pytest.mark.parametrize("value", [1.5, float("nan"), 3])
@pytest.mark.parametrize("shape", [(), (2,)])
def test_a_weak_type_comes_back(value, shape):
    """Without it a step would be compiled anew, and could compute in another type."""
    weak = jnp.full(shape, value)
    assert weak.weak_type
    got = back(weak)
    assert got.weak_type and bits(got) == bits(weak)


def test_a_weak_type_that_jax_does_not_make_becomes_a_strong_one():
    facts = Leaf("bfloat16", (2,), weak=True)
    numbers = np.ones(2, DTYPES["bfloat16"])
    got = made_like("x", numbers, facts, jax.ShapeDtypeStruct((2,), jnp.bfloat16))
    assert got.dtype == jnp.bfloat16 and np.asarray(got).tobytes() == numbers.tobytes()


def test_a_leaf_goes_to_where_like_is():
    device = jax.devices()[0]
    there = jax.device_put(jnp.ones(3), device)
    assert there.committed and back(there).committed
    assert not back(jnp.ones(3)).committed
    sharding = jax.sharding.SingleDeviceSharding(device)
    like = jax.ShapeDtypeStruct((3,), jnp.float32, sharding=sharding)
    assert back(jnp.ones(3), like).committed
    keys = jax.device_put(jax.random.key(0), device)
    assert back(keys).committed and bits(back(keys)) == bits(keys)


def test_a_type_over_explicit_axes_is_over_the_devices_in_use():
    mesh = jax.make_mesh((4,), ("units",), axis_types=(AxisType.Explicit,))
    there = NamedSharding(mesh, PartitionSpec("units"))
    array = jax.device_put(jnp.arange(8.0), there)
    like = jax.eval_shape(lambda: 2 * array)
    with jax.set_mesh(mesh):
        got = back(array, like)
    assert got.sharding == there and bits(got) == bits(array)
    assert len(back(array, like).devices()) == 1


def test_nothing_is_narrowed():
    numbers = np.ones(2)
    like = jax.ShapeDtypeStruct((2,), np.float64)
    with pytest.raises(
        CheckpointError, match=r"x was saved as float64.*jax_enable_x64"
    ):
        made_like("x", numbers, facts_of("x", numbers), like)


@pytest.mark.parametrize(
    "leaf",
    ["text", len, 2**70, np.asarray(["a"]), np.asarray([None]), np.datetime64(1, "s")],
)
def test_what_is_no_number_is_refused(leaf):
    with pytest.raises(TypeError, match=r"x\.y must be an array of numbers"):
        facts_of("x.y", leaf)


def test_what_holds_no_numbers_now_is_refused():
    with pytest.raises(TypeError, match="x is being traced"):
        jax.jit(lambda x: numbers_of("x", x))(1.0)
    donated = jnp.ones(3)
    donated.delete()
    with pytest.raises(ValueError, match="x was donated"):
        numbers_of("x", donated)


def test_arrays_of_several_processes_are_refused(monkeypatch):
    kind = type(jnp.ones(2))
    for name in ("is_fully_addressable", "is_fully_replicated"):
        monkeypatch.setattr(kind, name, property(lambda self: False))
    with pytest.raises(ValueError, match="x is spread over several processes"):
        numbers_of("x", jnp.ones(2))


def test_only_numbers_of_python_have_no_width():
    number, whole = facts_of("x", 0), facts_of("x", jnp.int32(0))
    assert fits(number, number) and fits(whole, number) and not fits(number, whole)
    assert fits(facts_of("x", 2**63), number)
    assert not fits(facts_of("x", jnp.float32(0)), number)
    assert not fits(facts_of("x", True), number)
    assert not fits(facts_of("x", jnp.zeros(1, jnp.int32)), number)
    assert not fits(facts_of("x", jax.random.key(0)), number)
    assert not fits(facts_of("x", jnp.uint32(0)), whole)
    assert fits(whole._replace(weak=True), whole)
