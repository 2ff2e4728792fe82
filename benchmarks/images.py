"""How fast training on images is: `python -m benchmarks.images`.

The data are 60,000 rows of 784 numbers, drawn, in minibatches of 256. The yardstick for
`fit` are the matrix products of its steps alone, in a loop; for a sweep, its runs one
after the other.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen

import funclearn as fl
from benchmarks._measure import Figure, median_ratio, seconds, show
from benchmarks._options import Options
from funclearn.sweeps import sweep

TURNS = 5
ROWS, PIXELS, HIDDEN, CLASSES, BATCH = 60_000, 784, 256, 10, 256
FEW_ROWS, SEEDS = 12_000, 50
KEY = jax.random.key(0)
OPTIMIZERS = {"sgd": optax.sgd(0.1), "adam": optax.adam(1e-3)}


class Convolutions(linen.Module):
    """A small convolutional network."""

    @linen.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits of the classes."""
        hidden = linen.relu(linen.Conv(8, (3, 3))(images))
        pooled = linen.avg_pool(hidden, (2, 2), (2, 2))
        return linen.Dense(CLASSES)(pooled.reshape(len(images), -1))


def images(n_rows: int = ROWS, shape: tuple[int, ...] = (PIXELS,)) -> fl.Dataset:
    """Random images with random classes."""
    inputs = jax.random.uniform(KEY, (n_rows, *shape))
    return fl.Dataset(inputs, jax.random.randint(KEY, (n_rows,), 0, CLASSES))


def cross_entropy(logits: Any, targets: Any) -> jax.Array:
    """The mean over the rows."""
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    return jnp.mean(losses)


def network(*widths: int) -> fl.Model:
    """A multilayer perceptron with relu."""
    return fl.models.mlp(widths, jax.nn.relu)


def from_bytes(model: fl.Model) -> fl.Model:
    """The model of images in bytes, which it scales."""

    def apply(params: Any, inputs: Any) -> Any:
        return model.apply(params, inputs.astype(jnp.float32) / 255)

    return model._replace(apply=apply)


def fitting(model: fl.Model, optimizer: Any, data: fl.Dataset) -> Callable[[], Any]:
    """Makes a call that trains for one epoch."""
    step = fl.make_train_step(fl.make_objective(model, cross_entropy), optimizer)
    state = fl.init_state(KEY, model.init(KEY), optimizer)
    return lambda: fl.fit(step, state, data, epochs=1, batch_size=BATCH)[:2]


@jax.jit
def products(operands: list[jax.Array]) -> jax.Array:
    """The matrix products of an epoch: two forward, three backward, in every step."""

    def step(operands: list[jax.Array], _: None) -> tuple[list[jax.Array], None]:
        inputs, first, hidden, second, slope = jax.lax.optimization_barrier(operands)
        made = jax.lax.optimization_barrier(
            [
                inputs @ first,
                hidden @ second,
                slope @ second.T,
                hidden.T @ slope,
                inputs.T @ hidden,
            ]
        )
        # Each depends on all before it, or XLA would compute none, or only one step.
        total = sum(jnp.ravel(one)[0] for one in made)
        return [inputs, first, hidden, second, slope.at[0, 0].add(1e-30 * total)], None

    return jax.lax.scan(step, operands, length=-(-ROWS // BATCH))[0][-1]


def products_of_epoch() -> Callable[[], jax.Array]:
    """Makes a call of them, on random operands."""
    shapes = [
        (BATCH, PIXELS),
        (PIXELS, HIDDEN),
        (BATCH, HIDDEN),
        (HIDDEN, CLASSES),
        (BATCH, CLASSES),
    ]
    operands = [jax.random.normal(KEY, shape) for shape in shapes]
    return lambda: products(operands)


def of_fit() -> Iterator[Figure]:
    """Which part of the rate of products `fit` reaches, and what bytes cost."""
    data = images()
    bytes_data = data._replace(inputs=(255 * data.inputs).astype(jnp.uint8))
    model = network(PIXELS, HIDDEN, CLASSES)
    for name, optimizer in OPTIMIZERS.items():
        taken = seconds(
            {
                "products": products_of_epoch(),
                "fit": fitting(model, optimizer, data),
                "bytes": fitting(from_bytes(model), optimizer, bytes_data),
            },
            TURNS,
        )
        rate = median_ratio(taken, "products", "fit")
        yield Figure(f"{name}: fit", rate, "x", 0.8, True, "the rate of its products")
        slower = median_ratio(taken, "bytes", "fit")
        yield Figure(f"{name}: images in bytes", slower, "x", 1.1, beside="float32")


def of_memory() -> Figure:
    """Bytes that a compiled `fit` allocates, as a part of those of the data."""
    model, optimizer = network(PIXELS, HIDDEN, CLASSES), OPTIMIZERS["adam"]
    step = fl.make_train_step(fl.make_objective(model, cross_entropy), optimizer)
    state = jax.eval_shape(lambda: fl.init_state(KEY, model.init(KEY), optimizer))
    data = jax.eval_shape(images)

    def fit(state: Any, data: fl.Dataset) -> Any:
        return fl.fit(step, state, data, epochs=2, batch_size=BATCH)[:2]

    memory: Any = jax.jit(fit).lower(state, data).compile().memory_analysis()
    used = memory.temp_size_in_bytes + memory.output_size_in_bytes
    whole = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(data))
    return Figure("memory of fit", used / whole, "x", 0.1, beside="that of the data")


def of_seeds() -> Iterator[Figure]:
    """How many times faster a sweep over seeds is than one run after the other."""
    flat = images(FEW_ROWS)
    square = images(1024, (28, 28, 1))
    convolutions = fl.models.from_linen(Convolutions(), square.inputs[:1])
    for name, model, data, seeds in (
        ("784-10", network(PIXELS, CLASSES), flat, SEEDS),
        ("784-30-10", network(PIXELS, 30, CLASSES), flat, SEEDS),
        ("784-256-10", network(PIXELS, HIDDEN, CLASSES), flat, 10),
        ("convolutions", convolutions, square, 10),
    ):
        optimizer = OPTIMIZERS["sgd"]
        step = fl.make_train_step(fl.make_objective(model, cross_entropy), optimizer)

        def run(
            key: Any, model: Any = model, step: Any = step, data: Any = data
        ) -> Any:
            state = fl.init_state(key, model.init(key), OPTIMIZERS["sgd"])
            ran = fl.fit(step, state, data, epochs=1, batch_size=BATCH)
            return ran.state.params, ran.history.loss

        keys, alone = jax.random.split(KEY, seeds), jax.jit(run)
        taken = seconds(
            {
                "sweep": lambda run=run, keys=keys: sweep(run, {"key": keys}).result,
                "alone": lambda alone=alone, keys=keys: [alone(key) for key in keys],
            },
            3,
        )
        faster = median_ratio(taken, "alone", "sweep")
        spread = float(np.ptp(taken["alone"] / taken["sweep"]))
        beside = f"one after the other (spread {spread:.2f})"
        yield Figure(f"{seeds} seeds of {name}", faster, "x", 1.0, True, beside)


def main() -> None:
    """Prints the figures."""
    Options(prog="python -m benchmarks.images", description=__doc__).parse_args()
    show("Images", [*of_fit(), of_memory(), *of_seeds()])


if __name__ == "__main__":
    main()
