"""The examples in the docstrings of the core functions run and print what they say."""

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn import (
    diagnosis,
    graphs,
    hypergradients,
    sweeps,
    testing,
    validation,
)

CORE = {
    "data.thermometer": fl.data.thermometer,
    "data.noisy_sine": fl.data.noisy_sine,
    "data.read_csv": fl.data.read_csv,
    "data.split": fl.data.split,
    "data.folds": fl.data.folds,
    "data.standardise": fl.data.standardise,
    "models.polynomial": fl.models.polynomial,
    "models.mlp": fl.models.mlp,
    "models.mixed_precision": fl.models.mixed_precision,
    "losses.mse": fl.losses.mse,
    "make_objective": fl.make_objective,
    "make_evaluation": fl.make_evaluation,
    "gradients.autodiff": fl.gradients.autodiff,
    "gradients.finite_difference": fl.gradients.finite_difference,
    "gradients.given": fl.gradients.given,
    "gradients.compare": fl.gradients.compare,
    "gradients.accumulated": fl.gradients.accumulated,
    "init_state": fl.init_state,
    "make_train_step": fl.make_train_step,
    "fit": fl.fit,
    "training": fl.training,
    "training.averaged": fl.training.averaged,
    "training.loss_scaling": fl.training.loss_scaling,
    "training.prepare_state": fl.training.prepare_state,
    "training.scale_by_epoch": fl.training.scale_by_epoch,
    "optimizers.sgd": fl.optimizers.sgd,
    "optimizers.asgd": fl.optimizers.asgd,
    "optimizers.adam": fl.optimizers.adam,
    "optimizers.lbfgs": fl.optimizers.lbfgs,
    **{
        f"optimizers.schedules.{name}": getattr(fl.optimizers.schedules, name)
        for name in (
            "step_lr",
            "linear_lr",
            "one_cycle_lr",
            "cyclic_lr",
            "sequential_lr",
            "reduce_lr_on_plateau",
        )
    },
    "checkpoints.fingerprint": fl.checkpoints.fingerprint,
    "checkpoints.latest": fl.checkpoints.latest,
    "checkpoints.prune": fl.checkpoints.prune,
    "checkpoints.restore": fl.checkpoints.restore,
    "checkpoints.save": fl.checkpoints.save,
    "running.run": fl.running.run,
    "stopping.closest": fl.stopping.closest,
    "running.cache_programs": fl.running.cache_programs,
    "stopping.patience": fl.stopping.patience,
    "stopping.when": fl.stopping.when,
    "sweeps.sweep": sweeps.sweep,
    "validation.cross_validate": validation.cross_validate,
    "diagnosis.diagnose": diagnosis.diagnose,
    "diagnosis.stability": diagnosis.stability,
    "graphs.trace": graphs.trace,
    "hypergradients": hypergradients,
    "hypergradients.checkpointed": hypergradients.checkpointed,
    "hypergradients.hypergradient": hypergradients.hypergradient,
    "testing.assert_gradients_agree": testing.assert_gradients_agree,
    "testing.assert_resumes": testing.assert_resumes,
}


@pytest.mark.parametrize("name", CORE)
def test_the_example_of(name, compilation_cache):
    function = CORE[name]
    names = {"jax": jax, "jnp": jnp, "np": np, "optax": optax, "fl": fl}
    (example,) = doctest.DocTestFinder(recurse=False).find(function, name, globs=names)
    assert example.examples, "it has none"
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(
        example
    )
    assert result.attempted and not result.failed
