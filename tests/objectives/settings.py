"""A line, three rows, and what its loss and its norm are by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import funclearn as fl
from funclearn.models import LinearParams

KEY = jax.random.key(0)
NO_KEY: Any = None
ECHO = fl.Model(init=lambda key: jnp.zeros(()), apply=lambda params, inputs: inputs)
PARAMS = LinearParams(jnp.float32(2), jnp.float32(-1))
BATCH = fl.Dataset(jnp.array([0.5, 1.0, 4.0]), jnp.array([1.0, 1.0, 3.0]))
LOSS = np.mean((2 * np.array([0.5, 1, 4]) - 1 - np.array([1, 1, 3])) ** 2)
NORM = 2.0**2 + 1.0**2
