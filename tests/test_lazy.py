"""Doors that import what is behind them when somebody asks."""

import subprocess
import sys

import pytest

import funclearn
from funclearn import _lazy

ASKED = """
import sys
import funclearn
assert "funclearn.graphs" not in sys.modules
assert "funclearn.gradients._compare" not in sys.modules
funclearn.graphs.trace
funclearn.gradients.compare
assert "funclearn.graphs" in sys.modules
assert "compare" in vars(funclearn.gradients)
"""


def test_modules_and_names_come_when_asked_for():
    subprocess.run([sys.executable, "-c", ASKED], check=True)


def test_a_door_lists_what_it_has_not_imported_yet():
    assert {"graphs", "fit", "__version__"} <= set(dir(funclearn))
    assert {"compare", "autodiff"} <= set(dir(funclearn.gradients))


def test_unknown_names_are_refused():
    look, _ = _lazy.attach("funclearn.gradients", names={"there": "funclearn.models"})
    with pytest.raises(AttributeError, match=r"'funclearn\.gradients'.*'nothing'"):
        look("nothing")
    with pytest.raises(AttributeError, match="there"):
        look("there")
