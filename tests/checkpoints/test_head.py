import json

import pytest

from funclearn.checkpoints import CheckpointError
from funclearn.checkpoints._errors import Damage
from funclearn.checkpoints._head import FORMAT, Entry, Head, as_json, head_of_json
from funclearn.checkpoints._leaves import Leaf
from funclearn.checkpoints._structure import Node, Structure

LEAVES = {
    "state.flag": Leaf("bool", (3,)),
    "state.empty": Leaf("float32", (0, 2)),
    "state.w": Leaf("float32", (2, 2)),
    "state.z": Leaf("complex128", (2,)),
    "state.q": Leaf("complex64", ()),
    "state.h": Leaf("bfloat16", (1,)),
    "state.i": Leaf("int4", (5,)),
    "state.d": Leaf("float64", (), python=True),
}
ENTRIES = {name: Entry(leaf, f"{name} sum") for name, leaf in LEAVES.items()}
HEAD = Head(
    step=7,
    epoch=None,
    value=float("nan"),
    direction="min",
    notes={"é": [1, None]},
    config=None,
    data="ab",
    time=1.5,
    library="0",
    trees={"state": Structure({"state": Node("a:B", {"f": "1"})}, ENTRIES)},
)


def raw(**changes):
    return {**json.loads(json.dumps(as_json(HEAD))), **changes}


def test_a_head_comes_back_from_json():
    head = head_of_json(raw())
    assert head._replace(value=0) == HEAD._replace(value=0) and str(head.value) == "nan"
    assert {name: entry.leaf for name, entry in head.entries.items()} == LEAVES


def of_parts(**changes):
    files = {"0/.zarray": [9, "sum"], "0/0": [8, "sum"]}
    folder = {"name": "checkpoint-000000000001-12345678.orbax", "files": files}
    leaves = {"state.w": ["float32", [2], None, False, False, None, "0"]}
    trees = {"state": {"nodes": {}, "leaves": leaves}}
    return raw(format=2, folder=folder, trees=trees) | changes


def test_a_head_tells_of_a_folder():
    head = head_of_json(of_parts())
    assert head.folder is not None and head.folder.files["0/0"] == (8, "sum")
    assert head.arrays == {"state.w": Entry(Leaf("float32", (2,)), None, "0")}
    assert head.entries == {}
    assert json.loads(json.dumps(as_json(head))) == of_parts()


def of_leaf(*facts):
    return raw(trees={"state": {"nodes": {}, "leaves": {"state.w": [*facts, "sum"]}}})


def of_node(*facts):
    return raw(trees={"state": {"nodes": {"state": [*facts]}, "leaves": {}}})


@pytest.mark.parametrize(
    "malformed",
    [
        of_leaf("float32", [-1], None, False, False),
        of_leaf("float32", [2.0], None, False, False),
        of_leaf("float32", [True], None, False, False),
        of_leaf("float32", "ab", None, False, False),
        of_leaf("float32", None, None, False, False),
        of_leaf("object", [1], None, False, False),
        of_leaf([], [1], None, False, False),
        of_leaf("float32", [1]),
        of_node(1, {}),
        of_node("a", 1),
        of_node("a"),
        raw(trees=[]),
        raw(trees={"state": {}}),
        raw(step="7"),
        raw(step=7.0),
        raw(value="low"),
        raw(time=None),
        raw(epoch="x"),
        raw(data=3),
        raw(format=None),
        raw(format=0),
        raw(format="1"),
        raw(other=1),
        raw(format=2),
        of_parts(format=1, folder=None),
        of_parts(folder={"name": "x", "files": {"0/0": ["8", "sum"]}}),
        of_parts(folder={"name": 3, "files": {}}),
        of_parts(trees={}),
        {"format": FORMAT},
        {},
    ],
)
def test_a_malformed_head_is_damage(malformed, plain_annotations):
    with pytest.raises(Damage, match=r"malformed|there is no format"):
        head_of_json(malformed)


def test_a_newer_format_is_no_damage():
    newer = {"format": FORMAT + 1, "library": "9.9", "anything": 1}
    with pytest.raises(CheckpointError, match=r"format 3, of funclearn 9\.9"):
        head_of_json(newer)
