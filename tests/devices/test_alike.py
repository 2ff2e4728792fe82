"""Whether all processes run the same program, on the same."""

import hashlib
import sys
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pytest

from funclearn.devices import _alike


def test_versions_and_the_script_are_facts(monkeypatch, tmp_path):
    script = tmp_path / "train.py"
    script.write_bytes(b"pass\n")
    main = SimpleNamespace(__file__=str(script))
    monkeypatch.setitem(sys.modules, "__main__", main)
    facts = _alike.facts(None)
    assert facts["jax"] == version("jax") and facts["jaxlib"] == version("jaxlib")
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["funclearn"] == version("funclearn")
    digest = hashlib.sha256(b"pass\n").hexdigest()
    assert facts["the script's sha256"] == digest
    monkeypatch.delattr(main, "__file__")
    assert _alike.facts({})["the script's sha256"] == "not given"


def test_a_mapping_is_taken_apart():
    same = {"rate": 0.1, "net": {"widths": [8, 8], "bias": None}, "none": {}}
    facts = _alike.facts(same)
    assert {name: text for name, text in facts.items() if name.startswith("same")} == {
        "same['rate']": "0.1",
        "same['net']['widths']": "[8, 8]",
        "same['net']['bias']": "null",
        "same['none']": "{}",
    }


@pytest.mark.parametrize("same", ["rate", [1], {"rate": np.ones(2)}, {"rate": {1}}])
def test_what_json_does_not_hold_is_refused(same):
    with pytest.raises(TypeError, match="same must be a mapping that JSON holds"):
        _alike.facts(same)


def test_a_process_is_like_itself():
    own = _alike.facts({"Größe": "x" * 300})
    assert _alike._from_all_processes(own) == [own]
    _alike.check_alike(own)


def test_what_differs_is_told_with_who_has_what(monkeypatch):
    one = {"jax": "1", "same['a']": "0.1", "same['data']": "x" * 200}
    two = {"jax": "1", "same['a']": "0.2", "same['data']": "x" * 199 + "y"}
    three = {"jax": "1", "same['a']": "0.1", "same['b']": "3"}
    everywhere = [one, two, three]
    monkeypatch.setattr(_alike, "_from_all_processes", lambda _: everywhere)
    with pytest.raises(ValueError, match="must run alike") as caught:
        _alike.check_alike(one)
    message = str(caught.value)
    assert "jax" not in message
    assert "same['a'] is 0.1 in process 0, 2 and 0.2 in process 1" in message
    assert "same['b'] is not given in process 0, 1 and 3 in process 2" in message
    assert len(set(part.split(")")[0] for part in message.split("sha256 ")[1:])) == 2
