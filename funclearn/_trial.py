"""The trial of `funclearn._xla`, which runs in a process of its own.

What users sweep over is compiled whole and plainly, run, and compared. If the process
lives to the end and all agrees, XLA may be asked in theirs.
"""

import sys
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import PyTree

from funclearn import data, losses, models, stopping
from funclearn._lanes import compile_block
from funclearn.objectives import make_evaluation, make_objective
from funclearn.training import fit, init_state, make_train_step

__all__ = ["main"]

_DIFFERENT = 3  # exit status
_ROUNDING = 1e-4  # of the largest value
_EPOCHS = 70  # more than a loop collects the rows of before it writes them


def main() -> None:
    """Makes the trial; ends the process with status 3 if anything differs."""
    for run, size in _runs():
        rates = np.logspace(-5, -4, size, dtype=np.float32)
        closed = jax.jit(run).trace(jax.ShapeDtypeStruct((), rates.dtype)).jaxpr
        whole, plain = (
            compile_block(closed, size, whole)(closed.consts, [rates])
            for whole in (True, False)
        )
        if not all(map(_agree, whole, plain)):
            sys.exit(_DIFFERENT)


def _runs() -> Iterator[tuple[Callable[[PyTree], PyTree], int]]:
    """Runs, and for how many lanes; they make all they need from literals, within."""
    readings = data.thermometer()
    yield _fitted(models.linear, readings, stop=stopping.patience(2)), 16
    yield (
        _fitted(models.mlp((1, 8, 1)), data.Dataset(*(x[:, None] for x in readings))),
        1,
    )

    def integers(x: PyTree) -> PyTree:
        places = jnp.asarray([2, 0, 1])

        def body(trip: PyTree, carry: PyTree) -> PyTree:
            table, unused = carry
            inner = jax.lax.fori_loop(0, 2, lambda _, y: y + places[trip % 3], trip)
            return jnp.where(table > 5, table[places], table + inner), unused

        start = jnp.arange(3), jax.random.key(7)
        table, key = jax.lax.fori_loop(0, 4, body, start)
        return table, jax.random.key_data(key), x

    yield integers, 16


def _fitted(
    model: models.Model, train: data.Dataset, stop: stopping.Rule | None = None
) -> Callable[[PyTree], PyTree]:
    objective = make_objective(model, losses.mse)
    evaluate = make_evaluation(model, losses.mse)

    def run(rate: PyTree) -> PyTree:
        optimizer = optax.sgd(rate)
        params = model.init(jax.random.key(0))
        state = init_state(jax.random.key(1), params, optimizer)
        step = make_train_step(objective, optimizer)
        how = {"evaluate": evaluate, "stop": stop}
        ran = fit(step, state, train, train, epochs=_EPOCHS, **how)
        return ran.state.params, ran.history, ran.epochs

    return run


def _agree(whole: PyTree, plain: PyTree) -> bool:
    one, other = np.asarray(whole), np.asarray(plain)
    largest = np.max(np.abs(other), initial=0, where=np.isfinite(other))
    return np.allclose(one, other, rtol=0, atol=_ROUNDING * largest, equal_nan=True)
