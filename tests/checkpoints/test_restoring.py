import dataclasses
import functools
from typing import NamedTuple

import equinox as eqx
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import safetensors.numpy
from flax import nnx
from flax.core import FrozenDict

from funclearn.checkpoints import CheckpointError, Saved, latest, read, restore, save
from funclearn.checkpoints._leaves import DTYPES
from tests.checkpoints.settings import assert_same, network, plain


class Pair(NamedTuple):
    first: object
    second: object


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Layer:
    weight: object
    name: str = dataclasses.field(default="", metadata={"static": True})


OPTIMIZERS = {
    "injected": optax.inject_hyperparams(optax.adamw)(1e-3),
    "several steps": optax.MultiSteps(optax.adam(1e-3), 3),
    "masked": optax.masked(optax.sgd(0.1, momentum=0.9), {"w": True, "b": False}),
    "chain": optax.chain(optax.clip(1.0), optax.contrib.prodigy()),
    "frozen": optax.multi_transform(
        {"a": optax.adam(1e-3), "b": optax.set_to_zero()}, {"w": "a", "b": "b"}
    ),
    "plateau": optax.contrib.reduce_on_plateau(),
}


def of_optimizer(optimizer):
    return optimizer.init({"w": jnp.ones((2, 2)) / 3, "b": jnp.zeros(2)})


def of_equinox():
    module = eqx.nn.MLP(1, 1, 4, 2, key=jax.random.key(0))
    return eqx.filter(module, eqx.is_array)


# States of all kinds, by name.
STATES = {
    "of this library": lambda: network(3),
    "of NumPy": lambda: plain(1),
    **{
        name: functools.partial(of_optimizer, optimizer)
        for name, optimizer in OPTIMIZERS.items()
    },
    "flax": lambda: FrozenDict(a={"b": jnp.ones(2)}),
    "nnx": lambda: nnx.state(nnx.Linear(2, 3, rngs=nnx.Rngs(0))),
    "equinox": of_equinox,
    "dataclass": lambda: Layer(Layer(jnp.ones(2), "a"), "b"),
    "nothing": lambda: {"a": None, "b": (), "c": [], "d": {}},
    "a leaf": lambda: jnp.float16(3),
    "numbers": lambda: Pair(True, [1, 2.5, 3j, np.float32(1), np.ones(())]),
    "keys": lambda: [jax.random.split(jax.random.key(0, impl="rbg"), 3)],
    "texts": lambda: {"a.b": 1, "a": {"b": 2}, "é\n'": 3, "": 4},
}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.slow
def test_states_come_back_to_the_bit(tmp_path, name):
    state = STATES[name]()
    save(tmp_path, state, step=1)
    assert_same(restore(tmp_path, state), state)


@pytest.mark.parametrize("name", ["of this library", "injected", "equinox", "nnx"])
def test_shapes_are_enough_to_restore(tmp_path, name):
    state = STATES[name]()
    save(tmp_path, state, step=1)
    assert_same(restore(tmp_path, jax.eval_shape(lambda: state)), state)


def test_float64_comes_back(tmp_path, float64):
    params = {"w": jnp.asarray([[1 / 3]]), "n": jnp.asarray(2**40)}
    state = network(1, optimizer=optax.lbfgs())._replace(params=params)
    save(tmp_path, state)
    assert_same(restore(tmp_path, state), state)
    with jax.enable_x64(False):
        with pytest.raises(CheckpointError, match=r"float64.*jax_enable_x64"):
            restore(tmp_path, state)


SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@st.composite
def arrays(draw):
    """Any bits of any type."""
    name, shape = draw(st.sampled_from(["float32", "float64", *DTYPES])), draw(SHAPES)
    count, size = int(np.prod(shape)), DTYPES[name].itemsize
    content = draw(st.binary(min_size=count * size, max_size=count * size))
    if size == 1 and not name.startswith(("int8", "uint8", "float8")):
        # Only some bits of these are used.
        content = bytes(byte % 2 for byte in content)
    return np.frombuffer(content, DTYPES[name]).reshape(shape)


NUMBERS = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.complex_numbers()
)
LEAVES = st.one_of(arrays(), NUMBERS, st.none())
TREES = st.recursive(
    LEAVES,
    lambda trees: st.one_of(
        st.lists(trees, max_size=3),
        st.lists(trees, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), trees, max_size=3),
        st.builds(Pair, trees, trees),
        st.builds(Layer, trees, st.text(max_size=3)),
    ),
    max_leaves=8,
)


@hypothesis.settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(state=TREES, more=TREES)
@pytest.mark.slow
def test_any_pytree_comes_back_to_the_bit(tmp_path, state, more):
    save(tmp_path, state, step=0, more=more)
    got = read(tmp_path, state, more_like=more)
    assert_same((got.state, got.more), (state, more))


def test_other_programs_read_the_arrays(tmp_path):
    state = {"w": jnp.arange(6.0).reshape(2, 3), "n": np.arange(4), "f": [True, 2.5]}
    path = save(tmp_path, state, step=0, more={"best": jnp.ones(2, jnp.int8)})
    found = safetensors.numpy.load_file(path)
    expected = {
        "state['w']": np.asarray(state["w"]),
        "state['n']": state["n"],
        "state['f'][0]": np.asarray(True),
        "state['f'][1]": np.asarray(2.5),
        "more['best']": np.ones(2, np.int8),
    }
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_all_that_was_said_is_read(tmp_path):
    best, notes = {"params": jnp.ones(2)}, {"rows": 3, "file": "history.csv"}
    config, value = {"rate": 0.1}, 0.1 + 0.2
    path = save(
        tmp_path,
        network(4),
        more=best,
        notes=notes,
        config=config,
        data="ab",
        value=value,
    )
    got = read(tmp_path, network(), more_like=best, config=config, data="ab")
    assert_same((got.state, got.more), (network(4), best))
    assert got.saved == latest(tmp_path)
    assert got.saved == Saved(path, 4, 0, value, notes, config, "ab", 1, got.saved.time)
    assert read(tmp_path, network()).more is None


def of_notes(saved):
    return {"rows": jnp.zeros(saved.notes["rows"])}


def test_the_second_tree_may_follow_from_the_notes(tmp_path):
    best = {"rows": jnp.arange(3.0)}
    save(tmp_path, network(), more=best, notes={"rows": 3})
    got = read(tmp_path, network(), more_like=of_notes)
    assert_same(got.more, best)
    with pytest.raises(CheckpointError, match="config was saved as None"):
        read(tmp_path, network(), more_like=lambda saved: 1 / 0, config={})
    save(tmp_path, network())
    with pytest.raises(CheckpointError, match="more was not saved"):
        read(tmp_path, network(), more_like=of_notes)
    module = eqx.filter(eqx.nn.Linear(1, 2, key=jax.random.key(0)), eqx.is_array)
    save(tmp_path, network(), more=module)  # a container that can be called
    assert_same(read(tmp_path, network(), more_like=module).more, module)


def test_sharded_arrays_go_where_like_is(tmp_path):
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    place = jax.sharding.NamedSharding(mesh, jax.P("data"))
    state = {"x": jax.device_put(jnp.arange(4.0), place)}
    save(tmp_path, state, step=0)
    like = {"x": jax.ShapeDtypeStruct((4,), jnp.float32, sharding=place)}
    for one in (state, like):
        assert restore(tmp_path, one)["x"].sharding == place


@pytest.mark.parametrize("step", [-1, 1.5, "1"])
def test_a_step_is_a_number(tmp_path, step, plain_annotations):
    with pytest.raises((TypeError, ValueError), match="step must be"):
        restore(tmp_path, network(), step=step)
