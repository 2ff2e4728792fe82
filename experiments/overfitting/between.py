"""What three polynomials do between the points that they are fitted to.

The same rows, the same descent: one polynomial is too simple, one about right and one
as free as the rows are many. Their losses by epoch tell them apart before anybody has
seen the curves: the training loss does not fall, or both fall together, or they part.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments._thermometer import LOSSES
from experiments.overfitting.chapter import UNSEEN_ROWS, Config
from experiments.overfitting.families import polynomial
from funclearn.diagnosis import Verdict, diagnose

__all__ = ["GRID", "Fitted", "compare_degrees"]

GRID = np.linspace(-1, 1, 201, dtype=np.float32)[:, None]


class Fitted(NamedTuple):
    """A polynomial after training.

    Attributes:
        degree: of the polynomial.
        seen: the rows that it was trained on.
        curve: `(201,)`, its predictions on `GRID`.
        run: its losses by epoch; the evaluation is the loss on unseen rows.
        verdict: what `diagnose` makes of them.
        unseen: the rows that it was judged by.
        path: `(epochs, degree + 1)`, the coefficients that every epoch began with.
    """

    degree: int
    seen: fl.Dataset
    curve: np.ndarray
    run: fl.Run
    verdict: Verdict
    unseen: fl.Dataset
    path: np.ndarray


def compare_degrees(config: Config) -> list[Fitted]:
    """Trains polynomials of `config.compared` degrees on one data set."""
    seen_key, unseen_key = jax.random.split(jax.random.key(config.seed))
    seen = fl.data.noisy_sine(seen_key, config.rows, config.noise)
    unseen = fl.data.noisy_sine(unseen_key, UNSEEN_ROWS, config.noise)
    return [_fit(degree, seen, unseen, config) for degree in config.compared]


def _fit(degree: int, seen: fl.Dataset, unseen: fl.Dataset, config: Config) -> Fitted:
    model = polynomial(degree, jnp.asarray(degree))
    loss = LOSSES[config.loss].function
    optimizer = optax.adam(config.learning_rate)
    step = fl.make_train_step(fl.make_objective(model, loss), optimizer)
    key = jax.random.key(config.seed)
    run = fl.fit(
        step,
        fl.init_state(key, model.init(key), optimizer),
        seen,
        unseen,
        epochs=config.epochs,
        evaluate=fl.make_evaluation(model, loss),
        record=_losses_and_coefficients,
    )
    run, path = _parted(jax.device_get(run), model.init(key))
    curve = np.asarray(model.apply(run.state.params, jnp.asarray(GRID)))[:, 0]
    # What the best constant leaves: a loss that stays there learnt nothing.
    center = jnp.median(seen.targets) if config.loss == "mae" else seen.targets.mean()
    baseline = float(loss(jnp.full_like(seen.targets, center), seen.targets))
    verdict = diagnose(run, unseen, baseline=baseline)
    return Fitted(degree, seen, curve, run, verdict, unseen, path)


def _losses_and_coefficients(
    state: fl.TrainState, info: fl.StepInfo, evaluation: jax.Array
) -> tuple[fl.History, jax.Array]:
    return fl.History(info.loss, evaluation), state.params


def _parted(run: fl.Run, initial: jax.Array) -> tuple[fl.Run, np.ndarray]:
    """A run with the losses alone, and the coefficients `(epochs, coefficients)`."""
    (history, after), (final, _) = run.history, run.final
    # Losses are taken before the update of their epoch, coefficients after it.
    before = np.concatenate([np.asarray(initial)[None], after[:-1]])
    return run._replace(history=history, final=final), before[:, :, 0]
