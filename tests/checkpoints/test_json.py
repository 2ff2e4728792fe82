import numpy as np
import pytest

from funclearn.checkpoints._json import as_json, differing_entries


def test_a_mapping_becomes_what_json_gives_back():
    got = as_json("notes", {"a": (1, 2.5), "b": np.float32(0.5), "n": {3: None}})
    assert got == {"a": [1, 2.5], "b": 0.5, "n": {"3": None}}
    assert as_json("notes", None) is None


@pytest.mark.parametrize("value", [[1], "text", {"a": object()}, {"a": {1}}, {(1,): 2}])
def test_what_json_cannot_hold_is_refused(value, plain_annotations):
    with pytest.raises(TypeError, match="notes must be a mapping"):
        as_json("notes", value)


def test_a_mapping_that_holds_itself_is_refused():
    value = {}
    value["a"] = value
    with pytest.raises(TypeError, match="notes must be a mapping"):
        as_json("notes", value)


def test_every_entry_that_differs_is_told_with_both_values():
    saved = {"a": {"b": 1, "same": float("nan")}, "gone": 2, "kind": 1}
    now = {"kind": True, "a": {"same": float("nan"), "b": [1]}, "new": "x"}
    assert list(differing_entries("config", saved, now)) == [
        "config['a']['b'] was saved as 1 and is [1] now",
        "config['gone'] was saved as 2 and is missing now",
        "config['kind'] was saved as 1 and is True now",
        "config['new'] is 'x' and was not there when saved",
    ]
    assert list(differing_entries("config", None, {"a": 1}))


def test_the_order_of_keys_does_not_count():
    saved, now = {"a": [{"b": 1, "c": 2}], "d": 3}, {"d": 3, "a": [{"c": 2, "b": 1}]}
    assert not list(differing_entries("config", saved, now))
