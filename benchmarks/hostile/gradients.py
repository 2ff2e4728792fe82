"""Gradients right and wrong, in mixed units, at edges and at kinks.

An objective of a few numbers has a closed form that is right by calculus, and a wrong
one: the same with one entry off by 0.2 % up to its sign, or not finite. The units of
the numbers span up to sixteen decades in one array; some are zero, and tell no unit.

A yes to a wrong gradient and a no to a right one are wrong answers. Where the slope is
infinite, or noise hides it, nothing can be told.
"""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.hostile._outcome import Outcome
from funclearn.gradients import Agreement, compare

N = 3
ROWS = 6


class Batch(NamedTuple):
    """What an objective is given besides its parameters, and what makes it wrong.

    Attributes:
        heights: of the terms of a sum.
        rates: one over the units of the parameters.
        offsets: within the terms.
        inputs: `(ROWS, N)`.
        targets: `(ROWS,)`.
        factors: what the closed form is multiplied with.
        replaced: which entries of it have another value instead.
        instead: that value.
    """

    heights: np.ndarray
    rates: np.ndarray
    offsets: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray
    factors: np.ndarray
    replaced: np.ndarray
    instead: np.ndarray


class Family(NamedTuple):
    """An objective with its derivative, and where it is looked at.

    Attributes:
        objective: `(params, batch) -> scalar`.
        gradient: its closed form.
        point: the parameters in units of their own, from as many normal numbers.
        zeros: whether zeros among them are of interest.
        spread: over how many decades the units go, up and down.
    """

    objective: Callable[..., jax.Array]
    gradient: Callable[..., jax.Array]
    point: Callable[[np.ndarray], np.ndarray] = lambda normal: normal
    zeros: bool = True
    spread: float = 8.0


def _terms(
    value: Callable[[jax.Array], jax.Array], slope: Callable[[jax.Array], jax.Array]
) -> tuple[Callable[..., jax.Array], Callable[..., jax.Array]]:
    """A sum of one function in units of the parameters, and its gradient."""

    def objective(p, b):
        return jnp.sum(b.heights * value(p * b.rates + b.offsets))

    def gradient(p, b):
        return b.heights * slope(p * b.rates + b.offsets) * b.rates

    return objective, gradient


def _line(p, b):
    return b.inputs * b.rates @ p - b.targets


def _least_squares(p, b):
    return jnp.mean(_line(p, b) ** 2)


def _least_squares_gradient(p, b):
    return 2 * (b.inputs * b.rates).T @ _line(p, b) / ROWS


def _logistic(p, b):
    return jnp.mean(jax.nn.softplus(_line(p, b)))


def _logistic_gradient(p, b):
    return (b.inputs * b.rates).T @ jax.nn.sigmoid(_line(p, b)) / ROWS


def _discharge(p, b):
    volts, ohms, farads = p * b.rates
    times = jnp.abs(b.targets)
    return jnp.mean((volts * jnp.exp(-times / (ohms * farads)) - b.inputs[:, 0]) ** 2)


def _discharge_gradient(p, b):
    volts, ohms, farads = p * b.rates
    times = jnp.abs(b.targets)
    decay = jnp.exp(-times / (ohms * farads))
    errors = 2 * (volts * decay - b.inputs[:, 0]) / ROWS
    by_tau = volts * decay * times / (ohms * farads) ** 2
    slopes = (decay, by_tau * farads, by_tau * ohms)
    return jnp.stack([jnp.sum(errors * slope) for slope in slopes]) * b.rates


def _saturation(p, b):
    top, half, power = p * b.rates
    dose = 0.1 + jnp.abs(b.inputs[:, 1])
    share = dose**power / (half**power + dose**power)
    return jnp.mean((top * share - b.targets) ** 2)


def _saturation_gradient(p, b):
    top, half, power = p * b.rates
    dose = 0.1 + jnp.abs(b.inputs[:, 1])
    share = dose**power / (half**power + dose**power)
    errors = 2 * (top * share - b.targets) / ROWS
    inner = top * share * (1 - share)
    slopes = (share, -inner * power / half, inner * jnp.log(dose / half))
    return jnp.stack([jnp.sum(errors * slope) for slope in slopes]) * b.rates


def _attraction(p, b):
    one, other, apart = p * b.rates
    return b.heights[0] * one * other / apart**2


def _attraction_gradient(p, b):
    one, other, apart = p * b.rates
    force = b.heights[0] * one * other / apart**2
    return force * jnp.stack([1 / one, 1 / other, -2 / apart]) * b.rates


def _softmax(p, b):
    logits = 30 * p * b.rates
    return jax.nn.logsumexp(logits) - logits[0]


def _softmax_gradient(p, b):
    chances = jax.nn.softmax(30 * p * b.rates)
    return 30 * (chances - jnp.eye(N)[0]) * b.rates


def _drowned(p, b):
    return 1e5 * b.targets[0] ** 2 + _sines[0](p, b)


def _bump(p, b):
    return jnp.sum(p * b.rates * jnp.exp(-((p * b.rates) ** 2)))


def _bump_gradient(p, b):
    x = p * b.rates
    return (1 - 2 * x**2) * jnp.exp(-(x**2)) * b.rates


def _huber_slope(x):
    return jnp.clip(x, -1, 1)


def _huber(x):
    return jnp.where(jnp.abs(x) < 1, x**2 / 2, jnp.abs(x) - 0.5)


_sines = _terms(jnp.sin, jnp.cos)


def _at_edge(normal):
    return np.maximum(normal, 0.0)


def _on_grid(normal):
    return np.round(normal)


def _inside(normal):
    return np.clip(normal, -1.0, 1.0)


def _power(exponent):
    return _terms(lambda x: x**exponent, lambda x: exponent * x ** (exponent - 1))


FAMILIES = {
    "sines": Family(*_sines),
    "tanh": Family(*_terms(jnp.tanh, lambda x: 1 - jnp.tanh(x) ** 2)),
    "exponentials": Family(*_terms(jnp.exp, jnp.exp)),
    "logarithms": Family(*_terms(jnp.log, lambda x: 1 / x), np.exp, zeros=False),
    "bumps": Family(_bump, _bump_gradient),
    "drowned": Family(_drowned, _sines[1], spread=3.0),
    "least squares": Family(_least_squares, _least_squares_gradient, spread=4.0),
    "logistic": Family(_logistic, _logistic_gradient),
    "discharge": Family(_discharge, _discharge_gradient, np.exp, zeros=False),
    "saturation": Family(_saturation, _saturation_gradient, np.exp, zeros=False),
    "attraction": Family(_attraction, _attraction_gradient, np.exp, zeros=False),
    "softmax": Family(_softmax, _softmax_gradient),
    "roots": Family(*_power(0.5), _at_edge),
    "powers 3/2": Family(*_power(1.5), _at_edge),
    "powers 5/2": Family(*_power(2.5), _at_edge),
    "arcsines": Family(*_terms(jnp.arcsin, lambda x: 1 / jnp.sqrt(1 - x**2)), _inside),
    "absolute values": Family(*_terms(jnp.abs, jnp.sign), _on_grid),
    "squared relus": Family(
        *_terms(lambda x: jax.nn.relu(x) ** 2, lambda x: 2 * jax.nn.relu(x)),
        _on_grid,
    ),
    "huber": Family(*_terms(_huber, _huber_slope), _on_grid),
}

# At these the terms have no offset, which would move them off their edges and kinks.
_UNMOVED = (
    *("roots", "powers 3/2", "powers 5/2", "arcsines", "logarithms"),
    *("absolute values", "squared relus", "huber"),
)

# Of these the second order is looked at too.
_TWICE = (
    *("sines", "least squares", "discharge", "powers 5/2"),
    *("absolute values", "squared relus", "huber"),
)

WRONG = (1.002, 0.998, 1.01, 1.1, 2.0, 0.5, 0.0, -1.0, np.nan, np.inf)


def _tampered(gradient: Callable[..., jax.Array], p: jax.Array, b: Batch) -> jax.Array:
    return jnp.where(b.replaced > 0, b.instead, gradient(p, b) * b.factors)


# One function for each family, by which its program is found again.
FORMS = {
    name: functools.partial(_tampered, family.gradient)
    for name, family in FAMILIES.items()
}


def _draw(
    name: str, generator: np.random.Generator, dtype: str
) -> tuple[np.ndarray, Batch]:
    family = FAMILIES[name]
    own = family.point(generator.normal(size=N))
    if family.zeros and generator.random() < 0.4:
        own[generator.integers(N)] = 0.0
    # Powers of two, so that a kink at one stays where it is in float32.
    decades = generator.uniform(-1, 1, N) * family.spread * generator.random()
    units = 2.0 ** np.round(decades * np.log2(10))
    offsets = np.zeros(N) if name in _UNMOVED else generator.normal(size=N)
    if generator.random() < 0.5:
        offsets = np.zeros(N)
    batch = Batch(
        heights=generator.normal(size=N) + 0.1,
        rates=1 / units,
        offsets=offsets,
        inputs=generator.normal(size=(ROWS, N)),
        targets=generator.normal(size=ROWS),
        factors=np.ones(N),
        replaced=np.zeros(N),
        instead=np.zeros(N),
    )
    cast = [np.asarray(leaf, dtype) for leaf in batch]
    return np.asarray(own * units, dtype), Batch(*cast)


def _exact(name: str, params: np.ndarray, batch: Batch, order: int) -> np.ndarray:
    """The derivative in float64, at the numbers that the objective is given."""
    with jax.enable_x64(True):
        p, b = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), (params, batch))
        gradient = functools.partial(FAMILIES[name].gradient, b=b)
        found = gradient(p)
        if order == 2:
            _, found = jax.jvp(gradient, (p,), (1 / b.rates,))
        return np.asarray(found)


def _on_kink(name: str, params: np.ndarray, batch: Batch, order: int) -> np.ndarray:
    """At which entries several derivatives are right."""
    own = np.abs(params * batch.rates)
    if order == 1:
        return (name == "absolute values") & (own == 0)
    kinks = {"absolute values": 0, "squared relus": 0, "huber": 1}
    return own == kinks.get(name, -1)


def _spoil(
    name: str,
    params: np.ndarray,
    batch: Batch,
    order: int,
    generator: np.random.Generator,
) -> tuple[Batch, str] | None:
    """Makes one entry of the closed form wrong; None where that cannot be done."""
    place, factor = generator.integers(N), generator.choice(WRONG)
    exact = _exact(name, params, batch, order)[place]
    on_kink = _on_kink(name, params, batch, order)[place]
    if order == 2:
        if on_kink or not np.isfinite(exact) or exact == 0:
            return None
        batch.factors[place] = factor
        return batch, f"[{place}] times {factor}"
    slope = batch.heights[place] * batch.rates[place]
    if on_kink:
        value = slope * generator.choice([1.01, -1.5, 30.0])
    elif exact == 0 or not np.isfinite(exact):
        value = slope * generator.choice([0.01, -1.0, 30.0])
    else:
        value = exact * factor
    batch.replaced[place], batch.instead[place] = 1, value
    return batch, f"[{place}] {value:.9g} instead of {exact:.9g}"


def _judge(verdict: Agreement, *, is_right: bool) -> bool | None:
    if verdict is Agreement.CANNOT_TELL:
        return None
    return is_right == (verdict is not Agreement.DISAGREES)


def cases(seed: int, n: int) -> Iterator[Outcome]:
    """Draws gradients, right and wrong, and judges the verdicts on them."""
    names = [*FAMILIES]
    for number in range(n):
        generator = np.random.default_rng([seed, number])
        # The same family many times in a row: its programs stay in use.
        name = names[number * len(names) // n]
        dtype = ("float32", "float64")[number % 2]
        # A second order for some families alone: each takes programs of its own.
        order = 2 if name in _TWICE and generator.random() < 0.3 else 1
        params, batch = _draw(name, generator, dtype)
        objective, spoiled = FAMILIES[name].objective, None
        if generator.random() < 0.6:
            spoiled = _spoil(name, params, batch, order, generator)
        batch, what = spoiled or (batch, "right")
        with jax.enable_x64(dtype == "float64"):
            report = compare(objective, params, batch, against=FORMS[name], order=order)
        (form,) = report.closed_forms
        right = _judge(form.verdict, is_right=spoiled is None)
        if report.autodiff.verdict is Agreement.DISAGREES:
            right = False
        case = f"{seed}/{number} {name} {dtype} order {order} at {params}: {what}"
        yield Outcome(right, f"{case}: {form.verdict}; {report.autodiff.verdict}")
