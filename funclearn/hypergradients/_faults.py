"""Derivatives that are not finite, and why."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn import _jaxprs
from funclearn._jaxprs import ClosedJaxpr
from funclearn.hypergradients._result import Hypergradient

__all__ = ["check_finite"]

# Of infinite slope at zero.
_ROOTS = frozenset({"sqrt", "rsqrt", "cbrt"})
_POWERS = frozenset({"pow", "log"})

_ADAM = (
    "Optimizers like Adam take the root of an average of squared gradients, which is "
    "zero where every gradient was: take eps_root > 0, as in optax.adam(rate, "
    "eps_root=1e-12), or funclearn.optimizers.adam, whose roots are guarded."
)


def check_finite(
    found: Hypergradient, run: Callable[[PyTree], Any], point: PyTree
) -> None:
    """Refuses what is not a number, and says where it may come from.

    Args:
        found: the derivatives.
        run: what was differentiated.
        point: where.

    Raises:
        FloatingPointError: if the run's value or a derivative is not finite.
    """
    if not np.isfinite(found.value):
        raise FloatingPointError(
            f"run must return a finite number to be differentiated; got {found.value}: "
            "a run that diverges has no derivative. Take a smaller learning rate, or "
            "ask funclearn.diagnosis.explain_divergence."
        )
    for name, slopes in found.derivatives.items():
        leaves = [np.asarray(leaf, float) for leaf in jax.tree.leaves(slopes)]
        n_wrong = sum(np.count_nonzero(~np.isfinite(leaf)) for leaf in leaves)
        if n_wrong:
            n_all = sum(leaf.size for leaf in leaves)
            raise FloatingPointError(
                f"the derivative of run by {name} is not finite in {n_wrong} of "
                f"{n_all} numbers, though its value is {found.value:.6g}: "
                f"{_cause(found, run, point)}"
            )


def _cause(found: Hypergradient, run: Callable[[PyTree], Any], point: PyTree) -> str:
    growth = found.growth
    if growth is not None and not np.isfinite(growth.factor):
        return (
            f"a perturbation grows by a factor of {growth.rate:.4g} in each of "
            f"{growth.steps} steps, beyond the largest number."
        )
    names = {*_operations(jax.make_jaxpr(run)(point))}
    if names & _ROOTS:
        return f"the run takes a root, and that of zero has an infinite slope. {_ADAM}"
    if names & _POWERS:
        return "the run takes a power or a logarithm, of infinite slope at zero."
    return "some step of the run has no finite slope, or the slopes overflow."


def _operations(jaxpr: ClosedJaxpr) -> Iterator[str]:
    for equation in jaxpr.eqns:
        yield equation.primitive.name
        for inside in _jaxprs.inner_jaxprs(equation):
            yield from _operations(inside)
