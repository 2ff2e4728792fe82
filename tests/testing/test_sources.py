"""Places in the source: those of equations, and what is known without them."""

import ast
import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import optax
import pytest

from funclearn import _jaxprs
from funclearn.testing import assert_no_silent_broadcast
from funclearn.testing._calls import to_jaxpr
from funclearn.testing._sources import Site, n_expanded, operand_trees, sites_of

N = 4
FLAT, COLUMN = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in [(N,), (N, 1)])


def mse(predictions, targets):
    return jnp.mean((predictions - targets) ** 2)


WITHOUT_SOURCE = """
accident = lambda p, t: p - t
def meant(x, y):
    return x[:, None] * 2 - y
"""


def test_a_function_without_source(message_of):
    functions = {}
    exec(WITHOUT_SOURCE, functions)
    assert_no_silent_broadcast(functions["meant"], FLAT, FLAT)
    assert (
        "<string>:2, in <lambda>\n"
        "    (its source is not available)\n"
        "    `column` (4, 1) meets `flat` (4,)"
    ) in message_of(functions["accident"], COLUMN, FLAT)


def test_without_jax_record_of_the_source_shapes_and_flow_decide(
    monkeypatch, message_of
):
    monkeypatch.setattr(_jaxprs, "frames", lambda equation: [])
    assert_no_silent_broadcast(lambda x, y: x[:, None] - y, FLAT, FLAT)
    assert "`column` (4, 1) meets `flat` (4,)" in message_of(mse, COLUMN, FLAT)


def test_without_columns_a_line_that_inserts_an_axis_is_believed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import jax, jax.numpy as jnp
            from funclearn.testing import assert_no_silent_broadcast
            column, flat = jnp.ones((4, 1)), jnp.ones(4)
            assert_no_silent_broadcast(lambda p, t: p - t[None, :], column, flat)
            assert_no_silent_broadcast(lambda p, t: p - t, column, flat)
            """
        )
    )
    run = subprocess.run(
        [sys.executable, "-X", "no_debug_ranges", str(script)],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
    )
    assert "AssertionError" in run.stderr and "script.py:6, in <lambda>" in run.stderr


def sites(function, *arguments):
    """The sites of the last equation of a function."""
    return sites_of(to_jaxpr(function, arguments).eqns[-1])


def texts(function, *arguments):
    found = sites(function, *arguments)
    return [[ast.unparse(node) for node in operand_trees(site)] for site in found]


def test_an_equation_leads_back_to_its_expressions_innermost_first():
    first, second = sites_of(to_jaxpr(lambda p, t: mse(p, t), (COLUMN, COLUMN)).eqns[0])
    assert first.code is mse.__code__
    assert first.line == mse.__code__.co_firstlineno + 1
    assert second.code.co_name == "<lambda>"
    assert "return jnp.mean((predictions - targets) ** 2)" in first.describe()
    assert first.describe().startswith(f"{__file__}:{first.line}, in mse\n")


OPERANDS = {
    "operator": (lambda p, t: p - t, ["p", "t"]),
    "comparison": (lambda p, t: p <= t, ["p", "t"]),
    "call": (lambda p, t: jnp.hypot(p, t), ["p", "t"]),
    "subscript": (lambda p, t: p + t[0][None, :], ["p", "t[0][None, :]"]),
    "product": (lambda p, t: (p * 2) @ t, ["p * 2", "t"]),
    "other": (lambda p, t: -p, []),
}


@pytest.mark.parametrize("name", OPERANDS)
def test_operands_of_an_expression(name):
    function, operands = OPERANDS[name]
    matrix = jax.ShapeDtypeStruct((N, N), jnp.float32)
    assert operands in texts(function, matrix, matrix)


def in_place(p, t):
    p -= t
    return p


def test_operands_of_an_assignment_in_place():
    assert texts(in_place, FLAT, FLAT) == [["p", "t"]]


@pytest.mark.parametrize(
    ("function", "count"),
    [
        (lambda p, t: p - t, 0),
        (lambda p, t: p[:, None] - t, 1),
        (lambda p, t: -jnp.exp(p).reshape(-1, 1) - t, 1),
        (lambda p, t: p[:, None] - jnp.expand_dims(t, 0), 2),
    ],
)
def test_operands_that_insert_an_axis_are_counted(function, count):
    with jax.numpy_rank_promotion("allow"):
        assert n_expanded(sites(function, FLAT, FLAT)[0]) == count


def test_without_columns_every_expression_of_the_line_counts():
    (site,) = sites(lambda p, t: p - t[None, :], COLUMN, FLAT)
    site = site._replace(line=mse.__code__.co_firstlineno + 1, end_line=0)
    site = site._replace(end_line=site.line, column=None, end_column=None)
    found = {ast.unparse(node) for node in operand_trees(site)}
    assert {"predictions", "targets", "predictions - targets"} <= found


def enclosing():
    def enclosed():
        pass

    return enclosed


def test_a_site_sees_its_own_function_and_those_around_it():
    outer = Site(enclosing.__code__, 1, 1, 0, 5)
    inner = Site(enclosing().__code__, 2, 2, 0, 5)
    assert inner.sees(outer) and inner.sees(inner)
    assert not outer.sees(inner)


def test_a_site_contains_its_parts():
    whole = Site(enclosing.__code__, 1, 3, 4, 8)
    assert whole.contains(whole)
    assert whole.contains(whole._replace(line=2, end_line=2, column=0, end_column=80))
    assert not whole.contains(whole._replace(column=3))
    assert not whole.contains(whole._replace(end_column=9))
    assert not whole.contains(whole._replace(code=enclosing().__code__))


def test_installed_packages_are_told_by_their_folder():
    (site, *_) = sites(lambda p, t: p - t, FLAT, FLAT)
    assert not site.installed
    code = optax.squared_error.__code__
    assert site._replace(code=code).installed
