"""What a result says of itself."""

# What is passed here the types allow to be meant otherwise, and the tests know what
# their results are where the types leave it open.
# pyright: reportArgumentType=false, reportCallIssue=false
# pyright: reportOptionalMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.hypergradients import Growth, Hypergradient, Trust, hypergradient
from tests.hypergradients.runs import shrink


@pytest.fixture(scope="module")
def checked():
    return hypergradient(shrink, {"rate": 0.1}, start=2.0)


def grown(rate, factor, check):
    growth = Growth(np.float32(rate), np.float32(factor), np.int32(100))
    return Hypergradient(
        jnp.float32(1.0), {"rate": jnp.ones(5)}, growth, "reverse", "why", check
    )


def test_it_prints_as_sentences(checked):
    lines = str(checked).splitlines()
    assert lines[0] == "value  0.243153"
    assert lines[1].startswith("rate   -5.40341")
    assert lines[2].startswith("Forward mode: one number")
    assert "rate by less than 1e-" in lines[3]
    assert "In the run's 20 steps a perturbation is multiplied by 0.9 a" in lines[4]
    assert lines[5] == "The derivative holds."
    assert repr(checked) == "<Hypergradient by rate: forward mode>"


@pytest.mark.parametrize(
    ("growth", "trust", "words"),
    [
        ((0.9, 1.0), Trust.HOLDS, "holds."),
        ((0.99, 20.0), Trust.HOLDS, "holds."),
        ((1.01, 20.0), Trust.HOLDS_NEARBY, "in the end by 20."),
        ((1.01, 1e6), Trust.HOLDS_NEARBY, "in the end by 1e+06"),
        ((1.5, 1e6), Trust.USELESS, "a rounding takes it"),
        ((2.0, np.inf), Trust.USELESS, "more than 1e38"),
    ],
)
def test_growth_decides_what_it_is_worth(growth, trust, words, checked):
    found = grown(*growth, checked.check)
    assert found.trust is trust
    assert words in str(found)
    assert "5 numbers from 1 to 1, of norm 2.23607" in str(found)


def test_without_a_look_nothing_is_said():
    assert grown(0.9, 1.0, check=None).trust is Trust.NOT_CHECKED
    assert grown(2.0, 1e30, check=None).trust is Trust.USELESS
    plain = hypergradient(shrink, {"rate": 0.1}, start=2.0, check=False, growth=False)
    assert len(str(plain).splitlines()) == 3


def test_another_name_is_refused(checked):
    with pytest.raises(KeyError, match="'start' is not among the arguments: rate"):
        checked["start"]


def test_it_is_a_pytree(checked):
    leaves, structure = jax.tree.flatten(checked)
    assert len(leaves) == 5
    again = jax.tree.unflatten(structure, leaves)
    assert again.check is checked.check and again.mode == "forward"
    seen = []
    jax.jit(lambda found: seen.append(str(found)))(checked)
    assert seen == [repr(checked)]
