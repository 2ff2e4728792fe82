"""A program is compiled once, and whatever is another program by itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import executables


class Options:
    """The options of a compilation, as far as they are asked for."""

    def __init__(self, text):
        self.text = text

    def SerializeAsString(self):
        return self.text


def lowered(function, *args):
    return jax.jit(function).lower(*args).compiler_ir()


@pytest.fixture
def compiled():
    """A compiler whose products are numbers, counted up."""
    products = iter(range(100))
    return executables.kept(lambda *_: next(products), limit=3)


def test_equal_programs_are_compiled_once(compiled):
    for function in (lambda x: x + 1, lambda other: other + 1):
        program = lowered(function, 1.0)
        assert compiled("cpu", program, (0,), Options("a"), []) == 0


def test_whatever_differs_is_another_program(compiled):
    x = np.ones(3, np.float32)
    one = lowered(lambda x: x + 1, x)
    others = [
        ("cpu", lowered(lambda x: x + 2, x), (0,), Options("a"), []),
        ("cpu", lowered(lambda x: x + 1, x[:2]), (0,), Options("a"), []),
        ("gpu", one, (0,), Options("a"), []),
        ("cpu", one, (1,), Options("a"), []),
        ("cpu", one, (0,), Options("b"), []),
    ]
    assert compiled("cpu", one, (0,), Options("a"), []) == 0
    assert [compiled(*call) for call in others] == [1, 2, 3, 4, 5]


def test_constants_of_every_size_are_told_apart(compiled):
    zeros = np.zeros(5000, np.float32)
    for place in range(2):
        constant = np.where(np.arange(5000) == 2500, place, zeros)
        program = lowered(lambda x, constant=constant: x + constant, zeros)
        assert compiled("cpu", program, (0,), Options("a"), []) == place


def test_what_calls_python_is_compiled_every_time(compiled):
    def calls(x):
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct((), x.dtype), x)

    program = lowered(calls, jnp.float32(1))
    plain = lowered(jnp.sin, jnp.float32(1))
    found = [
        compiled("cpu", ir, (0,), Options("a"), callbacks)
        for ir, callbacks in [(program, []), (plain, [print])] * 2
    ]
    assert found == [0, 1, 2, 3]


def test_the_last_used_are_kept(compiled):
    first, *others = (lowered(lambda x, n=n: x + n, 1.0) for n in range(4))
    order = (first, *others[:2], first, others[2], first, others[0])
    found = [compiled("cpu", program, (0,), Options("a"), []) for program in order]
    assert found == [0, 1, 2, 0, 3, 0, 4]


@pytest.mark.usefixtures("compilation_cache")
def test_a_program_is_compiled_once_in_this_session():
    made = [
        jax.jit(lambda x: jnp.cos(x) - 0.625).lower(jnp.ones((3, 41))).compile()
        for _ in range(2)
    ]
    one, other = (program.runtime_executable() for program in made)
    assert one is other
    np.testing.assert_allclose(made[1](jnp.zeros((3, 41))), 0.375)
