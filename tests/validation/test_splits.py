"""Splits as masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def fl():
    import funclearn

    return funclearn


@pytest.fixture(scope="module")
def validation():
    from funclearn import validation

    return validation


@pytest.fixture(scope="module")
def readings(fl):
    return fl.data.Scaler(input_scale=10.0)(fl.data.thermometer())


def least_squares(train, validation, key):
    """The line of smallest training loss, in closed form."""
    del validation, key
    centred = train.inputs - jnp.mean(train.inputs)
    slope = jnp.sum(centred * train.targets) / jnp.sum(centred**2)
    return slope, jnp.mean(train.targets) - slope * jnp.mean(train.inputs)


def squared_error(line, rows):
    return jnp.mean((line[0] * rows.inputs + line[1] - rows.targets) ** 2)


def test_leave_one_out_holds_out_one_row_a_split(validation, readings):
    np.testing.assert_array_equal(validation.leave_one_out(readings), np.eye(11))


def test_hold_out_holds_out_what_split_does(fl, validation, readings):
    masks = validation.hold_out(KEY, readings, 20, 0.3)
    for key, mask in zip(jax.random.split(KEY, 20), masks, strict=True):
        _, held_out = fl.data.split(key, readings, 0.3)
        expected = np.isin(readings.inputs, held_out.inputs)
        np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    "held_out, error, message",
    [
        (np.eye(11), TypeError, r"booleans.*got float64\(11, 11\)"),
        ([[True], [True, False]], TypeError, "booleans.*got a list"),
        (np.ones(11, bool), ValueError, r"\(splits, 11\)"),
        (np.eye(10, dtype=bool), ValueError, r"\(splits, 11\)"),
        (np.zeros((0, 11), bool), ValueError, r"\(splits, 11\)"),
        (np.zeros((2, 11), bool), ValueError, "both sides"),
        (np.ones((2, 11), bool), ValueError, "both sides"),
    ],
)
def test_refuses_masks_that_are_no_splits(
    validation, readings, held_out, error, message, plain_annotations
):
    with pytest.raises(error, match=message):
        validation.cross_validate(
            KEY, least_squares, readings, held_out, evaluate=squared_error
        )


def test_refuses_traced_masks(validation, readings):
    def losses(masks):
        return validation.cross_validate(
            KEY, least_squares, readings, masks, evaluate=squared_error
        ).losses

    with pytest.raises(TypeError, match="known at trace time"):
        jax.jit(losses)(validation.leave_one_out(readings))
