"""What wrong gradients look like: the slips that derivations by hand often contain."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from funclearn.gradients._report import GradientReport

__all__ = ["likely_slip"]

# Two gradients count as the same that are this close, relative to the larger: finite
# differences are mostly far closer, and factors that have a meaning farther apart.
_CLOSE = 1e-5


def likely_slip(
    report: GradientReport, params: np.ndarray, lengths: Iterable[int]
) -> str | None:
    """Names the slip that would explain how a closed form is wrong.

    Args:
        report: a comparison in which a closed form disagrees.
        params: `(coordinates,)`, the parameters that were compared.
        lengths: the numbers of rows that the objective may take a mean over.

    Returns:
        A clause, or None where no slip fits.
    """
    wrong, right = report.closed_forms[0].values, report.differences.values
    if not np.isfinite(wrong).all():
        return None
    leaf = report.coordinates.leaf
    arrays = {
        name: leaf == number
        for number, name in enumerate(report.coordinates.names)
        if report.closed_forms[0].disagrees[leaf == number].any()
    }
    everywhere = {"every derivative": np.ones_like(leaf, dtype=bool)}
    slips = itertools.chain(
        _factors(wrong, right, everywhere, lengths),
        _exchanged_arrays(wrong, right, arrays),
        _exchanged_axes(report, arrays),
        _factors(wrong, right, arrays, lengths),
        _penalties(right - wrong, params),
        _single_entry(report),
    )
    return next(slips, None)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    size = max(np.max(np.abs(one)), np.max(np.abs(other)))
    return bool(np.all(np.abs(one - other) <= _CLOSE * size))


def _common_ratio(numbers: np.ndarray, unit: np.ndarray) -> float | None:
    """The r with `numbers = r · unit`, if there is one."""
    if not unit.any():
        return None
    ratio = float(numbers @ unit / (unit @ unit))
    return ratio if _same(numbers, ratio * unit) else None


def _factors(
    wrong: np.ndarray,
    right: np.ndarray,
    where: Mapping[str, np.ndarray],
    lengths: Iterable[int],
) -> Iterator[str]:
    for name, here in where.items():
        if not wrong[here].any() and right[here].any():
            yield f"{name} is zero, as if its term had been left out"
        ratio = _common_ratio(wrong[here], right[here])
        if ratio is None or math.isclose(ratio, 1, rel_tol=_CLOSE):
            continue
        if meaning := _meaning(ratio, lengths):
            yield f"{name} is {meaning}"
        elif np.count_nonzero(right[here]) > 1:
            yield f"{name} is {ratio:.6g} times what it should be"


def _meaning(ratio: float, lengths: Iterable[int]) -> str | None:
    twos = {1.0: "", 2.0: "twice what it should be", 0.5: "half of what it should be"}
    means = {1.0: ""}
    for length in {*lengths} - {1, 2}:
        means[float(length)] = f"a sum over {length} rows where there is a mean"
        means[1 / length] = f"divided by the {length} rows once too often"
    signs = {1.0: "", -1.0: "of the wrong sign, as if two arguments were swapped"}
    for factors in itertools.product(twos, means, signs):
        if math.isclose(ratio, math.prod(factors), rel_tol=_CLOSE):
            meanings = (twos[factors[0]], means[factors[1]], signs[factors[2]])
            return " and ".join(filter(None, meanings))
    return None


def _exchanged_arrays(
    wrong: np.ndarray, right: np.ndarray, arrays: Mapping[str, np.ndarray]
) -> Iterator[str]:
    for (one, here), (other, there) in itertools.combinations(arrays.items(), 2):
        if np.count_nonzero(here) == np.count_nonzero(there):
            if _same(wrong[here], right[there]) and _same(wrong[there], right[here]):
                yield f"{one} and {other} are exchanged"


def _exchanged_axes(
    report: GradientReport, arrays: Mapping[str, np.ndarray]
) -> Iterator[str]:
    shapes = dict(zip(report.coordinates.names, report.coordinates.shapes, strict=True))
    for name, here in arrays.items():
        shape = shapes[name]
        if len(shape) == 2 and math.prod(shape) == np.count_nonzero(here):
            transposed = report.differences.values[here].reshape(shape).T
            if _same(report.closed_forms[0].values[here], transposed.ravel()):
                yield f"{name} is transposed"


def _penalties(missing: np.ndarray, params: np.ndarray) -> Iterator[str]:
    for kind, unit in {"L2": 2 * params, "L1": np.sign(params)}.items():
        strength = _common_ratio(missing, unit)
        if strength is not None and np.count_nonzero(unit) > 1:
            penalty = (
                f"the gradient of an {kind} penalty of strength {abs(strength):.6g}"
            )
            where = (
                "is left out" if strength > 0 else "does not belong to the objective"
            )
            yield f"{penalty} {where}"


def _single_entry(report: GradientReport) -> Iterator[str]:
    disagrees = report.closed_forms[0].disagrees
    if np.count_nonzero(disagrees) == 1 and disagrees.size > 2:
        yield f"{report.coordinates.name(int(np.argmax(disagrees)))} alone is wrong"
