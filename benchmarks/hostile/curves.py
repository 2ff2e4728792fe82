"""Random learning curves whose verdict is known from how they were made.

Every family draws its own shape, length, noise and unit, with a margin: a gap that
counts is several times the training loss, a fall that is over leaves next to nothing.
A verdict of another kind is wrong, "cannot tell" is undecided.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.hostile._outcome import Outcome
from funclearn import History, Run
from funclearn.diagnosis import diagnose
from funclearn.stopping import Reason


class Curves(NamedTuple):
    """The curves of a run, what they show, and what `diagnose` is told of them."""

    kind: str
    training: np.ndarray
    validation: np.ndarray | None = None
    direction: str | None = None


class _NoModel(NamedTuple):
    params: tuple[()] = ()


Random = np.random.Generator


def _between(random: Random, low: float, high: float) -> float:
    return math.exp(random.uniform(math.log(low), math.log(high)))


def _time(random: Random, fewest: int = 30) -> np.ndarray:
    return np.linspace(0, 1, int(_between(random, fewest, 10_000)), endpoint=False)


def _jittered(random: Random, curve: np.ndarray, most: float = 0.1) -> np.ndarray:
    """The curve with the noise of minibatches, none in a third of the cases."""
    size = random.choice([0.0, _between(random, 1e-3, most), most])
    noise = random.normal(size=curve.shape)
    how = random.integers(4)
    if how == 0:  # now and then far off
        noise = np.clip(random.standard_t(3, size=curve.shape), -8, 8) / math.sqrt(3)
    if how == 1:  # an epoch has something of the last one
        noise = (noise + 0.6 * np.r_[0.0, noise[:-1]]) / math.hypot(1, 0.6)
    if how == 2:  # less of it as the gradient shrinks
        noise = noise * np.linspace(1.5, 0.5, len(noise))
    return curve * np.exp(size * noise)


def _fall(random: Random, time: np.ndarray, settled: bool = True) -> np.ndarray:
    """From 1 to 0, exponential or as a power law; or not yet at its end."""
    if settled and random.random() < 0.3:
        return (1 + time / _between(random, 1e-4, 2e-3)) ** -random.uniform(1.0, 2.0)
    rate = _between(random, 12, 80) if settled else _between(random, 0.3, 1.5)
    return np.exp(-rate * time)


def _healthy(random: Random) -> Curves:
    time = _time(random)
    fall, floor = _fall(random, time), _between(random, 0.05, 0.6)
    training = floor + fall
    validation = training * random.uniform(0.8, 1.2)
    return Curves("healthy", _jittered(random, training), _jittered(random, validation))


def _healthy_gap(random: Random) -> Curves:
    time = _time(random)
    fall, floor = _fall(random, time), _between(random, 0.05, 0.6)
    gap = random.uniform(0, 0.25) * floor * (1 - fall)
    return Curves(
        "healthy",
        _jittered(random, floor + fall),
        _jittered(random, floor + fall + gap),
    )


def _healthy_zero(random: Random) -> Curves:
    time = _time(random)
    fall = np.exp(-_between(random, 20, 300) * time)
    lost = random.choice([0.0, 1e-12, 1e-9]) * (time > 0.3)
    left = random.choice([0.0, 1e-14, 1e-10]) * (time > 0.3)
    return Curves(
        "healthy", (fall + left).astype(np.float32), (fall + lost).astype(np.float32)
    )


def _healthy_restarts(random: Random) -> Curves:
    cycles = random.integers(3, 8)
    time = _time(random, 100)
    part = (cycles * time) % 1
    cosine = 0.5 * (1 + np.cos(np.pi * part))
    shape = random.choice([0, 1]) * (1 - part - cosine) + cosine
    training = _between(random, 0.05, 0.3) + random.uniform(0.2, 0.5) * shape
    training = training + 2 * np.exp(-_between(random, 30, 100) * time)
    validation = training * random.uniform(0.95, 1.15)
    return Curves(
        "healthy",
        _jittered(random, training, 0.02),
        _jittered(random, validation, 0.02),
    )


def _healthy_drops(random: Random) -> Curves:
    """The learning rate is lowered at some epochs, and the loss falls again."""
    time = _time(random, 60)
    training = _between(random, 0.1, 0.3) + _fall(random, time)
    for drop in (0.4, 0.7):
        since = np.maximum(time - drop, 0)
        size = random.uniform(0.1, 0.4) * training.min()
        training = training - size * (1 - np.exp(-100 * since))
    validation = training * random.uniform(1.0, 1.2)
    return Curves(
        "healthy",
        _jittered(random, training, 0.03),
        _jittered(random, validation, 0.03),
    )


def _healthy_spikes(random: Random) -> Curves:
    found = _healthy(random)
    training = found.training.copy()
    inner = training[len(training) // 20 : -max(4, len(training) // 20)]
    many = max(1, len(inner) // 60)
    inner[random.integers(len(inner), size=many)] *= _between(random, 3, 1e4)
    return found._replace(training=training)


def _double_descent(random: Random) -> Curves:
    time = _time(random, 100)
    fall, floor = np.exp(-30 * time), _between(random, 0.02, 0.1)
    bump = np.exp(-(((time - 0.3) / 0.08) ** 2)) * random.uniform(0.2, 0.6)
    end = _between(random, 12, 50) if random.random() < 0.5 else random.uniform(1, 1.15)
    later = 0.25 * (1 - np.clip((time - 0.3) / 0.3, 0, 1)) ** 2
    validation = end * floor + fall + bump + later * (1 - fall)
    kind = "overfitting" if end > 2 else "healthy"
    return Curves(
        kind,
        _jittered(random, floor + fall, 0.03),
        _jittered(random, validation, 0.03),
    )


def _under(random: Random) -> Curves:
    time = _time(random)
    training = _between(random, 0.02, 0.3) + _fall(random, time, settled=False)
    if random.random() < 0.3:
        training = (1 + time * len(time)) ** -random.uniform(0.3, 0.8)
    if random.random() < 0.2:
        training = 1.1 - time
    validation = training * random.uniform(0.9, 1.2)
    return Curves(
        "underfitting",
        _jittered(random, training, 0.03),
        _jittered(random, validation, 0.03),
    )


def _under_restarts(random: Random) -> Curves:
    cycles = random.integers(3, 7)
    time = _time(random, 150)
    part, cycle = (cycles * time) % 1, np.floor(cycles * time)
    lowest = random.uniform(0.6, 0.8) ** cycle
    training = lowest * (1 + (1 - part) * random.uniform(0.3, 1))
    return Curves("underfitting", training, training * random.uniform(0.95, 1.15))


def _over_rise(random: Random) -> Curves:
    time = _time(random, 50)
    floor, lowest = _between(random, 0.01, 0.2), _between(random, 0.2, 0.6)
    training = floor + np.exp(-_between(random, 4, 60) * time)
    turn = random.uniform(0.1, 0.6)
    since = np.maximum(time - turn, 0) / (1 - turn)
    rise = _between(random, 0.5, 10) * lowest
    shape = since ** random.uniform(0.5, 2)
    rate = _between(random, 4, 60) / turn
    validation = lowest + np.exp(-rate * time) + rise * shape
    return Curves(
        "overfitting", _jittered(random, training), _jittered(random, validation)
    )


def _over_level(random: Random) -> Curves:
    """The validation loss never rises: it creeps to a level or stays behind."""
    time = _time(random)
    floor = _between(random, 1e-4, 0.1)
    training = floor + np.exp(-_between(random, 12, 60) * time)
    fall = np.exp(-_between(random, 6, 60) * time)
    level = max(_between(random, 5, 500) * floor, 0.15)
    start = random.choice([1.0, random.uniform(1, 3)])
    validation = level + start * fall
    return Curves(
        "overfitting", _jittered(random, training), _jittered(random, validation)
    )


def _over_creep(random: Random) -> Curves:
    """The validation loss rises so slowly that no stretch shows it."""
    time = _time(random, 100)
    floor = _between(random, 1e-3, 0.1)
    fall = np.exp(-_between(random, 30, 100) * time)
    rate = _between(random, 0.2, 5)
    creep = (1 - np.exp(-rate * time)) / (1 - math.exp(-rate))
    level = max(_between(random, 5, 500) * floor, 0.15)
    return Curves(
        "overfitting",
        _jittered(random, floor + fall),
        _jittered(random, floor * 1.05 + fall + level * creep),
    )


def _diverged(random: Random) -> Curves:
    time = _time(random, 20)
    fall = 0.1 + np.exp(-_between(random, 5, 50) * time)
    start = random.uniform(0.0, 0.9)
    since = np.maximum(time - start, 0) / (1 - start)
    how = random.integers(4)
    if how == 0:
        training = np.where(time >= min(start, 0.95), np.nan, fall)
    elif how == 1:
        training = fall + 0.01 * np.expm1(_between(random, 7, 60) * since)
    elif how == 2:
        training = 1 + _between(random, 0.5, 50) * time
    else:
        training = np.where(np.arange(len(time)) % 2, _between(random, 2, 1e3), 1.0)
    validation = np.nan_to_num(training, nan=1.0) if random.random() < 0.5 else None
    return Curves("diverged", _jittered(random, training, 0.03), validation)


def _unknown(random: Random) -> Curves:
    """Nothing to be known: constants, noise, a few epochs, no validation."""
    how = random.integers(4)
    time = _time(random)
    level = np.full(len(time), 1.0)
    if how == 0:
        return Curves("cannot tell", level, level)
    if how == 1:
        level = level * np.exp(0.2 * random.normal(size=(2, len(time))))
        return Curves("cannot tell", *level)
    if how == 2:
        few = np.array([1.0, 0.6, 0.4, 0.3, 0.25, 0.22])[: random.integers(1, 7)]
        return Curves("cannot tell", few, few * 1.1)
    return Curves("cannot tell", _jittered(random, 0.2 + np.exp(-20 * time)))


def _negative(random: Random) -> Curves:
    """A log-likelihood: what was learnt is the only scale that it has."""
    time = _time(random, 40)
    offset = random.uniform(-5, -1.5)
    kind = random.choice(["healthy", "overfitting", "underfitting", "rise"])
    fall = _fall(random, time, settled=kind != "underfitting")
    validation = fall.copy()
    if kind == "healthy":
        validation = fall + random.uniform(-0.02, 0.03) * (1 - fall)
    if kind == "overfitting":
        validation = fall + _between(random, 0.65, 0.9) * (1 - fall)
    if kind == "rise":
        turn = random.uniform(0.2, 0.5)
        rise = np.maximum(time - turn, 0) / (1 - turn)
        validation = np.exp(-12 / turn * time) + random.uniform(0.3, 2) * rise
    noise = random.choice([0, 0.01, 0.02]) * random.normal(size=(2, len(time)))
    named = "overfitting" if kind == "rise" else str(kind)
    return Curves(named, offset + fall + noise[0], offset + validation + noise[1])


def _metric(random: Random) -> Curves:
    """An accuracy: the direction declared, or not."""
    time = _time(random, 40)
    training = 0.05 + 2 * np.exp(-_between(random, 12, 40) * time)
    best, start = random.uniform(0.6, 0.98), random.uniform(0.05, 0.3)
    learnt = np.exp(-_between(random, 15, 60) * time)
    accuracy = best - (best - start) * learnt
    noise = random.choice([0, 0.002, 0.01]) * random.normal(size=len(time))
    how = random.integers(4)
    if how == 0:
        return Curves("cannot tell", training, accuracy + noise)
    if how == 1:
        return Curves("healthy", training, accuracy + noise, "max")
    if how == 2:
        lost = random.uniform(0.3, 0.8) * (best - start)
        worse = accuracy - lost * np.maximum(time - 0.3, 0) / 0.7
        return Curves("overfitting", training, worse + noise, "max")
    slow = np.exp(-_between(random, 0.5, 1.2) * time)
    rising = best - (best - start) * slow
    return Curves("underfitting", 0.1 + 2 * slow, rising + noise, "max")


_FAMILIES: tuple[Callable[[Random], Curves], ...] = (
    _healthy,
    _healthy_gap,
    _healthy_zero,
    _healthy_restarts,
    _healthy_drops,
    _healthy_spikes,
    _double_descent,
    _under,
    _under_restarts,
    _over_rise,
    _over_level,
    _over_creep,
    _diverged,
    _unknown,
    _negative,
    _metric,
)


def run_of(curves: Curves, unit: float = 1.0, tail: int = 0) -> Run:
    """The run that has these curves, in another unit, with rows that never ran."""
    scale = unit if curves.direction is None and curves.kind != "cannot tell" else 1.0
    rows: list[Any] = [
        None if curve is None else np.r_[scale * curve, np.full(tail, np.nan)]
        for curve in (curves.training, curves.validation)
    ]
    epochs = np.asarray(len(curves.training), np.int32)
    reason = Reason(np.asarray(bool(tail), np.int32), ("epochs", "patience"))
    state: Any = _NoModel()
    return Run(state, History(rows[0], rows[1]), epochs, reason)


def cases(seed: int, n: int) -> Iterator[Outcome]:
    """Random curves, each family in turn."""
    for number in range(n):
        family = _FAMILIES[number % len(_FAMILIES)]
        random = np.random.default_rng([seed, number])
        curves = family(random)
        unit = random.choice([1.0, _between(random, 1e-6, 1e6)])
        run = run_of(curves, unit, tail=random.choice([0, 7]))
        found = diagnose(run, direction=curves.direction or "min")
        right = found.kind == curves.kind
        undecided = found.kind == "cannot tell" and not right
        case = f"{family.__name__[1:]} (seed {seed}, number {number}): {found}"
        yield Outcome(None if undecided else right, case)
