"""That what is decorated again and again is checked as what is decorated once."""

from typing import Any

import beartype
import jax
import jaxtyping
import numpy as np
import pytest
from beartype.roar import BeartypeException
from jaxtyping import Float

from tests import checked


def wrap(function):
    return jaxtyping.jaxtyped(function, typechecker=checked.checks)


def made(argument: Any, result: Any, value: Any):
    def returned(x):
        return value

    returned.__annotations__ = {"x": argument, "return": result}
    return wrap(returned)


def test_arguments_and_results_are_checked_each_time():
    for _ in range(3):
        assert made(int, str, "a")(1) == "a"
        with pytest.raises(jaxtyping.TypeCheckError, match="checking the parameters"):
            made(int, str, "a")("b")
        with pytest.raises(jaxtyping.TypeCheckError, match="the return value"):
            made(int, str, 2)(1)


def test_functions_of_one_text_differ_in_their_annotations():
    assert made(str, int, 1)("b") == 1
    with pytest.raises(jaxtyping.TypeCheckError):
        made(int, int, 1)("b")
    with pytest.raises(jaxtyping.TypeCheckError):
        made(str, str, 1)("b")


def test_shapes_are_checked_each_time():
    for size in (2, 3):
        rows = np.ones(size, np.float32)
        array = made(Float[np.ndarray, " n"], Float[np.ndarray, " n"], rows)
        assert array(rows) is rows
        with pytest.raises(jaxtyping.TypeCheckError):
            array(np.ones(size + 1, np.float32))


def test_a_default_value_is_that_of_its_own_function():
    def with_default(value: Any):
        @wrap
        def returned(x: int = value) -> int:
            return x

        return returned

    assert with_default(1)() == 1
    with pytest.raises((BeartypeException, jaxtyping.TypeCheckError)):
        with_default("a")()


def test_equal_functions_are_asked_about_once(monkeypatch):
    asked, decorate = [], beartype.beartype

    def ask(function):
        asked.append(function)
        return decorate(function)

    monkeypatch.setattr(checked, "_checks", {})
    monkeypatch.setattr(beartype, "beartype", ask)
    functions = [made(int, jax.Array | int, value) for value in range(4)]
    assert [function(1) for function in functions] == [*range(4)]
    assert len(asked) == 2  # about the arguments, and about these and the result
