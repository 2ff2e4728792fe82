"""What the report of a broadcast says, and that its repairs repair."""

import inspect

import jax
import jax.numpy as jnp
import optax
import pytest

from funclearn.testing import assert_no_silent_broadcast
from funclearn.testing._broadcasts import Broadcast
from funclearn.testing._report import describe

N = 4
FLAT, COLUMN, ROW = (
    jax.ShapeDtypeStruct(shape, jnp.float32) for shape in [(N,), (N, 1), (1, N)]
)
ROW_OF_FLATS = jax.ShapeDtypeStruct((3, N), jnp.float32)


def mse(predictions, targets):
    return jnp.mean((predictions - targets) ** 2)


def over_several_lines(predictions, targets):
    return jnp.mean(
        (
            predictions  # the left side
            - targets
        )
        ** 2
    )


def test_the_message_names_place_source_shapes_and_repair(message_of):
    lines, start = inspect.getsourcelines(over_several_lines)
    place = start + [line.strip() for line in lines].index(
        "predictions  # the left side"
    )
    assert message_of(over_several_lines, COLUMN, FLAT) == (
        "over_several_lines stretches arrays in a way nobody wrote down:\n"
        f"{__file__}:{place}, in over_several_lines\n"
        "    predictions  # the left side\n"
        "    - targets\n"
        "    `predictions` (4, 1) meets `targets` (4,), which gives (4, 4).\n"
        "    Repair: `predictions[:, 0]` or `targets[:, None]`; if every pair is meant,"
        " `targets[None, :]`."
    )


def test_every_place_is_named_once(message_of):
    def loss(predictions, targets):
        first = mse(predictions, targets) + mse(predictions, targets)
        return first + jnp.sum(predictions * targets)

    message = message_of(jax.grad(loss), COLUMN, FLAT)
    assert message.count("which gives") == 2
    assert message.count("in mse\n") == message.count(".loss\n") == 1


REPAIRS = {
    "column and flat": (
        COLUMN,
        FLAT,
        "p[:, 0] - t",
        "p - t[:, None]",
        "p - t[None, :]",
    ),
    "row and flat": (ROW, FLAT, "p[0] - t", "p - t[None, :]"),
    "column and row": (COLUMN, ROW, "p[:, 0] - t[0]", "p - t[0][None, :]"),
}


@pytest.mark.parametrize("case", REPAIRS.values(), ids=REPAIRS)
def test_a_repair_repairs(case, message_of):
    left, right, *repaired = case
    message = message_of(lambda p, t: p - t, left, right)
    for source in repaired:
        sides = [side for side in source.split(" - ") if "[" in side]
        assert all(f"`{side}`" in message for side in sides)
        assert_no_silent_broadcast(eval(f"lambda p, t: {source}"), left, right)


def test_a_broadcast_in_a_library_names_the_call(message_of):
    def loss(logits, labels):
        return optax.sigmoid_binary_cross_entropy(logits, labels).mean()

    message = message_of(jax.jit(loss), COLUMN, FLAT)
    assert f"called from {__file__}" in message
    assert "return optax.sigmoid_binary_cross_entropy(logits, labels)" in message
    assert "Repair: give the arguments of that call one shape." in message


def test_a_function_of_jax_has_no_line(message_of):
    message = message_of(jnp.subtract, COLUMN, FLAT)
    assert "Within JAX; no line of other source led to it." in message


WITHOUT_PLACE = [
    (((4, 1), (4,)), "`column` (4, 1) meets `flat` (4,)", "`column[:, 0]`"),
    (((4,), (1, 4)), "`flat` (4,) meets `row` (1, 4)", "`row[0]`"),
    (((4, 1), (1, 4)), "`column` (4, 1) meets `row` (1, 4)", "`row[0][None, :]`"),
    (((4, 1, 4), (1, 4)), "`array` (4, 1, 4) meets `row` (1, 4)", "`reshape` one"),
]


@pytest.mark.parametrize(("shapes", "meeting", "repair"), WITHOUT_PLACE)
def test_without_a_place_operands_are_named_by_their_shapes(shapes, meeting, repair):
    first, second, third = describe(Broadcast((), shapes, (4, 4))).split("\n    ")
    assert first == "Within JAX; no line of other source led to it."
    assert second == f"{meeting}, which gives (4, 4)."
    assert third.startswith("Repair: ") and repair in third


def test_operands_that_are_no_names_are_in_parentheses(message_of):
    message = message_of(lambda p, t: p * 2 - t.sum(0), COLUMN, ROW_OF_FLATS)
    assert "`(p * 2)` (4, 1) meets `t.sum(0)` (4,)" in message
    assert "`(p * 2)[:, 0]` or `t.sum(0)[:, None]`" in message
