"""What is known of a run while it goes on, and the words for it."""

import math
from typing import NamedTuple

__all__ = ["Seen", "line", "parts"]

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))

_YEAR = 365 * 86400


class Seen(NamedTuple):
    """What is known of a run between two chunks.

    Attributes:
        epoch: number of epochs made, earlier starts of the run included.
        epochs: the largest number of them.
        loss: the training loss of the last row; None if there is none.
        validation: the validation loss of the last row; None if there is none.
        rate: epochs a second over the last chunks, NaN before the first.
        closest: the stopping rule that is closest to firing, as "patience 7/10".
        saving: what is being saved, or was last, as "saved epoch 1200".
    """

    epoch: int
    epochs: int
    loss: float | None
    validation: float | None
    rate: float
    closest: str | None
    saving: str | None


def parts(seen: Seen) -> dict[str, str]:
    """What there is to say, by its kind, the more important first."""
    texts = {
        "epoch": f"{seen.epoch:,} / {seen.epochs:,}",
        "loss": _loss("loss", seen.loss),
        "left": _left(seen),
        "validation": _loss("validation", seen.validation),
        "closest": _printable(seen.closest),
        "rate": _rate(seen.rate),
        "saving": _printable(seen.saving),
    }
    return {kind: text for kind, text in texts.items() if text}


def line(seen: Seen) -> str:
    """All of it on one line."""
    return "epoch " + ", ".join(parts(seen).values())


def _loss(name: str, value: float | None) -> str:
    return "" if value is None else f"{name} {value:.4g}"


def _printable(text: str | None) -> str:
    """Without line ends and escapes, which would tear a display."""
    return "".join(one if one.isprintable() else " " for one in text or "")


def _rate(rate: float) -> str:
    if not 0 < rate < math.inf:
        return ""
    if rate < 1:
        return f"{1 / rate:.3g} s/epoch"
    return f"{rate:,.0f} epochs/s" if rate >= 100 else f"{rate:.3g} epochs/s"


def _left(seen: Seen) -> str:
    """The time that is left, in its two largest units."""
    if seen.epoch >= seen.epochs or not 0 < seen.rate < math.inf:
        return ""
    seconds = (seen.epochs - seen.epoch) / seen.rate
    if seconds > _YEAR:
        return "over a year left"
    whole = math.ceil(seconds)
    first = next(at for at, (size, _) in enumerate(_UNITS) if whole >= size)
    words = []
    for size, unit in _UNITS[first : first + 2]:
        words.append(f"{whole // size} {unit}")
        whole %= size
    return " ".join(words) + " left"
