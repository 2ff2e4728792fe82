"""The rules by which a computed value meets a published one, in words."""

import math

from experiments.harness._plain import Plain

__all__ = ["BEHAVIOUR", "rule"]

BEHAVIOUR = "behaviour"
"""The quantity of a figure that is no number: what a program does."""


def rule(published: Plain, *, quantity: str, rtol: float | None, unseeded: bool) -> str:
    """Names what decides whether a computed value meets a published one.

    Args:
        published: the published value; parts in lists and dictionaries have their own.
        quantity: what it is.
        rtol: the share of its size by which it may be missed, if it has one.
        unseeded: whether it is the result of a single run without a seed.

    Returns:
        A few words; different rules of several parts are joined by "; ".
    """
    if isinstance(published, dict | list):
        parts = published.values() if isinstance(published, dict) else published
        rules = [
            rule(part, quantity=quantity, rtol=rtol, unseeded=unseeded)
            for part in parts
        ]
        return "; ".join(dict.fromkeys(rules))
    if unseeded:
        return "between the extremes of many seeds"
    if isinstance(published, int):
        return "whole number"
    try:
        number = float(str(published))
    except ValueError:
        if quantity == BEHAVIOUR:
            return "the message asks for floating-point values"
        return "formula against autodiff"
    if not math.isfinite(number):
        return "infinite"
    if rtol is not None:
        return f"{100 * rtol:.4g}% of its size"
    return "last printed digit and rounding"
