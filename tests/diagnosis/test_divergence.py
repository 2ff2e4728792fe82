"""An explanation is a value, and says what its user should read."""

import dataclasses

import jax.numpy as jnp
import pytest

from funclearn.diagnosis import Divergence, DivergenceCause, Stability


@pytest.fixture(scope="module")
def found():
    """A learning rate of 1 where 0.1 is the limit, and 5 with scaled inputs."""
    stability = Stability(*map(jnp.asarray, (20.0, 0.1, 0.0, 7.0)))
    return Divergence(
        cause="learning rate",
        last_good_epoch=3,
        last_good_loss=0.25,
        last_good_params=jnp.ones(2),
        first_bad_epoch=4,
        not_finite_epoch=9,
        learning_rate=1.0,
        stability=stability,
        limit=0.1,
        scaled_limit=5.0,
        tested=0.05,
    )


def test_explanations_are_values(found):
    assert dataclasses.replace(found, cause="elsewhere").cause == "elsewhere"
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.cause = "data"


def test_the_whole_text(found):
    assert str(found) == (
        "The training loss was lowest, 0.25, at epoch 3, and rose from epoch 4 on; "
        "from epoch 9 on it is not finite. The learning rate 1 is 10 times the largest "
        "stable one, 0.1: the largest curvature is 20. Try 0.05, or divide the inputs "
        "by 7: up to 5 is stable then."
    )


@pytest.mark.parametrize(
    "changes, part, without",
    [
        ({"cause": "data", "tested": None}, "The training data hold values", "epoch"),
        ({"cause": "start", "last_good_epoch": 0}, "initial parameters", "epoch"),
        ({"cause": "gradient", "tested": None}, "The gradient is not finite", "Try"),
        ({"cause": "curvature", "tested": None}, "scale the data or", "Try"),
        ({"cause": "elsewhere", "limit": 2.0}, "1 is below the largest", "times"),
        ({"limit": float("nan")}, "The learning rate 1 is too large. Try", "times"),
        ({"limit": 0.0}, "times the largest", "divide the inputs by 8"),
        ({"not_finite_epoch": None}, "rose from epoch 4 on.", "not finite"),
        ({"not_finite_epoch": 4}, "at epoch 3; from epoch 4 on it", "rose"),
        ({"scaled_limit": None}, "Try 0.05.", "divide"),
        ({"scaled_limit": 0.1}, "Try 0.05.", "divide"),
        ({"tested": None}, "the largest curvature is 20.", "Try"),
        ({"cause": "overflow", "detail": "exp of 99"}, "too large: exp of 99.", "{"),
        ({"cause": "overflow"}, "a number grows too large. Try", "{"),
    ],
)
def test_the_text_says_what_is_known(found, changes, part, without):
    text = str(dataclasses.replace(found, **changes))
    assert part in text
    assert without not in text


def test_columns_are_divided_each_by_its_own_scale(found):
    scales = found.stability._replace(input_scale=jnp.array([2.0, 3.0]))
    text = str(dataclasses.replace(found, stability=scales))
    assert "divide the inputs by their root mean squares" in text


@pytest.mark.parametrize("tested, suggestion", [(0.05, 0.05), (None, 1.0)])
def test_suggests_what_was_tested_or_else_the_same_again(found, tested, suggestion):
    assert dataclasses.replace(found, tested=tested).suggestion == suggestion


@pytest.mark.parametrize("cause", DivergenceCause)
def test_every_cause_prints_as_the_plain_string(found, cause):
    one = dataclasses.replace(found, cause=cause, detail="so it was measured")
    other = dataclasses.replace(one, cause=cause.value)
    assert (str(one), repr(one)) == (str(other), repr(other))
    assert "{" not in str(one)
    assert cause.value.capitalize() in one._repr_html_()
    assert one.__rich__().plain == f"{cause.value.capitalize()}: {one}"
