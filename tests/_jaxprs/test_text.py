"""Programs as text."""

import re

import jax
import jax.numpy as jnp

from funclearn._jaxprs import text_of


@jax.custom_jvp
def square(x):
    return x * x


square.defjvp(
    lambda primals, tangents: (square(*primals), 2 * primals[0] * tangents[0])
)


def test_a_program_is_told_without_addresses():
    jaxpr = jax.make_jaxpr(square)(1.0)
    assert re.search("0x[0-9a-f]{6}", str(jaxpr))
    assert not re.search("0x[0-9a-f]{6}", text_of(jaxpr))


def test_other_programs_have_other_texts():
    one, other = (jax.make_jaxpr(function)(1.0) for function in (square, jnp.sin))
    assert text_of(one) != text_of(other)
