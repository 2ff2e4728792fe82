"""Experiments that compute what the texts on the mechanics of learning publish.

`python -m experiments` runs them all, `python -m experiments.NAME` one of them.
"""

from types import MappingProxyType

__all__ = ["NAMES", "SUBJECTS", "TITLES"]

TITLES = MappingProxyType(
    {
        "seven_steps": "The seven steps",
        "broadcasting": "Broadcasting",
        "parameter_estimation": "Learning is parameter estimation",
        "autograd": "Derivatives that a program takes",
        "optimizers": "Optimizers",
        "torch_optimizers": "Every optimizer of PyTorch",
        "validation": "Training and validation",
        "gradient_vectors": "The gradient as a vector",
        "computational_graph": "Computational graphs",
        "gradient_check": "Checking a gradient",
        "wide_net": "A wide network",
        "fit_csv": "A line through a table of your own",
        "learning_rates": "How large a step may be",
        "learn_the_learning_rate": "Learning the learning rate",
        "split_uncertainty": "How much one split says",
        "overfitting": "Overfitting",
        "pullover_or_dress": "Pullover or dress",
    }
)
"""Every experiment and its title, in the order in which the texts meet its subject."""

SUBJECTS = MappingProxyType(
    {
        "What learning is": (
            "seven_steps",
            "parameter_estimation",
            "broadcasting",
        ),
        "Gradients": (
            "gradient_vectors",
            "computational_graph",
            "autograd",
            "gradient_check",
        ),
        "Learning rates and optimizers": (
            "learning_rates",
            "optimizers",
            "torch_optimizers",
            "learn_the_learning_rate",
        ),
        "Judging a model": (
            "validation",
            "split_uncertainty",
            "overfitting",
        ),
        "Networks, images and data of your own": (
            "wide_net",
            "pullover_or_dress",
            "fit_csv",
        ),
    }
)
"""The experiments by subject, in an order in which they can be learnt from."""

NAMES = tuple(TITLES)
"""Every experiment, in the order of `TITLES`."""
