"""The derivatives of a run by what it takes."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import jax
from jaxtyping import PyTree

from funclearn import _jaxprs
from funclearn._programs import debugging, kept
from funclearn.hypergradients._arguments import (
    Fixed,
    check_call,
    check_moving,
    names_of,
    take_apart,
)
from funclearn.hypergradients._check import comparable, compared
from funclearn.hypergradients._faults import check_finite
from funclearn.hypergradients._growth import growth_of
from funclearn.hypergradients._modes import Mode, derivative, scalar
from funclearn.hypergradients._result import Hypergradient

__all__ = ["hypergradient"]


@overload
def hypergradient(
    run: Callable[..., Any],
    wrt: Mapping[str, PyTree],
    *,
    mode: Mode | None = None,
    check: bool = True,
    growth: bool = True,
    **arguments: PyTree,
) -> Hypergradient: ...


@overload
def hypergradient(
    run: Callable[..., Any],
    wrt: str | Sequence[str],
    *,
    mode: Mode | None = None,
    check: bool = True,
    growth: bool = True,
) -> Callable[..., Hypergradient]: ...


def hypergradient(
    run: Callable[..., Any],
    wrt: Mapping[str, PyTree] | str | Sequence[str],
    *,
    mode: Mode | None = None,
    check: bool = True,
    growth: bool = True,
    **arguments: PyTree,
) -> Hypergradient | Callable[..., Hypergradient]:
    """Differentiates what a run comes to by anything that it takes.

    It compiles once for a run, the names, and the shapes of the arguments; define the
    run outside of a loop. Under `jax.jit` and `jax.vmap` it becomes a part of what they
    transform, and nothing is checked.

    What an optimizer hides from derivatives is missing in them, and the check finds it:
    `optax.lbfgs` (0.2.8) takes the scale of its first step for a constant.

    Args:
        run: `run(**arguments) -> scalar`, a validation loss as a rule: a pure function
            that JAX can trace.
        wrt: what to differentiate by: the values of arguments by name, each a pytree of
            floating-point arrays; or names alone, for a function that takes the values.
        mode: "forward" goes through the run once, with a derivative for every number
            beside it; "reverse" goes back through it once for all numbers, in memory
            for about √n of its n steps (see `checkpointed`), and does not exist where
            the run has a loop of unknown length, as line searches are. None takes
            what is cheaper, and what there is.
        check: whether to compare the derivatives with finite differences of the run in
            float64: some thirty runs for every argument, each of them several times as
            long as the run itself.
        growth: whether to measure how fast perturbations grow along the run, in about
            the time of the derivative by one number.
        **arguments: what else the run takes, where `wrt` has values. Whole numbers,
            text and functions are known while tracing, and another one compiles again;
            arrays, keys and fractions are not.

    Returns:
        Value and derivatives, how they were found, and how far to trust them; or a
        function of all arguments by name that returns these.

    Raises:
        TypeError: if the run has no such arguments, one of them is not floating-point
            and by name in `wrt`, or the run does not return a floating-point number.
        ValueError: if the run returns an array, `wrt` names nothing, an argument is
            empty or has two values, or the run has no derivative in the mode asked for.
        FloatingPointError: if the run's value or a derivative is not finite, with what
            is known of the cause.

    Example:
        >>> def run(rate, start):  # gradient descent on x² / 2
        ...     return jax.lax.fori_loop(0, 10, lambda _, x: x - rate * x, start)
        >>> found = fl.hypergradients.hypergradient(run, {"rate": 0.1}, start=2.0)
        >>> print(found)  # by hand: -10 · 2 · 0.9⁹
        value  0.697357
        rate   -7.74841
        Forward mode: one number, and up to 4 it is cheaper.
        Off from finite differences of the run in float64: rate by less than 1e-07.
        In the run's 10 steps a perturbation is multiplied by 0.9 a step.
        The derivative holds.
        >>> slope = fl.hypergradients.hypergradient(run, "start", check=False)
        >>> print(f"{slope(rate=0.1, start=2.0)['start']:.4f}")  # 0.9¹⁰
        0.3487
    """
    if mode not in (None, "forward", "reverse"):
        raise ValueError(f"mode must be 'forward', 'reverse' or None; got {mode!r}.")
    options = _Options(mode, check, growth)
    if isinstance(wrt, Mapping):
        names = names_of(tuple(wrt))
        if twice := sorted(wrt.keys() & arguments.keys()):
            raise ValueError(f"{twice[0]} must have one value; got two.")
        return _evaluate(run, names, {**wrt, **arguments}, options)
    names = names_of(wrt)
    if arguments:
        raise TypeError(
            "arguments go to the function that is returned where wrt has names alone; "
            f"got {', '.join(arguments)}."
        )
    check_call(run, names, partly=True)

    def differentiated(**arguments: PyTree) -> Hypergradient:
        if missing := [name for name in names if name not in arguments]:
            raise TypeError(f"{missing[0]} must be given, since wrt names it.")
        return _evaluate(run, names, arguments, options)

    return differentiated


@dataclasses.dataclass(frozen=True)
class _Options:
    mode: Mode | None
    check: bool
    growth: bool


def _evaluate(
    run: Callable[..., Any],
    names: Sequence[str],
    arguments: Mapping[str, PyTree],
    options: _Options,
) -> Hypergradient:
    check_call(run, arguments)
    point = {name: arguments[name] for name in names}
    count = check_moving(point)
    others = {name: x for name, x in arguments.items() if name not in point}
    arrays, fixed = take_apart(others)
    program = kept(_compile, (run,), fixed, count, options, debugging())
    found = program(point, arrays)
    # Dictionaries come out of compiled code in alphabetical order.
    slopes = {name: found.derivatives[name] for name in names}
    found = dataclasses.replace(found, derivatives=slopes)
    # Also what a run closes over may be traced.
    if any(isinstance(x, _jaxprs.Tracer) for x in jax.tree.leaves((found, arguments))):
        return found
    check_finite(found, lambda point: run(**point, **others), point)
    if not options.check:
        return found
    functions = kept(comparable, (run,), fixed)
    return dataclasses.replace(
        found,
        check=compared(functions, point, found.derivatives, arrays, found.value.dtype),
    )


def _compile(
    take: Callable[[], tuple[Any, ...]],
    fixed: Fixed,
    count: int,
    options: _Options,
    debugged: tuple[bool, bool],
) -> Callable[[dict[str, PyTree], list[Any]], Hypergradient]:
    del debugged  # what is traced differs by it

    @jax.jit
    def program(point: dict[str, PyTree], arrays: list[Any]) -> Hypergradient:
        (function,) = take()
        others = fixed.fill(arrays)

        def run(point: dict[str, PyTree]) -> jax.Array:
            return scalar(function(**point, **others))

        value, slopes, mode, reason = derivative(run, point, count, options.mode)
        growth = growth_of(run, point) if options.growth else None
        return Hypergradient(value, slopes, growth, mode, reason)

    return program
