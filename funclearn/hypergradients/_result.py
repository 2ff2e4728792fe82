"""What was found of a run's derivatives, and how far to trust it."""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from funclearn import _jaxprs
from funclearn.gradients import Agreement
from funclearn.hypergradients._check import Check
from funclearn.hypergradients._growth import Growth
from funclearn.hypergradients._modes import Mode

__all__ = ["Hypergradient", "Trust"]

_FEW_SHOWN = 4
_SMALL = 1e-3

# A perturbation that has grown so much is no more the small one that it was. Those of
# momentum swing by nearly as much without growing.
_SENSITIVE = 10.0

# Where a rounding has grown to a hundredth, it shows in what the run comes to.
_SHOWS = 0.01


class Trust(enum.StrEnum):
    """How far a derivative can be trusted."""

    HOLDS = "holds"
    """It agrees with finite differences, and the run forgets perturbations."""
    HOLDS_NEARBY = "holds nearby"
    """It agrees with them, and perturbations grow: it tells of small changes alone."""
    NOT_CHECKED = "not checked"
    """Nobody looked, or could."""
    CANNOT_TELL = "cannot tell"
    """The finite differences are not exact enough."""
    DISAGREES = "disagrees"
    """It is off by more than a hundredth from that of the run in float64."""
    USELESS = "useless"
    """Perturbations as small as a rounding grow until they show in the result."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Hypergradient:
    """A run's value and its derivatives; prints as sentences.

    It is a pytree, whose last three fields are known while tracing.

    Attributes:
        value: what the run returned.
        derivatives: by argument, of its structure and shapes.
        growth: how fast perturbations of the run grow; None where nobody asked, or it
            has no loop of known length.
        mode: "forward" or "reverse".
        reason: why.
        check: the comparison with finite differences; None where nobody asked, or
            where it was traced and had no values yet.
    """

    value: Float[Array, "..."]
    derivatives: Mapping[str, PyTree]
    growth: Growth | None
    mode: Mode = dataclasses.field(metadata={"static": True})
    reason: str = dataclasses.field(metadata={"static": True})
    check: Check | None = dataclasses.field(default=None, metadata={"static": True})

    def __getitem__(self, name: str) -> PyTree:
        """The derivative by an argument."""
        try:
            return self.derivatives[name]
        except KeyError:
            names = ", ".join(self.derivatives)
            raise KeyError(f"{name!r} is not among the arguments: {names}") from None

    @property
    def trust(self) -> Trust:
        """How far the derivatives can be trusted.

        Raises:
            jax.errors.ConcretizationTypeError: where it is traced, in whole or part.
        """
        grows = self._grows()
        if grows is Trust.USELESS:
            return grows
        if self.check is None or self.check.report is None:
            return Trust.NOT_CHECKED
        match self.check.verdict:
            case Agreement.DISAGREES:
                return Trust.DISAGREES
            case Agreement.CANNOT_TELL:
                return Trust.CANNOT_TELL
        return grows or Trust.HOLDS

    def _grows(self) -> Trust | None:
        """Whether perturbations grow, and how far."""
        growth = self.growth
        if growth is None or not (growth.rate > 1 and growth.factor >= _SENSITIVE):
            return None
        rounding = float(jnp.finfo(self.value.dtype).eps)
        # One step can multiply by much, as Adam's where a gradient is zero; what is
        # useless has grown all along.
        steadily = np.float64(growth.rate) ** float(growth.steps)
        if min(float(growth.factor), steadily) * rounding >= _SHOWS:
            return Trust.USELESS
        return Trust.HOLDS_NEARBY

    def __repr__(self) -> str:
        """The names and the mode, which is what fits into a line."""
        by = ", ".join(self.derivatives)
        return f"<{type(self).__name__} by {by}: {self.mode} mode>"

    def __str__(self) -> str:
        """The value, the derivatives, how they were found and what they are worth."""
        if any(map(_is_traced, jax.tree.leaves(self))):
            return repr(self)
        width = max(map(len, ("value", *self.derivatives)))
        lines = [f"{'value'.ljust(width)}  {_number(self.value)}"]
        for name, slopes in self.derivatives.items():
            lines.append(f"{name.ljust(width)}  {_slopes(slopes)}")
        lines.append(f"{self.mode.capitalize()} mode: {self.reason}.")
        lines += filter(None, (self._checked(), self._growing(), self._verdict()))
        return "\n".join(lines)

    def _checked(self) -> str:
        if self.check is None:
            return ""
        if self.check.report is None:
            return f"Could not be checked: {self.check.missing}"
        errors = ", ".join(
            f"{name} by {_error(error)}" for name, error in self.check.errors.items()
        )
        return f"Off from finite differences of the run in float64: {errors}."

    def _growing(self) -> str:
        if self.growth is None:
            return ""
        rate, factor, steps = map(np.asarray, self.growth)
        told = (
            f"In the run's {steps} steps a perturbation is multiplied by {rate:.5g} a "
            "step"
        )
        if factor < _SENSITIVE:
            return f"{told}."
        most = f"{factor:.2g}" if np.isfinite(factor) else "more than 1e38"
        return f"{told}, in the end by {most}."

    def _verdict(self) -> str:
        told = {
            Trust.HOLDS: "The derivative holds.",
            Trust.HOLDS_NEARBY: (
                "The derivative holds for small changes alone: the run is nearly "
                "unstable."
            ),
            Trust.CANNOT_TELL: "Whether it is right cannot be told.",
            Trust.DISAGREES: "Do not trust the derivative: it disagrees.",
            Trust.USELESS: (
                "The derivative is useless: the run is unstable or chaotic, and a "
                "rounding takes it elsewhere."
            ),
        }
        return told.get(self.trust, "")


jax.tree_util.register_dataclass(
    Hypergradient,
    data_fields=("value", "derivatives", "growth"),
    meta_fields=("mode", "reason", "check"),
)


def _is_traced(leaf: Any) -> bool:
    return isinstance(leaf, _jaxprs.Tracer)


def _number(value: Any) -> str:
    return f"{float(value):.6g}"


def _error(error: float) -> str:
    """A relative error; of a small one the size is enough."""
    if not 0 < error < _SMALL:
        return f"{error:.2g}"
    return f"less than {10.0 ** np.ceil(np.log10(error)):.0e}"


def _slopes(slopes: PyTree) -> str:
    leaves = [np.asarray(leaf, float).ravel() for leaf in jax.tree.leaves(slopes)]
    flat = np.concatenate(leaves)
    if flat.size <= _FEW_SHOWN:
        return ", ".join(f"{x:.6g}" for x in flat)
    return (
        f"{flat.size} numbers from {flat.min():.3g} to {flat.max():.3g}, of norm "
        f"{np.linalg.norm(flat):.6g}"
    )
