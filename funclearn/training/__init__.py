"""A training run as a pure function.

    train_step : (state, batch)       -> (state, info)
    fit        : (step, state, data)  -> run, with its final state and its history

The state holds everything that the next step depends on, so a run can be cut after
any epoch and continued; nothing is hidden, so it can be compiled whole, mapped and
differentiated like any other function.

Randomness derives from the state's key, which never changes: a step draws from
`fold_in(fold_in(key, 0), step)`, and the order of an epoch's minibatches from
`fold_in(fold_in(key, 1), epoch)`.
"""

from funclearn.training._fit import fit
from funclearn.training._missing import with_missing
from funclearn.training._repeat import blank_rows
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
    "History",
    "Run",
    "StepInfo",
    "TrainState",
    "TrainStep",
    "blank_rows",
    "fit",
    "init_state",
    "make_train_step",
    "with_missing",
]
