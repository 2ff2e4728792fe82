"""What is known of a computation while it goes on, and the words for it."""

import math
from typing import NamedTuple, TypeAlias

__all__ = ["Seen", "SeenBytes", "SeenLanes", "Shown"]

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))

_YEAR = 365 * 86400

_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


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
        batch: number of batches made of the next epoch, where data come part by part.
        batches: how many it has; None where nobody knows.
    """

    epoch: int
    epochs: int
    loss: float | None
    validation: float | None
    rate: float
    closest: str | None
    saving: str | None
    batch: int = 0
    batches: int | None = None

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        return _share(self._made, self.epochs)

    @property
    def _made(self) -> float:
        return self.epoch + self.batch / (self.batches or math.inf)

    def parts(self) -> dict[str, str]:
        """What there is to say, by its kind, the more important first."""
        return _said(
            done=_done(self.epoch, self.epochs),
            batch=_batch(self.batch, self.batches),
            loss=_number("loss", self.loss),
            left=_left(self.epochs - self._made, self.rate),
            validation=_number("validation", self.validation),
            closest=_printable(self.closest),
            rate=_rate(self.rate, "epoch"),
            saving=_printable(self.saving),
        )

    def __str__(self) -> str:
        """All of it on one line."""
        return "epoch " + ", ".join(self.parts().values())


class SeenLanes(NamedTuple):
    """What is known of a sweep or a cross-validation while its lanes run.

    Attributes:
        lane: number of lanes done.
        lanes: number of all.
        best: the best score of those that are done, NaN left out; None if there is
            none, or nothing to score by.
        rate: lanes a second so far, NaN before the first.
    """

    lane: int
    lanes: int
    best: float | None
    rate: float

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        return _share(float(self.lane), self.lanes)

    def parts(self) -> dict[str, str]:
        """What there is to say, by its kind, the more important first."""
        return _said(
            done=_done(self.lane, self.lanes),
            best=_number("best", self.best),
            left=_left(float(self.lanes - self.lane), self.rate),
            rate=_rate(self.rate, "lane"),
        )

    def __str__(self) -> str:
        """All of it on one line."""
        return "lanes " + ", ".join(self.parts().values())


class SeenBytes(NamedTuple):
    """What is known of a file while it arrives.

    Attributes:
        name: of the file.
        there: number of bytes that have arrived.
        size: number of all.
        rate: bytes a second so far, NaN before the first.
    """

    name: str
    there: int
    size: int
    rate: float

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        return _share(float(self.there), self.size)

    def parts(self) -> dict[str, str]:
        """What there is to say, by its kind, the more important first."""
        scale, unit = _unit(float(self.size))
        return _said(
            done=f"{self.there / scale:.1f} / {self.size / scale:.1f} {unit}",
            name=_printable(self.name),
            left=_left(float(self.size - self.there), self.rate),
            rate=_speed(self.rate),
        )

    def __str__(self) -> str:
        """All of it on one line."""
        said = self.parts()
        return f"{said.pop('name')} {', '.join(said.values())}"


Shown: TypeAlias = Seen | SeenBytes | SeenLanes
"""What a display can draw."""


def _said(**texts: str) -> dict[str, str]:
    return {kind: text for kind, text in texts.items() if text}


def _share(done: float, of: int) -> float:
    return min(1.0, done / max(1, of))


def _done(done: int, of: int) -> str:
    return f"{done:,} / {of:,}"


def _batch(made: int, of: int | None) -> str:
    if not made:
        return ""
    return f"batch {made:,}" if of is None else f"batch {_done(made, of)}"


def _number(name: str, value: float | None) -> str:
    return "" if value is None else f"{name} {value:.4g}"


def _printable(text: str | None) -> str:
    """Without line ends and escapes, which would tear a display."""
    return "".join(one if one.isprintable() else " " for one in text or "")


def _rate(rate: float, unit: str) -> str:
    if not 0 < rate < math.inf:
        return ""
    if rate < 1:
        return f"{1 / rate:.3g} s/{unit}"
    return f"{rate:,.0f} {unit}s/s" if rate >= 100 else f"{rate:.3g} {unit}s/s"


def _unit(size: float) -> tuple[float, str]:
    """How many bytes the largest unit has that a size is at least one of."""
    return next((one for one in _SIZES if size >= one[0]), _SIZES[-1])


def _speed(rate: float) -> str:
    if not 0 < rate < math.inf:
        return ""
    scale, unit = _unit(rate)
    return f"{rate / scale:.1f} {unit}/s"


def _left(number: float, rate: float) -> str:
    """The time that is left, in its two largest units."""
    if number <= 0 or not 0 < rate < math.inf:
        return ""
    seconds = number / rate
    if seconds > _YEAR:
        return "over a year left"
    whole = math.ceil(seconds)
    first = next(at for at, (size, _) in enumerate(_UNITS) if whole >= size)
    words = []
    for size, unit in _UNITS[first : first + 2]:
        words.append(f"{whole // size} {unit}")
        whole %= size
    return " ".join(words) + " left"
