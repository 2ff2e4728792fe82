"""Learns the learning rate by gradient descent, through the whole training run.

A training run is a function: of its learning rate, of one rate for every step, of how
much every reading counts. So it has derivatives by all of them, and what is descent on
parameters for a model is descent on settings for a run. What descends is the loss on
two temperatures that are known, since the readings turned out to be degrees Fahrenheit:
water freezes at 32 °F, 0 °C, and people have 98.6 °F, 37 °C.

A single rate must suit the direction in which the loss is steepest, and is far too
small for the others. One rate an epoch need not be: a few small ones put the steep
direction to rest, and a single huge one then takes the flat direction in one step.

The derivative by the weight of a reading says whether the reading helps or hurts. It
comes for all of them at once, and is compared with training again without each.

Past the largest stable rate a run multiplies whatever happens to it, and its derivative
with it: huge, right, and of no use. How fast perturbations grow says so.
"""

import dataclasses
import itertools
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments._thermometer import evaluate, initial_params, objective
from experiments.harness import Count, Positive, Settings
from funclearn.diagnosis import Stability, stability
from funclearn.hypergradients import Hypergradient, hypergradient

SOURCES = (
    "Deep Learning with PyTorch, chapter 5",
    "Foundations for machine learning",
)
KNOWN = fl.Dataset(inputs=np.array([32.0, 98.6]), targets=np.array([0.0, 37.0]))
OTHERS_KNOWN = (14.0, 32.0, 50.0, 68.0, 98.6)  # °F
PARTS_OF_LIMIT = (0.5, 0.99, 1.02, 1.2)

# Readings on one scale are fitted by these, to the last digit.
_CONVERGED = {"rate": 0.1, "epochs": 200}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Settings of the experiment."""

    first_rate: Positive = 1e-4
    """Learning rate that the descent on learning rates begins with."""
    descents: Count = 12
    """Number of steps of that descent."""
    epochs: Count = 100
    """Number of epochs of the runs with one learning rate."""
    rates: Count = 200
    """Number of learning rates whose loss is drawn."""
    schedule_epochs: Count = 20
    """Number of epochs of the runs with one rate an epoch."""
    schedule_descents: Count = 2000
    """Number of steps of the descent on these rates."""
    first_schedule_rate: Positive = 1e-3
    """Learning rate of all epochs that this descent begins with."""
    input_scale: Positive = 10.0
    """What the readings are divided by to scale them."""


class Descent(NamedTuple):
    """The steps of a descent on a learning rate, `(steps,)` each."""

    rates: np.ndarray
    losses: np.ndarray


class Schedule(NamedTuple):
    """One rate an epoch, learned, beside the best single rate.

    Attributes:
        rates: `(epochs,)`, learned.
        losses: `(epochs + 1,)`, on the known temperatures before and after every epoch.
        constant: the best single rate among those tried.
        constant_losses: `(epochs + 1,)`, with that.
    """

    rates: np.ndarray
    losses: np.ndarray
    constant: float
    constant_losses: np.ndarray


class Influence(NamedTuple):
    """What every reading does to the loss, `(readings,)` each.

    Attributes:
        predicted: by how much leaving it out raises the loss, by the derivative.
        halfway: the same by the derivative where the reading counts half.
        found: by training again without it.
        loss: after training on all of them.
        agreeing: `(pairs,)`, of how many readings the sign by the derivative is that by
            training again, where other pairs of temperatures are known.
    """

    predicted: np.ndarray
    halfway: np.ndarray
    found: np.ndarray
    loss: float
    agreeing: np.ndarray


class Edge(NamedTuple):
    """The derivative by the rate around the largest stable rate, `(rates,)` each.

    Attributes:
        parts: of that rate.
        slopes: the derivative of the loss.
        growths: by what a perturbation is multiplied in a step, measured.
        expected: the same by the curvatures.
        checked: the results at `PARTS_OF_LIMIT`, held against finite differences.
    """

    parts: np.ndarray
    slopes: np.ndarray
    growths: np.ndarray
    expected: np.ndarray
    checked: tuple[Hypergradient | None, ...]


class Result(NamedTuple):
    """What was learned of rates, schedules and readings.

    Attributes:
        limit: the largest stable learning rate, 2/λ.
        rates: `(rates,)`, those tried.
        losses: `(rates,)`, what each of them leads to.
        descent: the descent on the learning rate.
        schedule: the learned schedule.
        influence: what every reading does.
        edge: the derivative around the limit.
    """

    limit: float
    rates: np.ndarray
    losses: np.ndarray
    descent: Descent
    schedule: Schedule
    influence: Influence
    edge: Edge


def loss_of(
    rate: optax.ScalarOrSchedule,
    readings: fl.Dataset,
    known: fl.Dataset,
    epochs: int,
    weights: jax.Array | None = None,
) -> jax.Array:
    """The loss on the known temperatures after training on the readings."""
    optimizer = optax.sgd(rate)
    state = fl.init_state(jax.random.key(0), initial_params(), optimizer)
    step = fl.make_train_step(objective, optimizer)
    weighted = readings._replace(weights=weights)
    params = fl.fit(step, state, weighted, epochs=epochs).state.params
    return evaluate(params, known)


@partial(jax.jit, static_argnames="epochs")
def log_loss(
    log_rate: jax.Array, readings: fl.Dataset, known: fl.Dataset, epochs: int
) -> jax.Array:
    """The same in logarithms: rates and losses are compared by their factors."""
    return jnp.log(loss_of(jnp.exp(log_rate), readings, known, epochs))


def log_loss_of_schedule(
    log_rates: jax.Array, readings: fl.Dataset, known: fl.Dataset
) -> jax.Array:
    """The same with one rate an epoch."""
    rates = jnp.exp(log_rates)
    loss = loss_of(lambda count: rates[count], readings, known, len(rates))
    return jnp.log(loss)


@jax.jit
def measure(readings: fl.Dataset) -> Stability:
    """How the loss bends at the start."""
    return stability(objective, initial_params(), readings)


def descend(readings: fl.Dataset, known: fl.Dataset, config: Config) -> Descent:
    """Descends on the learning rate, with steps that learn from their failures."""
    slope = hypergradient(log_loss, "log_rate", check=False, growth=False)
    others = {"readings": readings, "known": known, "epochs": config.epochs}
    length, log_rate = 1.0, jnp.log(config.first_rate)
    found = slope(log_rate=log_rate, **others)
    path = [(log_rate, found.value)]
    for _ in range(config.descents):
        ahead = log_rate - length * found["log_rate"]
        while not log_loss(ahead, **others) <= found.value:
            length /= 2
            ahead = log_rate - length * found["log_rate"]
        length *= 2
        log_rate, found = ahead, slope(log_rate=ahead, **others)
        path.append((log_rate, found.value))
    return Descent(*np.exp(np.array(path, float)).T)


@jax.jit
def losses_along(
    rates: jax.Array, readings: fl.Dataset, known: fl.Dataset
) -> jax.Array:
    """The losses `(epochs + 1,)` on the known temperatures, epoch by epoch."""
    optimizer = optax.sgd(lambda count: rates[count])
    state = fl.init_state(jax.random.key(0), initial_params(), optimizer)
    step = fl.make_train_step(objective, optimizer)
    ran = fl.fit(step, state, readings, known, epochs=len(rates), evaluate=evaluate)
    last = evaluate(ran.state.params, known)
    return jnp.append(ran.history.evaluation, last)


def learn_schedule(
    readings: fl.Dataset, known: fl.Dataset, rates: np.ndarray, config: Config
) -> Schedule:
    """Descends on one rate an epoch by Adam, in one loop, and keeps the best."""
    adam = optax.adam(0.1)
    start = jnp.full(config.schedule_epochs, jnp.log(config.first_schedule_rate))

    @jax.jit
    def learn() -> jax.Array:
        def step(carry: tuple, _: None) -> tuple[tuple, None]:
            log_rates, opt_state, best, least = carry
            found = hypergradient(
                log_loss_of_schedule,
                {"log_rates": log_rates},
                growth=False,
                readings=readings,
                known=known,
            )
            better = found.value < least
            best = jnp.where(better, log_rates, best)
            updates, opt_state = adam.update(found["log_rates"], opt_state)
            after = optax.apply_updates(log_rates, updates)
            least = jnp.where(better, found.value, least)
            return (after, opt_state, best, least), None

        carry = start, adam.init(start), start, jnp.inf
        carry, _ = jax.lax.scan(step, carry, length=config.schedule_descents)
        return jnp.exp(carry[2])

    learned = learn()
    constant = jax.vmap(lambda rate: jnp.full(config.schedule_epochs, rate))
    along = jax.vmap(losses_along, (0, None, None))
    tried = np.asarray(along(constant(jnp.asarray(rates)), readings, known))
    best = np.nanargmin(tried[:, -1])
    losses = losses_along(learned, readings, known)
    return Schedule(
        np.asarray(learned), np.asarray(losses), float(rates[best]), tried[best]
    )


def weigh(raw: fl.Dataset) -> Influence:
    """Finds what every reading does to the loss, beforehand and by leaving it out."""
    readings, scaler = fl.data.standardise(raw)
    known = scaler(jax.tree.map(jnp.float32, KNOWN))
    ones, single = jnp.ones(len(raw.inputs)), jnp.eye(len(raw.inputs))

    def run(weights: jax.Array) -> jax.Array:
        return loss_of(readings=readings, known=known, weights=weights, **_CONVERGED)

    def by_weights(weights: jax.Array) -> Hypergradient:
        return hypergradient(run, {"weights": weights}, growth=False)

    @jax.jit
    def all_of() -> tuple[jax.Array, ...]:
        # All readings count in full, then each of them half.
        whole = jax.vmap(by_weights)(jnp.vstack([ones, 1 - single / 2]))
        first, *halves = -whole["weights"]
        loss = whole.value[0]
        found = jax.vmap(run)(1 - single) - loss
        return first, jnp.diag(jnp.stack(halves)), found, loss

    first, halfway, found, loss = map(np.asarray, all_of())
    agreeing = np.asarray(_agreeing(readings, scaler))
    return Influence(first, halfway, found, float(loss), agreeing)


def _agreeing(readings: fl.Dataset, scaler: fl.data.Scaler) -> jax.Array:
    """For all pairs of `OTHERS_KNOWN`, how many signs are right."""
    pairs = np.array([*itertools.combinations(OTHERS_KNOWN, 2)], np.float32)
    known = jax.vmap(scaler)(fl.Dataset(pairs, (pairs - 32) / 1.8))
    ones, single = jnp.ones(len(readings.inputs)), jnp.eye(len(readings.inputs))

    def of_pair(known: fl.Dataset) -> jax.Array:
        def run(weights: jax.Array) -> jax.Array:
            return loss_of(
                readings=readings, known=known, weights=weights, **_CONVERGED
            )

        loss, slopes = jax.value_and_grad(run)(ones)
        found = jax.vmap(run)(1 - single) - loss
        return jnp.sum(jnp.sign(-slopes) == jnp.sign(found))

    return jax.jit(jax.vmap(of_pair))(known)


def look_past(
    readings: fl.Dataset, known: fl.Dataset, curvatures: np.ndarray, config: Config
) -> Edge:
    """Takes the derivative by the rate on both sides of the largest stable rate."""
    limit = 2 / curvatures.max()
    parts = np.linspace(0.8, 1.2, 41)
    others = {"readings": readings, "known": known, "epochs": config.epochs}
    slope = hypergradient(loss_of, "rate", check=False)
    swept = jax.jit(jax.vmap(lambda rate: slope(rate=rate, **others)))
    found = swept(jnp.asarray(parts * limit, jnp.float32))
    assert found.growth is not None
    left = np.abs(1 - parts[:, None] * limit * curvatures)
    return Edge(
        parts,
        np.asarray(found["rate"]),
        np.asarray(found.growth.rate, float),
        left.max(axis=1),
        tuple(_checked(part * limit, others) for part in PARTS_OF_LIMIT),
    )


def _checked(rate: float, others: dict) -> Hypergradient | None:
    """The derivative, held against finite differences; None where it is no number."""
    try:
        return hypergradient(loss_of, {"rate": rate}, **others)
    except FloatingPointError:
        return None


def study(config: Config) -> Result:
    """Descends on the rate and on a schedule, weighs the readings, passes the limit."""
    raw = fl.data.thermometer()
    scale = fl.data.Scaler(input_scale=config.input_scale)
    readings, known = scale(raw), scale(jax.tree.map(jnp.float32, KNOWN))
    bends = measure(readings)
    curvatures = np.array([bends.smallest, bends.largest], float)
    limit = 2 / curvatures.max()
    rates = np.geomspace(config.first_rate / 10, 1.1 * limit, config.rates)
    losses = jax.jit(
        jax.vmap(lambda rate: loss_of(rate, readings, known, config.epochs))
    )(jnp.asarray(rates, jnp.float32))
    descent = descend(readings, known, config)
    edge = look_past(readings, known, curvatures, config)
    return Result(
        limit,
        rates,
        np.asarray(losses),
        descent,
        learn_schedule(readings, known, rates, config),
        weigh(raw),
        edge,
    )
