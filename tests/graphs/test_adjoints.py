"""The chain rule on a tape, against JAX's own reverse mode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.graphs._adjoints import accumulate, have_adjoint, joined, rules


def all_used(tape):
    """All results of all records, as if each were used."""
    return {place: tape.results(place) for place in range(len(tape.records))}


def adjoints_of(recorded, function, arguments, cotangents):
    """The adjoints of the arguments, by the rules of the function's tape."""
    tape, outputs = recorded(function, *arguments)
    local = rules(tape, all_used(tape))
    found = accumulate(tape, local, zip(outputs, cotangents, strict=True))
    return [joined(tape, tape.results(place), found) for place in range(len(arguments))]


@pytest.mark.usefixtures("float64")
def test_adjoints_of_several_outputs_are_those_of_vjp(recorded):
    def function(x, y):
        z = jnp.sin(x) * y
        return z + x, jnp.exp(z), z[0]

    arguments = [jnp.array([0.3, -0.2]), jnp.array([1.5, 2.0])]
    cotangents = [jnp.array([1.0, 2.0]), jnp.array([-1.0, 0.5]), jnp.float64(3.0)]
    expected = jax.vjp(function, *arguments)[1](tuple(cotangents))
    for got, wanted in zip(
        adjoints_of(recorded, function, arguments, cotangents), expected, strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_no_adjoint_of_an_output_counts_as_zero(recorded):
    def function(x):
        return x * x, jnp.sin(x)

    assert adjoints_of(recorded, function, [3.0], [None, None]) == [0]
    assert adjoints_of(recorded, function, [3.0], [jnp.float32(2), None]) == [12]


def test_adjoints_of_one_result_that_is_two_outputs_add_up(recorded):
    seeds = [jnp.float32(2), jnp.float32(5)]
    assert adjoints_of(recorded, lambda x: (x, x), [3.0], seeds) == [7]


def test_integers_have_no_adjoint(recorded):
    def function(x, n):
        return x * n, n + 1

    seeds = [jnp.float32(1), jnp.int32(1)]
    assert adjoints_of(recorded, function, [3.0, 4], seeds) == [4, None]


def test_rules_are_of_equations_that_depend_on_floating_point_inputs(recorded):
    tape, _ = recorded(lambda x, n: jnp.sin(x) * jnp.arange(3.0) + n * 2, 1.0, 3)
    floating = {place for place, one in enumerate(tape.records) if one.active}
    assert all(have_adjoint(tape, tape.results(place)) for place in floating)
    equations = {place for place, one in enumerate(tape.records) if one.equation}
    assert {*rules(tape, all_used(tape))} == floating & equations
    (integer,) = (
        place
        for place in equations
        if tape.records[place].operation == "mul" and place not in floating
    )
    assert tape.records[integer].results[0] == 6
    assert not have_adjoint(tape, tape.results(integer))


def test_an_operation_of_which_integers_alone_are_used_is_not_differentiated(recorded):
    tape, _ = recorded(lambda x: jnp.sum(x[jnp.argsort(x)]), jnp.array([3.0, 1.0]))
    (sort,) = (
        place for place, one in enumerate(tape.records) if one.operation == "sort"
    )
    values, order = tape.results(sort)
    assert {*rules(tape, {sort: [values]})} == {sort}
    assert not rules(tape, {sort: [order]})


def test_a_rule_gives_a_term_for_every_operand(recorded):
    tape, (output,) = recorded(lambda x, y: x / y, 3.0, 2.0)
    (rule,) = rules(tape, all_used(tape)).values()
    x, y = (tape.results(place)[0] for place in range(2))
    assert rule({output: jnp.float32(4)}) == {x: 2, y: -3}
    assert rule({}) == {x: 0, y: 0}


def test_an_operand_that_is_used_twice_has_the_sum(recorded):
    tape, (output,) = recorded(lambda x: x * x, 3.0)
    (rule,) = rules(tape, all_used(tape)).values()
    assert rule({output: jnp.float32(1)}) == {tape.results(0)[0]: 6}


def test_the_adjoint_of_several_results_is_a_tuple(recorded):
    def function(x):
        return jax.lax.fori_loop(0, 3, lambda _, s: (s[0] + 1, s[1] * x), (0, x))

    tape, outputs = recorded(function, 2.0)
    count, value = outputs
    assert joined(tape, outputs, {}) == (None, 0)
    assert joined(tape, outputs, {value: jnp.float32(5)}) == (None, 5)
    assert joined(tape, [count], {}) is None
