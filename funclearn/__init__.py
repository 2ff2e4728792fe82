"""The mechanics of learning in functional JAX: a training run is a pure function.

Examples in the documentation of functions begin after

    import jax, jax.numpy as jnp, numpy as np, optax
    import funclearn as fl
"""

from importlib.metadata import version as _version
from typing import TYPE_CHECKING as _TYPE_CHECKING

from funclearn import _lazy
from funclearn import data as data
from funclearn import gradients as gradients
from funclearn import losses as losses
from funclearn import metrics as metrics
from funclearn import models as models
from funclearn import objectives as objectives
from funclearn import stopping as stopping
from funclearn import training as training
from funclearn.data import Dataset as Dataset
from funclearn.models import Model as Model
from funclearn.objectives import make_evaluation as make_evaluation
from funclearn.objectives import make_objective as make_objective
from funclearn.training import History as History
from funclearn.training import Run as Run
from funclearn.training import StepInfo as StepInfo
from funclearn.training import TrainState as TrainState
from funclearn.training import fit as fit
from funclearn.training import init_state as init_state
from funclearn.training import make_train_step as make_train_step

if _TYPE_CHECKING:
    from funclearn import analytic as analytic
    from funclearn import checkpoints as checkpoints
    from funclearn import devices as devices
    from funclearn import diagnosis as diagnosis
    from funclearn import graphs as graphs
    from funclearn import hypergradients as hypergradients
    from funclearn import optimizers as optimizers
    from funclearn import plots as plots
    from funclearn import running as running
    from funclearn import sweeps as sweeps
    from funclearn import testing as testing
    from funclearn import validation as validation

__version__ = _version("funclearn")

__getattr__, __dir__ = _lazy.attach(
    __name__,
    modules=(
        "analytic",
        "checkpoints",
        "devices",
        "diagnosis",
        "graphs",
        "hypergradients",
        "optimizers",
        "plots",
        "running",
        "sweeps",
        "testing",
        "validation",
    ),
)
