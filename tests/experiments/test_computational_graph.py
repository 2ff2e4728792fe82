"""The graph of a function of one's own, and of one that is not there."""

import math
import re

import pytest

from experiments.computational_graph import Config, run

OWN = """
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

def product(x, y, z):
    return checkpoint_name(x * y * z, "out")

def length(x, y, z):
    return jnp.sqrt(jnp.sum(jnp.stack([x, y, z]) ** 2))

value = 3.0
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_functions_of_a_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return "own_functions_of_a_test"


def paths(outcome, output):
    (table,) = outcome.tables
    return {row[0]: row[-1] for row in table.rows if row[0].startswith(f"d{output}/")}


@pytest.mark.slow
def test_function_of_ones_own_is_drawn(own):
    config = Config(function=f"{own}:product", x=2.0, y=3.0, z=-5.0, points=2)
    outcome = run(config)
    assert paths(outcome, "out") == {"dout/dx": -15, "dout/dy": -10, "dout/dz": 6}
    assert outcome.pictures["function"].caption == f"{own}:product, step by step."
    assert "out" in outcome.pictures["function"].svg
    assert all("df/dx" not in finding for finding in outcome.findings)


@pytest.mark.slow
def test_arrays_have_no_paths_of_numbers(own):
    outcome = run(Config(function=f"{own}:length", x=1.0, y=2.0, z=2.0, points=2))
    assert {row[0] for row in outcome.tables[0].rows} == {
        "dg/dx",
        "dg/dy",
        "dloss/dy_t",
        "dloss/dx",
        "dloss/dparams.weight",
        "dloss/dparams.bias",
    }
    assert "function" in outcome.pictures


def test_domain_of_the_first_function_does_not_bind_others(own):
    run(Config(function=f"{own}:product", y=0.0, points=2))


def test_derivatives_of_the_first_function_add_up_over_its_paths():
    config = Config(points=2)
    slopes = paths(run(config), "f")
    ratio = 2 * config.x * config.z / math.sin(config.y)
    outer = (1 - math.tanh(math.log1p(ratio)) ** 2) / (1 + ratio)
    assert slopes["df/dx"] == pytest.approx(outer * ratio / config.x, rel=1e-5)
    assert slopes["df/dz"] == pytest.approx(outer * ratio / config.z, rel=1e-5)
    tangent = math.tan(config.y)
    assert slopes["df/dy"] == pytest.approx(-outer * ratio / tangent, rel=1e-5)


def test_paths_of_one_input_add_up():
    products = [
        (row[0], row[-1])
        for row in run(Config(points=2)).tables[0].rows
        if row[0].startswith("dg/")
    ]
    assert len(products) == 4
    for name, slope in (("dg/dx", 1 / 2 + 5), ("dg/dy", 2 - math.cos(5))):
        total = sum(product for one, product in products if one == name)
        assert total == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"points": 0}, "points must be from 1 to 1000000; got 0"),
        ({"y": 0.0}, "must be positive"),
        ({"z": -5.0}, "1 + z 2x / sin(y) must be positive; got x = 0.5"),
        ({"function": "no_such_module:f"}, "function must be MODULE:NAME; No module"),
        ({"function": "OWN:nothing"}, "has no attribute 'nothing'"),
        ({"function": "OWN:value"}, "function must be MODULE:NAME; got"),
        ({"function": "not a name"}, "not a name"),
    ],
)
def test_refusals(own, settings, message):
    function = settings.get("function", "").replace("OWN", own) or None
    with pytest.raises(ValueError, match=re.escape(message)):
        run(Config(**settings | {"function": function}))
