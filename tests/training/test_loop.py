"""Epochs as a rule sees them, and on several devices."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl

KEY = jax.random.key(0)

DATA = fl.data.standardise(fl.data.thermometer())[0]


def test_a_rule_of_ones_own_sees_the_whole_evaluation():
    optimizer = optax.sgd(0.1)
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    evaluate = fl.make_evaluation(
        fl.models.linear, fl.losses.mse, {"mae": fl.losses.mae}
    )
    state = fl.init_state(
        KEY, fl.models.LinearParams(jnp.ones(()), jnp.zeros(())), optimizer
    )
    step = fl.make_train_step(objective, optimizer)
    free = fl.fit(step, state, DATA, DATA, epochs=20, evaluate=evaluate)
    errors = np.asarray(free.history.evaluation["mae"])
    goal = float(errors[7])
    rule = fl.stopping.when("mae", lambda seen: seen.evaluation["mae"] <= goal)
    run = fl.fit(step, state, DATA, DATA, epochs=20, evaluate=evaluate, stop=rule)
    assert run.epochs == np.flatnonzero(errors <= goal)[0] + 1


# Rates of their own make the parameters of the devices part, and with momentum the
# optimizer's state an epoch later; `jax.vmap` on one device is what they should do.
DEVICES = """
import jax, jax.numpy as jnp, numpy as np, optax
import funclearn as fl
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

rows = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
data = fl.Dataset(jnp.asarray(rows), jnp.asarray(rows @ np.float32([1, 2, 3])))
model = fl.models.affine(3)
objective = fl.make_objective(model, fl.losses.mse)
evaluate = fl.make_evaluation(model, fl.losses.mse)
rates = jnp.array([0.01, 0.2])
key = jax.random.key(0)
params = model.init(key)
mesh = jax.make_mesh((2,), ("rates",), axis_types=(AxisType.Auto,))

def lanes(batch_size, stop):
    def one(rate):
        optimizer = optax.sgd(rate, momentum=0.5)
        step = fl.make_train_step(objective, optimizer)
        state = fl.init_state(key, params, optimizer)
        how = dict(epochs=5, batch_size=batch_size, evaluate=evaluate, stop=stop)
        run = fl.fit(step, state, data, data, **how)
        best = () if run.best is None else run.best[1:]
        return run.history, run.final, best
    return jax.vmap(one)

rules = None, fl.stopping.target(3.0) | fl.stopping.relative_change(0.01)
for batch_size in (None, 4):
    for stop in rules:
        mapped = lanes(batch_size, stop)
        by_rate = P("rates")
        spread = jax.shard_map(mapped, mesh=mesh, in_specs=by_rate, out_specs=by_rate)
        jax.tree.map(
            lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4),
            jax.jit(spread)(rates), mapped(rates),
        )

optimizer = optax.sgd(0.1)
step = fl.make_train_step(objective, optimizer)
state = fl.init_state(key, params, optimizer)
expected = fl.fit(step, state, data, epochs=2, batch_size=5).history.loss
for kind in (AxisType.Auto, AxisType.Explicit):
    mesh = jax.make_mesh((2,), ("rows",), axis_types=(kind,))
    spread = jax.device_put(data, NamedSharding(mesh, P("rows")))
    for batch_size in (None, 5):
        # Products of whole batches over explicit axes need an out_sharding.
        refused = kind is AxisType.Explicit and batch_size is None
        try:
            run = fl.fit(step, state, spread, epochs=2, batch_size=batch_size)
        except ValueError as error:
            assert "train must be sharded over axes of type Auto" in str(error)
            assert refused
        else:
            assert not refused
    np.testing.assert_allclose(run.history.loss, expected, rtol=1e-5)
"""


@pytest.mark.slow
def test_every_device_may_have_a_rate_of_its_own():
    subprocess.run(
        [sys.executable, "-c", DEVICES],
        check=True,
        env=os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
        cwd=Path(fl.__file__).parents[1],
    )
