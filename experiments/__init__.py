"""Experiments that compute what the texts on the mechanics of learning publish.

`python -m experiments` runs them all, `python -m experiments.NAME` one of them.
"""

__all__ = ["NAMES"]

NAMES = (
    "seven_steps",
    "broadcasting",
    "parameter_estimation",
    "autograd",
    "optimizers",
    "validation",
    "gradient_vectors",
    "computational_graph",
    "gradient_check",
    "wide_net",
    "fit_csv",
    "learning_rates",
    "split_uncertainty",
    "overfitting",
)
"""Every experiment, in the order in which the texts meet its subject."""
