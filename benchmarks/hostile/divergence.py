"""Random runs that diverge for a known reason, and some that do not.

The problems are least squares, whose largest stable rate NumPy knows, and a few losses
that overflow, leave their domain or have no minimum. A cause is wrong if it is not the
one that was built in, an advice if the run, made again with it, does not learn. Rates
and decays travel in the optimizer's state, so that every kind compiles once.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.hostile._outcome import Outcome
from funclearn import (
    Dataset,
    TrainState,
    fit,
    gradients,
    init_state,
    losses,
    make_objective,
    make_train_step,
    models,
)
from funclearn.diagnosis import explain_divergence

_EPOCHS = 150
_KEY = jax.random.key(0)
Random = np.random.Generator


class Case(NamedTuple):
    """A run: what it is made of, and what is wrong with it.

    Attributes:
        cause: None where nothing is.
        problem: a name of `_objective`.
        kind: a name of `_step`.
        data: of the problem.
        params: where it starts.
        rate: the learning rate.
        momentum: of gradient descent.
        decay: of the parameters.
        batch_size: rows a step.
    """

    cause: str | None
    problem: str
    kind: str
    data: Dataset
    params: models.LinearParams
    rate: float
    momentum: float = 0.0
    decay: float = 0.0
    batch_size: int | None = None


def _largest(inputs: np.ndarray) -> float:
    """The largest curvature of the mean squared error of an affine model."""
    design = np.c_[inputs, np.ones(len(inputs))]
    return float(np.linalg.eigvalsh(2 * design.T @ design / len(inputs))[-1])


def _least_squares(random: Random, rows: int = 24) -> tuple[Dataset, float]:
    """Data whose inputs have a random scale, and the largest curvature."""
    scale = np.exp(random.uniform(-2, 2))
    inputs = scale * random.normal(size=(rows, 3))
    targets = inputs @ random.normal(size=3) / scale + 0.1 * random.normal(size=rows)
    largest = _largest(inputs)
    single = jnp.float32
    return Dataset(jnp.asarray(inputs, single), jnp.asarray(targets, single)), largest


def _start(random: Random) -> Any:
    weight = jnp.asarray(random.normal(size=3), jnp.float32)
    return models.LinearParams(weight, jnp.asarray(random.normal(), jnp.float32))


@functools.cache
def _objective(problem: str) -> Callable[..., jax.Array]:
    if problem == "squares":
        return make_objective(models.affine(3), losses.mse)

    def objective(params: Any, batch: Dataset, key: Any) -> jax.Array:
        del key
        lines = batch.inputs @ params.weight + params.bias
        if problem == "exp":
            return jnp.mean((jnp.exp(lines) - batch.targets) ** 2)
        if problem == "log":
            scale = params.bias
            errors = (batch.inputs @ params.weight - batch.targets) ** 2
            return jnp.mean(errors) / 100 + scale - jnp.log(scale)
        return -jnp.mean((lines - batch.targets) ** 2)

    return objective


_OPTIMIZERS = {
    "sgd": lambda learning_rate, momentum, decay: optax.sgd(learning_rate, momentum),
    "adam": lambda learning_rate, momentum, decay: optax.adam(learning_rate),
    "rmsprop": lambda learning_rate, momentum, decay: optax.rmsprop(learning_rate),
    "clipped": lambda learning_rate, momentum, decay: optax.chain(
        optax.clip_by_global_norm(1.0), optax.sgd(learning_rate)
    ),
    "decayed": lambda learning_rate, momentum, decay: optax.chain(
        optax.sgd(1.0), optax.add_decayed_weights(-decay), optax.scale(learning_rate)
    ),
    "adamw": lambda learning_rate, momentum, decay: optax.adamw(
        learning_rate, weight_decay=decay
    ),
    "ascent": lambda learning_rate, momentum, decay: optax.chain(
        optax.sgd(1.0), optax.scale(-learning_rate)
    ),
}


@functools.cache
def _step(problem: str, kind: str) -> tuple[Any, Any]:
    objective = _objective(problem)
    if kind == "rising":
        rises = optax.exponential_decay(1.0, 20, 3.0)
        optimizer = optax.chain(
            optax.inject_hyperparams(_OPTIMIZERS["sgd"])(1.0, 0.0, 0.0),
            optax.scale_by_schedule(rises),
        )
        return optimizer, make_train_step(objective, optimizer)
    name = kind.removeprefix("wrong ").removeprefix("tenfold ")
    optimizer = optax.inject_hyperparams(_OPTIMIZERS[name])(1.0, 0.0, 0.0)
    factor = {"wrong": -1.0, "tenfold": 10.0}.get(kind.split()[0])
    method = gradients.autodiff
    if factor is not None:

        def closed_form(params: Any, batch: Dataset) -> Any:
            slope = jax.grad(objective)(params, batch, None)
            return jax.tree.map(lambda leaf: factor * leaf, slope)

        method = gradients.given(closed_form)
    return optimizer, make_train_step(objective, optimizer, gradient=method)


def _state(case: Case, rate: float) -> TrainState:
    optimizer, _ = _step(case.problem, case.kind)
    state = init_state(_KEY, case.params, optimizer)
    numbers = {"learning_rate": rate, "momentum": case.momentum, "decay": case.decay}

    def inject(node: Any) -> Any:
        if not hasattr(node, "hyperparams"):
            return node
        values = {
            name: jnp.asarray(numbers[name], node.hyperparams[name].dtype)
            for name in node.hyperparams
        }
        return node._replace(hyperparams=values)

    found = jax.tree.map(
        inject, state.opt_state, is_leaf=lambda node: hasattr(node, "hyperparams")
    )
    return state._replace(opt_state=found)


def _rate(random: Random) -> Case:
    data, largest = _least_squares(random)
    kind = random.choice(["sgd", "momentum", "adam", "rmsprop", "clipped"])
    if kind in ("sgd", "momentum"):
        momentum = 0.0 if kind == "sgd" else float(random.uniform(0.3, 0.95))
        rate = 2 * (1 + momentum) / largest * np.exp(random.uniform(0.3, 4))
        return _case("learning rate", "sgd", data, random, rate, momentum=momentum)
    rate = np.exp(random.uniform(5, 9))
    return _case("learning rate", str(kind), data, random, rate)


def _case(
    cause: str | None,
    kind: str,
    data: Dataset,
    random: Random,
    rate: float,
    **more: Any,
) -> Case:
    return Case(cause, "squares", kind, data, _start(random), float(rate), **more)


def _fine(random: Random) -> Case:
    data, largest = _least_squares(random)
    return _case(None, "sgd", data, random, random.uniform(0.05, 0.9) / largest)


def _sign(random: Random) -> Case:
    data, largest = _least_squares(random)
    kind = random.choice(["wrong sgd", "wrong adam"])
    rate = np.exp(random.uniform(-3, 0)) / largest
    if kind == "wrong adam":
        rate = random.uniform(0.02, 0.2)
    return _case("sign of the gradient", str(kind), data, random, rate)


def _factor(random: Random) -> Case:
    data, largest = _least_squares(random)
    rate = random.uniform(0.3, 0.9) / largest
    return _case("wrong gradient", "tenfold sgd", data, random, rate)


def _uphill(random: Random) -> Case:
    data, largest = _least_squares(random)
    rate = np.exp(random.uniform(-3, 0)) / largest
    return _case("uphill", "ascent", data, random, rate)


def _decay(random: Random) -> Case:
    data, largest = _least_squares(random)
    rate = random.uniform(0.2, 0.9) / largest
    kind = random.choice(["decayed", "adamw"])
    if kind == "adamw":
        rate = random.uniform(0.01, 0.1)
    decay = random.uniform(2.5, 6) / rate
    return _case("weight decay", str(kind), data, random, rate, decay=decay)


def _schedule(random: Random) -> Case:
    data, largest = _least_squares(random)
    rate = np.exp(random.uniform(-3.5, -1.5)) / largest
    return _case("schedule", "rising", data, random, rate)


def _not_a_number(random: Random) -> Case:
    found = _fine(random)
    row = random.integers(24)
    bad = random.choice([np.nan, np.inf, -np.inf])
    if random.random() < 0.5:
        data = found.data._replace(
            targets=jnp.asarray(found.data.targets).at[row].set(bad)
        )
    else:
        data = found.data._replace(
            inputs=jnp.asarray(found.data.inputs).at[row, 1].set(bad)
        )
    return found._replace(cause="data", data=data)


def _overflow(random: Random) -> Case:
    inputs = random.uniform(0, 3, size=(24, 3))
    targets = np.exp(inputs @ random.uniform(0.3, 0.9, size=3))
    data = Dataset(jnp.asarray(inputs, jnp.float32), jnp.asarray(targets, jnp.float32))
    found = _case("overflow", "sgd", data, random, random.uniform(0.5, 5))
    zero = jax.tree.map(jnp.zeros_like, found.params)
    return found._replace(problem="exp", params=zero)


def _domain(random: Random) -> Case:
    data, largest = _least_squares(random)
    rate = min(random.uniform(4, 9), 100 / largest)
    bias = jnp.float32(random.uniform(2, 3.5))
    found = _case("outside the domain", "sgd", data, random, max(rate, 4.0))
    params = found.params._replace(bias=bias)
    small = data._replace(inputs=data.inputs / jnp.max(jnp.abs(data.inputs)))
    return found._replace(problem="log", params=params, data=small)


def _unbounded(random: Random) -> Case:
    data, largest = _least_squares(random)
    rate = random.uniform(0.5, 2) / largest
    return _case("no minimum", "sgd", data, random, rate)._replace(problem="concave")


def _half(random: Random) -> Case:
    data, _ = _least_squares(random)
    inputs = np.asarray(data.inputs / jnp.max(jnp.abs(data.inputs))) * 300
    # A mean of products of 300 and 10,000 exceeds 65,504.
    targets = 10_000 * (1 + random.random(24)) * np.sign(inputs[:, 0])
    largest = _largest(inputs)
    rate = random.uniform(0.2, 0.9) / largest
    half = Dataset(jnp.asarray(inputs, jnp.float16), jnp.asarray(targets, jnp.float16))
    found = _case("precision", "sgd", half, random, rate)
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float16), found.params)
    return found._replace(params=params)


def _batches(random: Random) -> Case:
    data, _ = _least_squares(random)
    inputs = np.array(data.inputs / jnp.max(jnp.abs(data.inputs)))
    inputs[0] *= random.uniform(20, 30)
    largest = _largest(inputs)
    data = data._replace(inputs=jnp.asarray(inputs))
    rate = random.uniform(0.4, 0.9) / largest
    return _case("minibatches", "sgd", data, random, rate, batch_size=1)


_FAMILIES = (
    _rate,
    _fine,
    _sign,
    _factor,
    _uphill,
    _rate,
    _decay,
    _schedule,
    _not_a_number,
    _overflow,
    _domain,
    _unbounded,
    _half,
    _batches,
)


def _run(case: Case, rate: float) -> tuple[Any, TrainState, Any]:
    _, step = _step(case.problem, case.kind)
    state = _state(case, rate)
    size = case.batch_size
    return fit(step, state, case.data, epochs=_EPOCHS, batch_size=size), state, step


def _judged(case: Case) -> tuple[bool | None, str]:
    run, state, step = _run(case, case.rate)
    found = explain_divergence(
        run,
        _objective(case.problem),
        step,
        state,
        case.data,
        learning_rate=case.rate,
        momentum=case.momentum,
        batch_size=case.batch_size,
    )
    history = np.asarray(run.history.loss, np.float64)
    late = history[-10:]
    expected = case.cause
    if np.isfinite(history).all():
        if np.median(late) < history[0]:
            # It came back from where it had jumped to.
            expected = None
        elif found is None and np.median(late) < 2 * history[0]:
            # Oscillations that die away about the start may be called either.
            expected = None
        elif case.cause == "outside the domain":
            expected = "learning rate"
    if found is None or expected is None:
        return found is None and expected is None, f"{found}, {history[0]}, {late}"
    said = f"{found.cause}: {found}"
    if found.cause == "cannot tell":
        return None, said
    if found.tested is not None:
        again, _, _ = _run(case, found.suggestion)
        history = np.asarray(again.history.loss, np.float64)
        if not (np.isfinite(history).all() and history[-1] <= history[0]):
            return False, f"{said} Then the loss ends at {history[-1]}."
    return found.cause == expected, said


def cases(seed: int, n: int) -> Iterator[Outcome]:
    """Random divergences, each family in turn."""
    for number in range(n):
        family = _FAMILIES[number % len(_FAMILIES)]
        case = family(np.random.default_rng([seed, number]))
        right, said = _judged(case)
        name = f"{family.__name__[1:]} (seed {seed}, number {number}, {case.kind})"
        yield Outcome(right, f"{name}, {case.cause} expected, {said}")
