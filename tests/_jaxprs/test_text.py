"""Programs as text."""

import jax
import jax.numpy as jnp

from funclearn._jaxprs import text_of


class Told:
    """What JAX may write down."""

    def __init__(self, address):
        self.address = address

    def __str__(self):
        return f"f=<function f at {self.address:#x}> b=0x10"


def test_a_program_is_told_without_addresses():
    one, other = map(Told, (0x7F001234, 0x7F00ABCD))
    assert text_of(one) == text_of(other) == "f=<function f> b=0x10"


def test_other_programs_have_other_texts():
    one, other = (jax.make_jaxpr(function)(1.0) for function in (jnp.cos, jnp.sin))
    assert text_of(one) != text_of(other)
