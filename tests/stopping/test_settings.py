"""Refusals of single numbers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.stopping import _settings

COUNTS = {
    "less than one": (0, ValueError, "n must be at least 1; got 0"),
    "negative": (-2, ValueError, "n must be at least 1; got -2"),
    "a fraction": (2.5, TypeError, "n must be an integer; got 2.5"),
    "a float": (3.0, TypeError, "n must be an integer; got 3.0"),
    "of NumPy": (np.float32(3), TypeError, "n must be an integer; got .* float32"),
    "an array of floats": (jnp.float32(3), TypeError, "n must be an integer"),
    "an array": (np.arange(3), ValueError, r"n must be one number; got .*\(3,\)"),
    "an array of none": (jnp.int32(0), ValueError, "n must be at least 1; got 0"),
    "infinite": (math.inf, TypeError, "n must be an integer; got inf"),
}


@pytest.mark.parametrize("number, error, message", COUNTS.values(), ids=COUNTS)
def test_counts_are_integers_of_at_least_one(number, error, message):
    with pytest.raises(error, match=message):
        _settings.check_count("n", number)


@pytest.mark.parametrize("number", [1, np.int64(3), np.array(3), np.uint8(2)])
def test_integers_of_any_kind_are_counts(number):
    _settings.check_count("n", number)
    _settings.check_count("n", jnp.asarray(number))


@pytest.mark.parametrize("number", [-1.5, 0, np.float16(2), np.array(3), -math.inf])
def test_real_numbers_are_values(number):
    _settings.check_value("x", number)
    _settings.check_value("x", jnp.asarray(number))


def test_sizes_are_not_negative():
    for least, good, bad in ((False, 0, -0.1), (True, 1, 0.9)):
        _settings.check_size("x", good, at_least_one=least)
        for kind in (float, np.float32, jnp.float32):
            with pytest.raises(ValueError, match="x must"):
                _settings.check_size("x", kind(bad), at_least_one=least)
            with pytest.raises(ValueError, match="x must"):
                _settings.check_size("x", kind(math.nan), at_least_one=least)


def test_traced_numbers_pass_unless_their_type_is_wrong():
    def check(x):
        _settings.check_count("x", x)
        _settings.check_size("x", x)
        _settings.check_value("x", x)
        return x

    for number in (jnp.float32(2.5), jnp.int32(0)):
        jax.eval_shape(check, number)
        jax.vmap(check)(number[None])
    with pytest.raises(ValueError, match="x must be one number"):
        jax.eval_shape(check, jnp.ones(2))
    with pytest.raises(TypeError, match="x must be an integer"):
        jax.eval_shape(check, True)


@pytest.mark.usefixtures("plain_annotations")
@pytest.mark.parametrize("on", ["", "evaluation.", 3, ["loss"], np.array("loss"), True])
def test_quantities_have_names(on):
    with pytest.raises((TypeError, ValueError), match=r"on must be 'loss', .* or None"):
        _settings.check_quantity("on", on)
    for good in (None, "loss", "accuracy", "evaluation.loss", "top.5"):
        _settings.check_quantity("on", good)


def test_epochs_that_do_not_count_are_a_whole_number_and_not_negative():
    for good in (0, 3, np.int64(2), jnp.int32(0)):
        _settings.check_start("start", good)
    with pytest.raises(ValueError, match="start must not be negative; got -1"):
        _settings.check_start("start", -1)
    with pytest.raises(TypeError, match=r"start must be an integer; got 1\.5"):
        _settings.check_start("start", 1.5)
