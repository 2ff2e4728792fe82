"""What layers that draw or take notes cost in `fit`: `python -m benchmarks.layers`.

The yardstick is flax's own way, the same steps of the same minibatches written by hand
in a scan.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen

import funclearn as fl
from benchmarks._measure import Figure, median_ratio, seconds, show
from benchmarks._options import Options
from benchmarks.images import BATCH, CLASSES, HIDDEN, cross_entropy, images

TURNS, ROWS = 7, 15_000
KEY = jax.random.key(0)
OPTIMIZER = optax.sgd(0.1)
NAMES = ("plain", "batch norm", "dropout", "both")


class Network(linen.Module):
    """784-256-10 with relu.

    Attributes:
        layers: what comes between, one of `NAMES`.
    """

    layers: str

    @linen.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Logits of the classes."""
        x = linen.Dense(HIDDEN)(x)
        if self.layers in ("batch norm", "both"):
            x = linen.BatchNorm(use_running_average=not train)(x)
        x = linen.relu(x)
        if self.layers in ("dropout", "both"):
            x = linen.Dropout(0.5, deterministic=not train)(x)
        return linen.Dense(CLASSES)(x)


def by_hand(module: linen.Module, data: fl.Dataset) -> Any:
    """Makes a call that trains for one epoch, as flax's examples do, in a scan."""
    variables = module.init(KEY, data.inputs[:1])
    params = variables["params"]
    notes = {name: tree for name, tree in variables.items() if name != "params"}
    opt_state = OPTIMIZER.init(params)

    def loss(params: Any, notes: Any, batch: fl.Dataset, key: Any) -> Any:
        logits, after = module.apply(
            {"params": params, **notes},
            batch.inputs,
            train=True,
            rngs={"dropout": key},
            mutable=list(notes),
        )
        return cross_entropy(logits, batch.targets), after

    @jax.jit
    def epoch(params: Any, notes: Any, opt_state: Any, data: fl.Dataset) -> Any:
        def update(carry: Any, rows: jax.Array) -> Any:
            params, notes, opt_state, step = carry
            batch = jax.tree.map(lambda leaf: leaf[rows], data)
            key = jax.random.fold_in(KEY, step)
            slope = jax.value_and_grad(loss, has_aux=True)
            (value, notes), grads = slope(params, notes, batch, key)
            updates, opt_state = OPTIMIZER.update(grads, opt_state, params)
            params = optax.apply_updates(params, updates)
            return (params, notes, opt_state, step + 1), value

        order = jax.random.permutation(KEY, len(data.inputs))
        n_full = len(order) // BATCH * BATCH
        start = params, notes, opt_state, 0
        carry, values = jax.lax.scan(update, start, order[:n_full].reshape(-1, BATCH))
        carry, last = update(carry, order[n_full:])
        return carry, jnp.append(values, last)

    return lambda: epoch(params, notes, opt_state, data)


def by_fit(module: linen.Module, data: fl.Dataset) -> Any:
    """Makes a call that does the same with `fit`."""
    model = fl.models.from_linen(module, data.inputs[:1])
    step = fl.make_train_step(fl.make_objective(model, cross_entropy), OPTIMIZER)
    state = fl.init_state(KEY, model.init(KEY), OPTIMIZER)
    return lambda: fl.fit(step, state, data, epochs=1, batch_size=BATCH)[:2]


def figures() -> Iterator[Figure]:
    """How many times as long `fit` takes as the loop by hand."""
    data = images(ROWS)
    for name in NAMES:
        module = Network(name)
        ways = {"by hand": by_hand(module, data), "fit": by_fit(module, data)}
        taken = seconds(ways, TURNS)
        spread = float(np.ptp(taken["fit"] / taken["by hand"]))
        beside = f"the same flax step in a scan (spread {spread:.2f})"
        slower = median_ratio(taken, "fit", "by hand")
        yield Figure(f"784-256-10, {name}", slower, "x", 1.15, beside=beside)


def main() -> None:
    """Prints the figures."""
    Options(prog="python -m benchmarks.layers", description=__doc__).parse_args()
    show("Layers", list(figures()))


if __name__ == "__main__":
    main()
