"""Splits as masks."""

import jax
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


def test_leave_one_out_holds_out_one_row_a_split(validation, readings):
    np.testing.assert_array_equal(validation.leave_one_out(readings), np.eye(11))


@pytest.mark.slow
def test_hold_out_holds_out_what_split_does(fl, validation, readings):
    masks = validation.hold_out(KEY, readings, 20, 0.3)
    for key, mask in zip(jax.random.split(KEY, 20), masks, strict=True):
        _, held_out = fl.data.split(key, readings, 0.3)
        expected = np.isin(readings.inputs, held_out.inputs)
        np.testing.assert_array_equal(mask, expected)
