"""What is decided by numbers that no parameter moves, held against float32."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false
# pyright: reportCallIssue=false
# pyright: reportIndexIssue=false
# pyright: reportOptionalMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funclearn import _jaxprs
from funclearn.gradients._decisions import Both, dropped, run_in_both

# As numbers of float64; float32 decides otherwise on them.
SUM = [0.1 + 0.2, 0.3, 0.2]
BELOW, ABOVE = [3 - 1e-12, -3 - 1e-12], [3 + 1e-12, -3 + 1e-12]


def both(values, known=True):
    values = np.asarray(values)
    narrow = _narrow(values.dtype)
    own = values if narrow == values.dtype else values.astype(narrow)
    return Both(values, own if known else None)


def _narrow(dtype):
    return np.float32 if np.issubdtype(dtype, np.floating) else dtype


def carried_out(function, *operands):
    """The results of one operation on values in both precisions."""
    # Traced in float32, as the program is.
    types = [jnp.asarray(x.wide, _narrow(x.wide.dtype)) for x in operands]
    with jax.enable_x64(True):
        (equation,) = jax.make_jaxpr(function)(*types).eqns
        found = run_in_both(equation, operands, lambda x: _jaxprs.bind(equation, x))
        return [Both(*(x if x is None else np.asarray(x) for x in y)) for y in found]


DECISIONS = {
    "comparison": (lax.gt, [SUM, [0.3] * 3], [False, False, False]),
    "equality": (lax.eq, [SUM, [0.3] * 3], [True, True, False]),
    "cast": (lambda x: lax.convert_element_type(x, np.int32), [BELOW], [3, -3]),
    "argmax": (lambda x: lax.argmax(x, 0, np.int32), [[0.3, 0.1 + 0.2]], 0),
}


@pytest.mark.parametrize(
    ("function", "values", "expected"), DECISIONS.values(), ids=DECISIONS
)
def test_integers_are_those_of_the_own_precision(function, values, expected):
    (result,) = carried_out(function, *map(both, values))
    np.testing.assert_array_equal(result.wide, expected)
    np.testing.assert_array_equal(result.own, expected)
    # In float64, as where a parameter moves them, they are others.
    (moved,) = carried_out(function, *(both(x, known=False) for x in values))
    assert moved.own is None and np.any(moved.wide != np.asarray(expected))


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        (lax.floor, BELOW, [3, -3]),
        (lax.ceil, ABOVE, [3, -3]),
        (lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN), [2.5 + 1e-9], [2]),
        (lax.sign, [1e-60, -2.0], [0, -1]),
    ],
)
def test_whole_numbers_are_those_of_the_own_precision(function, values, expected):
    (result,) = carried_out(function, both(values))
    np.testing.assert_array_equal(result.wide, expected)
    np.testing.assert_array_equal(result.own, expected)
    assert (result.wide.dtype, result.own.dtype) == (np.float64, np.float32)


def test_one_operand_that_a_parameter_moves_is_enough():
    (result,) = carried_out(lax.gt, both(SUM), Both(np.full(3, 0.3), None))
    assert result.own is None and result.wide[0]


def test_a_remainder_is_what_as_many_parts_leave():
    """0.3 holds three tenths in float32, and two in float64."""
    assert np.fmod(np.float32(0.3), np.float32(0.1)) < 1e-8
    assert np.fmod(0.3, 0.1) > 0.09
    (result,) = carried_out(lax.rem, both([0.3, 1.25]), both([0.1, 0.5]))
    np.testing.assert_allclose(result.wide, [0, 0.25], atol=1e-15)
    np.testing.assert_array_equal(result.own, [np.float32(0.3) % np.float32(0.1), 0.25])


def test_remainders_where_nothing_is_divided():
    (result,) = carried_out(lax.rem, both([1.5, 1.5, np.inf]), both([np.inf, 0, 1]))
    np.testing.assert_array_equal(result.wide, [1.5, np.nan, np.nan])


def test_the_order_is_that_of_the_keys_in_their_own_precision():
    """Two keys that are equal in float32 alone keep their order, and their values."""
    keys = [0.4, 0.1 + 0.2, 0.35, 0.3]

    def sort(keys, values):
        return lax.sort((keys, values), num_keys=1)

    ordered, moved = carried_out(sort, both(keys), both(np.arange(4.0), known=False))
    np.testing.assert_array_equal(moved.wide, [1, 3, 2, 0])
    np.testing.assert_array_equal(ordered.wide, [0.1 + 0.2, 0.3, 0.35, 0.4])
    np.testing.assert_array_equal(ordered.own, np.float32([0.3, 0.3, 0.35, 0.4]))
    assert moved.own is None


def test_keys_that_a_parameter_moves_are_sorted_in_float64():
    (ordered,) = carried_out(lax.sort, both([0.1 + 0.2, 0.3], known=False))
    np.testing.assert_array_equal(ordered.wide, [0.3, 0.1 + 0.2])
    assert ordered.own is None


def test_the_largest_are_those_of_the_own_precision():
    values, places = carried_out(lambda x: lax.top_k(x, 2), both([0.3, 0.1 + 0.2, 0.2]))
    np.testing.assert_array_equal(places.wide, [0, 1])
    np.testing.assert_array_equal(values.wide, [0.3, 0.1 + 0.2])


def test_integers_that_came_with_numbers_stay_theirs():
    """Pivots of float64 belong to the factors of float64."""
    pivots = Both(np.arange(2, dtype=np.int32), np.arange(2, dtype=np.int32)[::-1])
    (result,) = carried_out(lax.mul, pivots, pivots)
    np.testing.assert_array_equal(result.wide, [0, 1])
    np.testing.assert_array_equal(result.own, [1, 0])


def test_what_is_dropped_is_known_in_float64_alone():
    kept, gone = dropped([both(1.0), both(2.0)], [False, True])
    assert kept.own is not None and gone.own is None and gone.wide == 2.0


def test_what_gives_nothing_is_left_out():
    """A program is carried out many times, and must not print as often."""
    seen = []
    operand = both([1.0])
    assert carried_out(lambda x: jax.debug.callback(seen.append, x), operand) == []
    jax.effects_barrier()
    assert seen == []
