"""From a model and a loss to the function that is minimised, and the one that judges.

    objective(params, batch, key) = loss(train(params, inputs + noise, key), targets)
                                    + penalty(params)
    evaluate(params, dataset)     = loss(apply(params, inputs), targets)

The objective is differentiated, at every step with another key; the evaluation never
is, and knows neither penalty nor noise. Where the data have weights, losses and metrics
are given them.
"""

from funclearn.objectives._entries import loss_entry, loss_of
from funclearn.objectives._evaluation import make_evaluation
from funclearn.objectives._objective import make_objective

__all__ = ["loss_entry", "loss_of", "make_evaluation", "make_objective"]
