"""Where gradients are compared: coordinates, directions, and callables taken apart."""

import functools
import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from funclearn.gradients import compare
from funclearn.gradients._problem import pose, take_apart


def posed(params, key=None, *, order=1, limit=100, seed=0):
    return pose(params, None, key, order=order, limit=limit, seed=seed)


def test_the_point_is_the_flattened_parameters():
    params = {"a": np.array([[1, -2], [3, 4]], np.float32), "b": np.float32(0.5)}
    problem = posed(params)
    np.testing.assert_array_equal(problem.point, [1, -2, 3, 4, 0.5])
    assert problem.chosen.tolist() == [0, 1, 2, 3, 4]
    names = [problem.coordinates.name(number) for number in range(5)]
    assert names[2] == "params['a'][1, 0]" and names[4] == "params['b']"


def test_sizes_are_those_of_coordinates_or_of_their_array():
    # The root of the mean square of the first array is 5.2, and powers of two go down.
    problem = posed([np.array([9, 0, 0], np.float32), np.float32(0.3), np.float32(0)])
    assert problem.sizes.tolist() == [8, 4, 4, 0.25, 1]


def test_the_direction_moves_every_parameter_by_its_size():
    params = [np.array([9, 1, -0.3, 2], np.float32), np.float16(5)]
    directions = [posed(params, seed=seed).direction for seed in range(8)]
    for vector, scalar in directions:
        assert np.abs(vector).tolist() == [8, 4, 4, 4] and abs(scalar) == 4
        assert vector.dtype == np.float32 and scalar.dtype == np.float16
    assert len({str(direction) for direction in directions}) > 4


def test_the_settings_tell_what_was_given():
    with jax.enable_x64(True):
        assert posed(np.float32(1)).settings == (1, True, False)
    given = posed(np.float32(1), jax.random.key(3), order=2)
    assert given.settings == (2, False, True)
    assert given.arguments[2] == jax.random.key(3)


@pytest.mark.parametrize(
    ("sizes", "limit", "shares"),
    [
        ([3, 0, 1200], 50, [3, 0, 47]),
        ([10, 10], 5, [2, 3]),
        ([100, 4, 100], 10, [3, 3, 4]),
        ([2, 3], 100, [2, 3]),
        ([1, 1, 1], 1, [0, 0, 1]),
    ],
)
def test_small_arrays_are_taken_whole_and_large_ones_share(sizes, limit, shares):
    problem = posed([np.ones(size, np.float32) for size in sizes], limit=limit)
    counts = np.bincount(problem.coordinates.leaf, minlength=len(sizes))
    assert counts.tolist() == shares
    assert len({*problem.chosen.tolist()}) == sum(shares)


@pytest.mark.slow
def test_many_parameters_are_sampled_from_every_array():
    params = {"bias": jnp.ones(3), "empty": jnp.ones(0), "weight": jnp.ones((40, 30))}

    def objective(params, batch):
        return jnp.sum(jnp.tanh(params["weight"])) + jnp.sum(params["bias"] ** 2)

    first, second, other = (
        compare(objective, params, None, max_coordinates=50, seed=seed)
        for seed in (0, 0, 1)
    )
    counts = np.bincount(first.coordinates.leaf, minlength=3)
    assert counts.tolist() == [3, 0, 47]
    assert len(np.unique(first.coordinates.position[3:])) == 47
    assert np.array_equal(first.coordinates.position, second.coordinates.position)
    assert not np.array_equal(first.coordinates.position, other.coordinates.position)
    assert first.verdict == "agrees"
    assert "of the 50 drawn" in str(first)


def weighted(weights, params, batch, *, power=1, shift=0.0):
    return jnp.sum(weights * params**power) * batch + shift


@jax.tree_util.register_pytree_node_class
class Weighted:
    """A callable that is a pytree."""

    def __init__(self, weights):
        self.weights = weights

    def __call__(self, params, batch):
        return weighted(self.weights, params, batch)

    def tree_flatten(self):
        return (self.weights,), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)

    def method(self, params, batch):
        return self(params, batch)


WEIGHTS = np.array([1.0, 2.0], np.float32)
CALLABLES = {
    "function": (functools.partial(weighted, WEIGHTS), 0, 1),
    "partial": (Partial(weighted, WEIGHTS), 1, 1),
    "keywords": (Partial(weighted, WEIGHTS, power=2, shift=np.float32(1)), 2, 1),
    "function in a partial": (
        Partial(lambda change, p, b: change(weighted(WEIGHTS, p, b)), jnp.sin),
        *(0, 2),
    ),
    "pytree": (Weighted(WEIGHTS), 1, 0),
    "method": (Weighted(WEIGHTS).method, 0, 1),
    "jit": (jax.jit(functools.partial(weighted, WEIGHTS)), 0, 1),
}


@pytest.mark.parametrize(
    ("function", "arrays", "functions"), CALLABLES.values(), ids=CALLABLES
)
def test_a_callable_is_taken_apart_and_put_together(function, arrays, functions):
    parts = take_apart(function)
    assert len(parts.arrays) == arrays and len(parts.functions) == functions
    params, batch = np.array([3, 5], np.float32), np.float32(2)
    again = parts.rest.fill(parts.arrays, parts.functions)
    assert again(params, batch, jax.random.key(0)) == function(params, batch)


def test_other_arrays_leave_the_same_rest():
    one, other = (take_apart(Partial(weighted, x)) for x in (WEIGHTS, 3 * WEIGHTS))
    assert one.rest == other.rest and hash(one.rest) == hash(other.rest)
    assert one.functions == other.functions == (weighted,)
    params, batch = np.array([3, 5], np.float32), np.float32(2)
    swapped = one.rest.fill(other.arrays, one.functions)
    assert swapped(params, batch, jax.random.key(0)) == 3 * weighted(
        WEIGHTS, params, batch
    )


def test_other_numbers_leave_another_rest():
    rests = [
        take_apart(Partial(weighted, WEIGHTS, power=power)).rest
        for power in (1, 2, 2.0, True)
    ]
    assert len({*rests}) == 4


@pytest.mark.slow
def test_numbers_of_another_type_are_not_mistaken_for_each_other():
    def halves(count, params, batch):
        return jnp.sum(params) * (count // 2 if isinstance(count, int) else count / 2)

    found = [
        compare(Partial(halves, count), jnp.ones(1), None).autodiff.values
        for count in (3, 3.0)
    ]
    assert found == [1, 1.5]


def test_the_rest_does_not_hold_the_function():
    def function(params, batch):
        return params

    rest = take_apart(Partial(function, np.float32(1))).rest
    seen = weakref.ref(function)
    del function
    gc.collect()
    assert seen() is None and rest.leaves
