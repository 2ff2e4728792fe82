"""Origins of axes of length 1, through one operation at a time."""

import jax
import jax.numpy as jnp
import pytest

from funclearn.testing._axes import ELEMENTWISE, Operand, Origin, follow, operand
from funclearn.testing._sources import Site


def outer():
    def inner():
        pass

    return inner


def site(code, line=1, column=0):
    return Site(code, line, line, column, column + 5)


HERE = site(outer.__code__)
WITHIN = site(outer().__code__)
ELSEWHERE = site((lambda: None).__code__)
DATA, NEW = Origin(), Origin(HERE, True, True)
OLD = Origin(ELSEWHERE, True, True)


def followed(function, *inputs):
    """Follows the last equation of a function of operands."""
    stand_ins = [jax.ShapeDtypeStruct(one.shape, jnp.float32) for one in inputs]
    return follow(jax.make_jaxpr(function)(*stand_ins).eqns[-1], [*inputs], NEW)


COLUMN = Operand((4, 1), (None, OLD))
TOUCHED = OLD._replace(untouched=False, at_hand=False)


def test_a_new_axis_is_of_the_operation_that_inserts_it():
    vector = Operand((4,), (None,))
    assert followed(lambda x: x[:, None], vector) == (None, NEW)
    assert followed(lambda x: x.reshape(1, 4), vector) == (NEW, None)


@pytest.mark.parametrize(
    ("function", "origins"),
    [
        (lambda x: x.T, (OLD, None)),
        (lambda x: jnp.squeeze(x, 1), (None,)),
        (lambda x: x.astype(jnp.bfloat16), (None, OLD)),
        (lambda x: jax.lax.stop_gradient(x) + 0, (None, TOUCHED)),
        (lambda x: -x, (None, TOUCHED)),
        (lambda x: jnp.exp(x), (None, TOUCHED)),
        (lambda x: jax.lax.reduce_max(x, (0,)), (TOUCHED,)),
    ],
)
def test_an_axis_that_was_inserted_is_followed(function, origins):
    assert followed(function, COLUMN) == origins


def test_an_inserted_axis_outlasts_one_of_the_data():
    data = Operand((4, 1), (None, DATA))
    assert followed(jnp.add, data, COLUMN) == (None, TOUCHED)
    assert followed(jnp.add, data, data) == (None, DATA)


def test_a_computation_in_the_same_function_keeps_an_axis_at_hand():
    near = Origin(site(outer.__code__, line=9), True, True)
    origins = followed(jnp.exp, Operand((4, 1), (None, near)))
    assert origins == (None, near._replace(untouched=False))


def test_a_product_has_axes_of_its_own():
    origins = followed(lambda x, y: x @ y, Operand((4, 4), (None, None)), COLUMN)
    assert origins == (None, DATA)


def test_what_is_made_of_no_axes_is_not_inserted_alone():
    scalar = Operand((), ())
    origins = followed(lambda x: jnp.broadcast_to(x, (4, 1)), scalar)
    assert origins == (None, NEW._replace(alone=False))


def test_a_stretched_axis_is_as_before_to_the_operation_that_stretched_it():
    stretched = followed(lambda x: jnp.broadcast_to(x, (4, 4)), COLUMN)
    assert stretched == (None, OLD._replace(stretched=(HERE,)))
    atom = jax.make_jaxpr(lambda x: x)(jnp.ones((4, 4))).jaxpr.invars[0]
    assert operand(atom, stretched, HERE).shape == (4, 1)
    assert operand(atom, stretched, ELSEWHERE).shape == (4, 4)


def test_an_operand_of_unknown_origins_has_the_axes_of_the_data():
    atom = jax.make_jaxpr(lambda x: x)(jnp.ones((4, 1))).jaxpr.invars[0]
    assert operand(atom, None, HERE) == Operand((4, 1), (None, DATA))
    # Origins of another rank are those of a scan's operand, not of its row.
    assert operand(atom, (OLD,), HERE) == Operand((4, 1), (None, DATA))
    assert operand(atom, (None, OLD), HERE) == COLUMN


def test_implicit_axes_are_of_the_operation_itself():
    assert NEW.implicit(HERE) and not NEW.implicit(ELSEWHERE)
    assert not Origin(HERE).implicit(HERE)


@pytest.mark.parametrize(
    ("origin", "place", "expected"),
    [
        (DATA, HERE, False),
        (NEW, HERE, False),
        (NEW, WITHIN, True),
        (NEW, ELSEWHERE, False),
        (Origin(WITHIN, True, True), HERE, False),
        (NEW, site(outer.__code__, line=9), True),
        (NEW._replace(alone=False), WITHIN, False),
        (NEW._replace(untouched=False), WITHIN, False),
        (NEW._replace(untouched=False), Site(outer.__code__, 1, 9, 0, 9), True),
        (NEW._replace(site=None), HERE, True),
        (NEW, None, True),
        (NEW._replace(untouched=False), None, False),
    ],
)
def test_explicit_axes_are_seen_by_the_reader_of_an_operation(origin, place, expected):
    assert origin.explicit(place) == expected


def test_elementwise_primitives_are_those_of_two_arrays_of_one_shape():
    names = {
        jax.make_jaxpr(function)(jnp.ones(3), jnp.ones(3)).eqns[-1].primitive.name
        for function in (
            jax.lax.add,
            jax.lax.sub,
            jax.lax.mul,
            jax.lax.div,
            jax.lax.max,
            jax.lax.pow,
            jax.lax.atan2,
            jax.lax.eq,
            jax.lax.lt,
            jax.lax.complex,
        )
    }
    assert names <= ELEMENTWISE
    assert not {"sin", "dot_general", "concatenate", "scan"} & ELEMENTWISE
