"""Programs as text."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

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


SHOWN = """
import jax
from funclearn._jaxprs import text_of
jaxpr = jax.make_jaxpr(lambda x: 2 * x)(1.0)
print("\\x1b" in str(jaxpr), "\\x1b" in text_of(jaxpr))
"""


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
def test_a_program_is_told_without_the_colours_of_a_terminal():
    import pty

    main, terminal = pty.openpty()
    subprocess.run([sys.executable, "-c", SHOWN], check=True, stdout=terminal)
    assert os.read(main, 1000).split() == [b"True", b"False"]
    for end in (main, terminal):
        os.close(end)


def test_other_programs_have_other_texts():
    one, other = (jax.make_jaxpr(function)(1.0) for function in (jnp.cos, jnp.sin))
    assert text_of(one) != text_of(other)
