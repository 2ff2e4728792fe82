import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.optimizers.schedules import _arguments as arguments


def test_a_whole_number_is_an_integer_wherever_it_comes_from(plain_annotations):
    for value in (3, 3.0, np.int64(3), np.float64(3), jnp.array(3)):
        got = arguments.whole("n", value)
        assert got == 3 and isinstance(got, int)
    traced = jax.jit(lambda n: arguments.whole("n", n))(3.0)
    assert traced.dtype == jnp.int32


@pytest.mark.parametrize("value", [2.5, 0, -1, float("nan"), float("inf")])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(ValueError, match="n must be"):
        arguments.whole("n", value)


def test_what_is_no_number_is_refused(plain_annotations):
    for value in ("3", [1.0], None, lambda count: 1.0):
        with pytest.raises(TypeError, match="lr must be a number"):
            arguments.number("lr", value)  # pyright: ignore[reportArgumentType]


def test_numbers_have_the_widest_precision():
    assert arguments.as_number(1).dtype == jnp.float32
    with jax.enable_x64(True):
        assert arguments.as_number(jnp.float32(0.5)).dtype == jnp.float64


def test_choices_and_functions_are_refused_by_name():
    arguments.check_choice("mode", "a", ("a", "b"))
    with pytest.raises(ValueError, match="mode must be one of 'a', 'b'; got 1"):
        arguments.check_choice("mode", 1, ("a", "b"))
    arguments.check_function("f", abs)
    with pytest.raises(TypeError, match="f must be a function of the count; got 1"):
        arguments.check_function("f", 1)
