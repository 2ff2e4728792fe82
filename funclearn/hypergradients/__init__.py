"""Derivatives of what a run comes to by anything that it takes.

A run is a function, `run(**arguments) -> validation loss`, so it has derivatives by its
learning rate (or by one rate a step), its momentum, a penalty, the noise, the initial
parameters, the weights of the rows that it trains on. `hypergradient` takes them

- forwards for few numbers, in a second run beside the run, and backwards for many, in
  memory that grows with the square root of the steps (`checkpointed`);
- compares them with finite differences of the whole run;
- and measures how fast the run's perturbations grow: a chaotic or unstable run has
  derivatives that are huge, right, and of no use.

    >>> train, scaler = fl.data.standardise(fl.data.thermometer())
    >>> model, key = fl.models.linear, jax.random.key(0)
    >>> objective = fl.make_objective(model, fl.losses.mse)
    >>> def loss_after_ten_steps(learning_rate):
    ...     optimizer = optax.sgd(learning_rate)
    ...     state = fl.init_state(key, model.init(key), optimizer)
    ...     step = fl.make_train_step(objective, optimizer)
    ...     return fl.fit(step, state, train, epochs=10).final.loss
    >>> hypergradient = fl.hypergradients.hypergradient
    >>> slope = hypergradient(loss_after_ten_steps, "learning_rate", check=False)
    >>> rate = 0.01
    >>> for _ in range(50):  # descend on the learning rate
    ...     rate -= 1e-5 * slope(learning_rate=rate)["learning_rate"]
    >>> found = hypergradient(loss_after_ten_steps, {"learning_rate": rate})
    >>> print(f"{found.value:.3f}", found.trust)
    3.811 holds
"""

from funclearn.hypergradients._check import Check
from funclearn.hypergradients._growth import Growth
from funclearn.hypergradients._hypergradient import hypergradient
from funclearn.hypergradients._modes import Mode, checkpointed
from funclearn.hypergradients._result import Hypergradient, Trust

__all__ = [
    "Check",
    "Growth",
    "Hypergradient",
    "Mode",
    "Trust",
    "checkpointed",
    "hypergradient",
]
