import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.core import FrozenDict

from funclearn.checkpoints._leaves import facts_of
from funclearn.checkpoints._structure import Node, differences, structure_of


class Pair(NamedTuple):
    first: object
    second: object


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Layer:
    weight: object
    name: object = dataclasses.field(default="", metadata={"static": True})


def told(saved, like):
    structures = [structure_of("x", tree) for tree in (saved, like)]
    return list(
        differences(
            *(
                one._replace(leaves={p: facts_of(p, x) for p, x in one.leaves.items()})
                for one in structures
            )
        )
    )


def test_containers_and_leaves_are_named_as_python_reaches_them():
    tree = Pair({"b": 1, "a": [2, (3, None)]}, optax.EmptyState())
    got = structure_of("x", tree)
    assert list(got.leaves.items()) == [
        (".".join(("x", "first['a'][0]")), 2),
        ("x.first['a'][1][0]", 3),
        ("x.first['b']", 1),
    ]
    kinds = {path: str(node) for path, node in got.nodes.items()}
    assert kinds == {
        "x": f"{__name__}.Pair",
        "x.first": "builtins.dict",
        "x.first['a']": "builtins.list",
        "x.first['a'][1]": "builtins.tuple",
        "x.first['a'][1][1]": "builtins.NoneType",
        "x.second": f"{optax.EmptyState.__module__}.EmptyState",
    }


def test_leaves_come_in_the_order_of_jax():
    tree = {"z": [1, {"b": 2, "a": (3,)}], "a": Pair(4, Layer(5)), "n": None}
    leaves = structure_of("x", tree).leaves
    assert list(leaves.values()) == jax.tree.leaves(tree)
    names = [jax.tree_util.keystr(p) for p, _ in jax.tree.leaves_with_path(tree)]
    assert list(leaves) == [f"x{name}" for name in names]


class Same:
    """A key whose text is that of another one."""

    def __init__(self, number):
        self.number = number

    def __repr__(self):
        return "same"

    def __lt__(self, other):
        return self.number < other.number


def test_leaves_of_one_name_are_told_apart():
    tree = {Same(1): 1, Same(2): 2, Same(3): [3]}
    assert structure_of("x", tree).leaves == {
        "x[same]": 1,
        "x[same]#2": 2,
        "x[same][0]": 3,
    }


def test_a_tree_may_be_one_leaf_or_none():
    assert structure_of("x", 3).leaves == {"x": 3}
    assert structure_of("x", None).nodes == {"x": Node("builtins:NoneType", {})}


def test_fields_without_arrays_are_described():
    got = structure_of("x", Layer(1, ("relu", 3, jax.nn.relu, np.dtype("int8"))))
    assert got.nodes["x"].static == {"name": "tuple('relu', 3, jax:relu, int8)"}
    assert structure_of("x", Layer(1, object())).nodes["x"].static == {}
    one, other = ({"abc"} | set(map(str, order)) for order in ([1, 2], [2, 1]))
    assert structure_of("x", Layer(1, one)) == structure_of("x", Layer(1, other))


@pytest.mark.parametrize(
    ("saved", "like", "expected"),
    [
        ({"a": 1.0}, {"a": 2.0}, []),
        (
            {"a": 1.0},
            FrozenDict(a=1.0),
            ["x was saved as builtins.dict and is flax.core"],
        ),
        ([1.0], (1.0,), ["x was saved as builtins.list and is builtins.tuple in like"]),
        (
            {"a": 1.0, "b": 1},
            {"a": 1.0},
            ["x['b'], a number of Python's, int64, is in the file and not"],
        ),
        (
            {"a": 1.0},
            {"a": 1.0, "b": []},
            ["x['b'], builtins.list, is in like and not in the file"],
        ),
        (
            {"a": 1.0},
            {"a": [1.0]},
            ["x['a'] was saved as a number of Python's, float64 and is builtins.list"],
        ),
        (
            {"a": None},
            {"a": 1.0},
            ["x['a'] was saved as builtins.NoneType and is a number"],
        ),
        (
            jnp.zeros(2),
            jnp.zeros((2, 1)),
            ["x was saved as float32[2] and is float32[2,1] in like"],
        ),
        (
            jnp.zeros(2),
            jnp.zeros(2, jnp.bfloat16),
            ["x was saved as float32[2] and is bfloat16[2] in like"],
        ),
        (
            jax.random.key(0),
            jax.random.key(0, impl="rbg"),
            ["x was saved as a key of threefry2x32, uint32[2] and is a key of rbg"],
        ),
        (
            jax.random.key(0),
            jax.random.key_data(jax.random.key(0)),
            ["x was saved as a key of threefry2x32, uint32[2] and is uint32[2]"],
        ),
        (Layer(1.0, 3), Layer(1.0, 4), ["x.name was saved as 3 and is 4 in like"]),
        (
            Layer(1.0, jnp.sin),
            Layer(1.0, jnp.cos),
            ["x.name was saved as jax:sin and is jax:cos"],
        ),
        (Layer(1.0, object()), Layer(1.0, 4), []),
    ],
)
def test_differences_are_named(saved, like, expected):
    got = told(saved, like)
    assert len(got) == len(expected)
    for one, beginning in zip(got, expected, strict=True):
        assert one.startswith(beginning)


def test_what_lies_below_a_difference_is_not_told():
    saved, like = {"a": [1.0, 2.0], "ab": 1.0}, {"a": (1.0,), "ab": True}
    assert [one.split()[0] for one in told(saved, like)] == ["x['a']", "x['ab']"]


def test_optimizers_with_the_same_arrays_are_told_apart():
    params = {"w": jnp.zeros(2)}
    states = [
        optimizer.init(params)
        for optimizer in (
            optax.trace(0.9),
            optax.scale_by_rms(),
            optax.scale_by_lion(),
            optax.scale_by_adam(),
            optax.masked(optax.trace(0.9), {"w": False}),
        )
    ]
    for i, saved in enumerate(states):
        for j, like in enumerate(states):
            assert bool(told(saved, like)) == (i != j)


def moved(tree, module):
    """A class of the same name in another module."""
    kind = type(tree)
    other = type(kind.__name__, (kind,), {"__module__": module})
    return other(*tree)


@pytest.mark.parametrize(
    ("module", "other", "same"),
    [
        ("lib._src.a", "lib.b", True),
        ("lib.a", "other.a", False),
        ("__main__", "train", True),
        ("train", "__main__", True),
    ],
)
def test_classes_may_move_within_their_package(module, other, same):
    pair = Pair(1.0, 2.0)
    saved, like = moved(pair, module), moved(pair, other)
    assert (told(saved, like) == []) == same
