"""Programs that live as long as their functions, and no longer."""

import copy
import functools
import gc
import subprocess
import sys
import weakref

import jax
import pytest

from funclearn import _programs


class Made:
    """A maker of programs that counts them."""

    def __init__(self):
        self.count = 0

    def __call__(self, take, *settings):
        self.count += 1
        return lambda *args: (take()[0](*args), settings)


def double(x):
    return 2 * x


def test_a_program_is_made_once_for_functions_and_settings():
    make = Made()
    for _ in range(2):
        assert _programs.kept(make, (double, None), 3)(4) == (8, (3,))
    assert make.count == 1
    _programs.kept(make, (double, None), 5)
    _programs.kept(make, (double, double), 3)
    assert make.count == 3


def decorated(function):
    @functools.wraps(function)
    def wrapper(x):
        return function(x) + 1

    return wrapper


class Step:
    """What stands for a train step that is an object."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x

    def __eq__(self, other):
        return isinstance(other, Step)

    def __hash__(self):
        return 0

    def method(self, x):
        return self(x)


@pytest.mark.parametrize(
    "one, other, wanted",
    [
        # Both copy the dictionary of what they stand for.
        (double, decorated(double), 7),
        (Step(2), copy.copy(Step(2)), 6),
        (Step(2), Step(5), 15),
        (Step(2).method, Step(5).method, 15),
        (functools.partial(pow, 2), functools.partial(pow, 3), 27),
    ],
)
def test_a_program_serves_the_very_function_that_it_was_made_for(one, other, wanted):
    make = Made()
    _programs.kept(make, (one,))(3)
    assert _programs.kept(make, (other,))(3) == (wanted, ())
    assert make.count == 2


def test_a_bound_method_is_known_by_its_object():
    make, step = Made(), Step(2)
    for _ in range(3):
        assert _programs.kept(make, (step.method,))(3) == (6, ())
    assert make.count == 1


@pytest.mark.parametrize("bound", [False, True])
def test_a_program_goes_with_the_first_of_its_functions(bound):
    gc.collect()  # what other tests have left, whose programs would go meanwhile
    make, step, other = Made(), Step(2), Step(3)
    seen = weakref.ref(step)
    program = _programs.kept(make, (step.method if bound else step, other))
    gone, before = weakref.ref(program), len(_programs._programs)
    del program, step
    gc.collect()
    assert seen() is None and gone() is None
    assert len(_programs._programs) == before - 1
    assert other.factor == 3


def test_fresh_functions_do_not_pile_up():
    make, step = Made(), Step(2)
    before = len(_programs._programs)
    for _ in range(20):
        _programs.kept(make, (step, lambda x: x))
    gc.collect()
    assert len(_programs._programs) == before
    assert make.count == 20


def test_what_cannot_be_referred_to_weakly_is_held():
    class Slotted:
        __slots__ = ()

        def __call__(self, x):
            return -x

    make, step = Made(), Slotted()
    for _ in range(2):
        assert _programs.kept(make, (step,))(1) == (-1, ())
    assert make.count == 1


def test_a_maker_that_fails_leaves_nothing():
    def fail(take):
        raise ValueError("cannot be made")

    before = dict(_programs._programs)
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be made"):
            _programs.kept(fail, (double,))
    assert _programs._programs == before


def test_remembered_returns_the_same_while_its_first_argument_lives():
    class Program:
        pass

    calls = []

    @_programs.remembered
    def size(program, n_lanes, whole=True):
        calls.append(n_lanes)
        return [n_lanes]

    program = Program()
    assert size(program, 3) is size(program, 3)
    assert size(program, 4) is not size(program, 3)
    assert calls == [3, 4]
    result = size(program, 3)
    seen = weakref.ref(program)
    del program
    gc.collect()
    assert seen() is None and result == [3]


EXITING = """
import jax, jax.numpy as jnp, optax
import funclearn as fl
from funclearn import _programs
from funclearn.training import _advance

optimizer = optax.sgd(0.1)
step = fl.make_train_step(lambda w, batch, key: jnp.sum(w * batch), optimizer)
state = fl.init_state(jax.random.key(0), 1.0, optimizer)
functions = _advance.Functions(step, None, None)
program = _programs.kept(_advance._compile, functions, 1, None, (False, False))
program(state, jnp.ones(2), None, None, None)
"""


def test_the_end_of_a_process_is_quiet():
    child = subprocess.run(
        [sys.executable, "-c", EXITING], check=True, capture_output=True, text=True
    )
    assert child.stderr == ""


def test_programs_differ_by_what_jax_looks_for():
    assert _programs.debugging() == (False, False)
    with jax.debug_nans(True):
        assert _programs.debugging() == (True, False)
    with jax.debug_infs(True):
        assert _programs.debugging() == (False, True)
