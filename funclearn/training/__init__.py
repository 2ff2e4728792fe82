"""A training run as a pure function.

    train_step : (state, batch)       -> (state, info)
    fit        : (step, state, data)  -> run, with its final state and its history

The state holds everything that the next step depends on, so a run can be cut after
any epoch and continued; nothing is hidden, so it can be compiled whole, mapped and
differentiated like any other function.

Randomness derives from the state's key, which never changes: a step draws from
`fold_in(fold_in(key, 0), step)`, and the order of an epoch's minibatches from
`fold_in(fold_in(key, 1), epoch)`.

Recipes over optax:

Clipping is a part of the optimizer, before what it is to act on:

    >>> clipped = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.1))

Schedules of optax count steps; `scale_by_epoch` gives them the number of epochs:

    >>> by_steps = optax.sgd(optax.exponential_decay(0.1, 30, 0.5))
    >>> halved = optax.piecewise_constant_schedule(0.1, {10: 0.5, 20: 0.5})
    >>> by_epochs = optax.chain(optax.sgd(1.0), fl.training.scale_by_epoch(halved))

A large batch is taken in parts by `fl.gradients.accumulated`, one update for all of
them, each part weighted by its rows. `optax.MultiSteps` makes one update of several
steps instead, whose minibatches it weights alike: with a short last one that is not the
gradient of all rows, unless the batches of an epoch are of one size.

    >>> train, scaler = fl.data.standardise(fl.data.thermometer())  # eleven rows
    >>> model, key = fl.models.linear, jax.random.key(0)
    >>> objective = fl.make_objective(model, fl.losses.mse)
    >>> def weight_after_an_epoch(optimizer, method, batch_size):
    ...     step = fl.make_train_step(objective, optimizer, gradient=method)
    ...     state = fl.init_state(key, model.init(key), optimizer)
    ...     run = fl.fit(step, state, train, epochs=1, batch_size=batch_size)
    ...     return f"{run.state.params.weight:.3f}"
    >>> sgd, autodiff = optax.sgd(0.1), fl.gradients.autodiff
    >>> print(weight_after_an_epoch(sgd, autodiff, None))  # all rows at once
    2.271
    >>> print(weight_after_an_epoch(sgd, fl.gradients.accumulated(4), None))
    2.271
    >>> print(weight_after_an_epoch(optax.MultiSteps(sgd, 3), autodiff, 4))
    2.232
"""

from funclearn._notes import Averages, averaged
from funclearn.training._advance import advance, with_goal
from funclearn.training._averages import latest, prepare_state
from funclearn.training._epoch import order_key, order_of
from funclearn.training._fit import fit
from funclearn.training._loss_scale import LossScale, loss_scaling
from funclearn.training._missing import with_missing
from funclearn.training._part_programs import Begun, Rest
from funclearn.training._parts import Parts
from funclearn.training._repeat import blank_rows
from funclearn.training._schedules import scale_by_epoch
from funclearn.training._state import (
    History,
    Run,
    StepInfo,
    TrainState,
    TrainStep,
    init_state,
)
from funclearn.training._step import make_train_step

__all__ = [
    "Averages",
    "Begun",
    "History",
    "LossScale",
    "Parts",
    "Rest",
    "Run",
    "StepInfo",
    "TrainState",
    "TrainStep",
    "advance",
    "averaged",
    "blank_rows",
    "fit",
    "init_state",
    "latest",
    "loss_scaling",
    "make_train_step",
    "order_key",
    "order_of",
    "prepare_state",
    "scale_by_epoch",
    "with_goal",
    "with_missing",
]
