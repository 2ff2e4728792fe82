"""The mechanics of learning in functional JAX: a training run is a pure function."""

from importlib.metadata import version as _version

from funclearn import analytic as analytic
from funclearn import data as data
from funclearn import gradients as gradients
from funclearn import graphs as graphs
from funclearn import losses as losses
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

__version__ = _version("funclearn")
