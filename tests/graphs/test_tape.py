"""Tapes: which equations are on them, with which values and operands."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

from funclearn.graphs._tape import Result


def operations(tape):
    return [record.operation for record in tape.records]


def test_a_tape_starts_with_the_inputs_and_knows_the_outputs(recorded):
    tape, outputs = recorded(lambda x, y: (jnp.sin(x) * y, x), 0.5, 2.0)
    assert operations(tape) == ["input", "input", "sin", "mul"]
    assert outputs == [Result(3, 0), Result(0, 0)]
    np.testing.assert_allclose(tape.value(outputs[0]), 2 * np.sin(0.5), rtol=1e-6)
    assert tape.names == {0: "in0", 1: "in1"}
    values = tape.operand_values(3).values()
    np.testing.assert_allclose([*values], [np.sin(0.5), 2.0], rtol=1e-6)
    assert [*tape.records[3].operands.values()] == [Result(2, 0), Result(1, 0)]


def test_calls_are_opened_but_not_functions_with_a_rule(recorded):
    def function(x):
        return jax.nn.relu(jax.jit(lambda y: jax.checkpoint(jnp.tanh)(y))(x))

    tape, _ = recorded(function, 0.5)
    assert operations(tape) == ["input", "tanh", "custom_jvp_call"]


UNCHANGED = {
    "reshape": lambda x: x.reshape(3),
    "broadcast": lambda x: jnp.broadcast_to(x, (3,)),
    "type": lambda x: jax.lax.convert_element_type(x, jnp.float32),
    "copy": lambda x: jnp.copy(x),
}


@pytest.mark.parametrize("function", UNCHANGED.values(), ids=UNCHANGED)
def test_what_changes_nothing_is_left_out(recorded, function):
    tape, outputs = recorded(function, jnp.ones(3))
    assert operations(tape) == ["input"]
    assert outputs == [Result(0, 0)]


CHANGED = {
    "reshape": lambda x: x.reshape(3, 1),
    "broadcast_in_dim": lambda x: jnp.broadcast_to(x, (2, 3)),
    "convert_element_type": lambda x: x.astype(jnp.bfloat16),
    "squeeze": lambda x: jnp.squeeze(x.reshape(3, 1)),
}


@pytest.mark.parametrize("operation", CHANGED)
def test_what_changes_shape_or_type_stays(recorded, operation):
    tape, _ = recorded(CHANGED[operation], jnp.ones(3))
    assert operations(tape)[-1] == operation


def test_what_depends_on_no_input_is_a_constant(recorded):
    def function(x):
        return x * (jnp.arange(3) + 1)

    tape, _ = recorded(function, jnp.ones(3))
    assert {*operations(tape)} == {"input", "constant", "mul"}
    constants = [
        record.results[0] for record in tape.records if record.operation == "constant"
    ]
    assert any(np.array_equal(value, [1, 2, 3]) for value in constants)
    assert all(isinstance(value, jax.Array) for value in constants)


@pytest.mark.parametrize("number", [2.0, 2, True, jnp.bfloat16(2), 1j])
def test_literals_of_every_type_are_arrays(recorded, number):
    tape, (output,) = recorded(lambda x: x * number, jnp.ones((), jnp.bfloat16))
    assert all(
        isinstance(value, jax.Array)
        for record in tape.records
        for value in record.results
    )
    assert tape.value(output) == number


def test_names_are_of_results(recorded):
    def function(x):
        first = checkpoint_name(jnp.sin(x), "first")
        constant = checkpoint_name(jnp.float32(3) * jnp.float32(2), "six")
        return first * constant

    tape, _ = recorded(function, 0.5)
    given = {tape.records[place].operation: name for place, name in tape.names.items()}
    assert given == {"input": "in0", "sin": "first", "constant": "six"}


def test_a_second_name_is_an_equation_of_its_own(recorded):
    def function(x):
        return checkpoint_name(checkpoint_name(jnp.sin(x), "one"), "other")

    tape, outputs = recorded(function, 0.5)
    assert operations(tape) == ["input", "sin", "name"]
    assert tape.names == {0: "in0", 1: "one", 2: "other"}
    assert outputs == [Result(2, 0)]


def test_a_name_of_one_of_several_results_is_an_equation_of_its_own(recorded):
    def function(x):
        values, indices = jax.lax.top_k(x, 2)
        return checkpoint_name(values, "largest"), indices

    tape, outputs = recorded(function, jnp.arange(3.0))
    assert operations(tape) == ["input", "top_k", "name"]
    assert tape.names == {0: "in0", 2: "largest"}
    assert outputs == [Result(2, 0), Result(1, 1)]


def test_results_have_adjoints_if_they_depend_on_floating_point_inputs(recorded):
    def function(x, n):
        return x * 2, n + 1, jnp.sqrt(n), x > 0, jnp.floor(x).astype(int)

    tape, outputs = recorded(function, 0.5, 3)
    assert [*map(tape.has_adjoint, outputs)] == [True, False, False, False, False]
    assert tape.has_adjoint(Result(0, 0))
    assert not tape.has_adjoint(Result(1, 0))
