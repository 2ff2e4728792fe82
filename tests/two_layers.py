"""A network of two layers, whose objective has a penalty."""

import jax.numpy as jnp
import numpy as np

import funclearn as fl


def some_params():
    rng = np.random.default_rng(3)
    return tuple(map(jnp.asarray, (rng.normal(size=(3, 2)), rng.normal(size=(2, 1)))))


def apply(params, inputs):
    return jnp.tanh(inputs @ params[0]) @ params[1]


MODEL = fl.Model(lambda key: some_params(), apply)
OBJECTIVE = fl.make_objective(MODEL, fl.losses.mse, penalty=fl.losses.l2(0.3))
