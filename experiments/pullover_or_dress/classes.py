"""All ten classes: three models through the same `fit`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen
from jax.typing import DTypeLike

import funclearn as fl
from experiments.pullover_or_dress.images import Images, scaled

if TYPE_CHECKING:
    from experiments.pullover_or_dress.chapter import Config

__all__ = ["BINS", "CLASSES", "Classes", "by_patches", "reliability", "ten_classes"]

CLASSES, BINS = 10, 10
LEARNING_RATE = 1e-3
# It divides 10,000 drawn images and 60,000 photographs: a smaller last batch would be
# compiled as a step of its own.
BATCH_SIZE = 125


def by_patches(
    images: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    **plain: object,
) -> jax.Array:
    """A convolution as one matrix product of all patches.

    Within a compiled loop on a CPU, XLA computes the gradients of
    `jax.lax.conv_general_dilated` several times slower than outside of one
    (github.com/jax-ml/jax/issues/12868).

    Args:
        images: `(n, height, width, channels)`.
        kernel: `(rows, columns, channels, features)`.
        strides: along height and width.
        padding: as `jax.lax.conv_general_dilated` takes it.
        **plain: its other arguments, as they are without dilation and groups.
    """
    del plain
    size = kernel.shape[:2]
    if isinstance(padding, str):
        padding = jax.lax.padtype_to_pads(images.shape[1:3], size, strides, padding)
    images = jnp.pad(images, ((0, 0), *padding, (0, 0)))
    ends = [
        length - side + 1 for length, side in zip(images.shape[1:3], size, strict=True)
    ]
    patches = [
        images[:, i : ends[0] + i : strides[0], j : ends[1] + j : strides[1]]
        for i, j in np.ndindex(*size)
    ]
    features = kernel.shape[-1]
    return jnp.concatenate(patches, axis=-1) @ kernel.reshape(-1, features)


def he_normal(
    key: jax.Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32
) -> jax.Array:
    """He's normal distribution (arXiv:1502.01852, section 2.2), drawn as one row.

    XLA compiles a row of random numbers several times faster than narrow planes.
    """
    drawn = jax.random.normal(key, (math.prod(shape),), dtype)
    return drawn.reshape(shape) * math.sqrt(2 / math.prod(shape[:-1]))


class Convolutional(linen.Module):
    """Two convolutions that halve the image, a hidden layer, and ten outputs."""

    @linen.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Logits `(n, 10)` of images `(n, 784)`."""
        planes = inputs.reshape(-1, 28, 28, 1)
        for features in (16, 32):
            halve = linen.Conv(
                features,
                (3, 3),
                strides=2,
                kernel_init=he_normal,
                conv_general_dilated=by_patches,
            )
            planes = linen.relu(halve(planes))
        hidden = linen.Dense(64, kernel_init=he_normal)
        outputs = linen.Dense(CLASSES, kernel_init=he_normal)
        return outputs(linen.relu(hidden(planes.reshape(len(planes), -1))))


class Classes(NamedTuple):
    """What the models of ten classes do on the test images.

    Attributes:
        labels: `(n,)`, of the test images.
        trained_on: number of images.
        probabilities: by the model's name `(seeds, n, 10)`.
    """

    labels: np.ndarray
    trained_on: int
    probabilities: dict[str, np.ndarray]

    def accuracies(self, model: str) -> np.ndarray:
        """The share of right answers of every seed."""
        answers = self.probabilities[model].argmax(axis=-1)
        return (answers == self.labels).mean(axis=-1)

    def confusion(self, model: str) -> np.ndarray:
        """`(10, 10)`: of the images of a class, the row, the share that is called so.

        The mean over the seeds.
        """
        matrix = jax.vmap(fl.metrics.confusion_matrix, in_axes=(0, None))
        counts = np.asarray(matrix(self.probabilities[model], self.labels)).sum(axis=0)
        return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


class Reliability(NamedTuple):
    """Confidence and accuracy, by bins of the confidence.

    Attributes:
        confidence: `(bins,)`, the mean largest probability; NaN where there is none.
        accuracy: `(bins,)`, the share of right answers.
        share: `(bins,)`, of all answers.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    share: np.ndarray

    @property
    def error(self) -> float:
        """The mean distance between confidence and accuracy: calibration error."""
        return float(np.nansum(self.share * np.abs(self.confidence - self.accuracy)))


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> Reliability:
    """Compares how sure the answers are with how many of them are right."""
    sure = probabilities.max(axis=-1).ravel()
    right = (probabilities.argmax(axis=-1) == labels).ravel()
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    some = np.where(count, count, np.nan)
    sums = (np.bincount(place, values, BINS) for values in (sure, right))
    confidence, share_right = (total / some for total in sums)
    return Reliability(confidence, share_right, count / len(sure))


def ten_classes(given: Images, config: Config) -> Classes:
    """Trains three models from some seeds with Adam, on the cross-entropy."""
    train, test = scaled(given.train), scaled(given.test)
    train = fl.data.take(train, slice(config.class_images))
    models = {
        "softmax regression": fl.models.mlp((784, CLASSES)),
        "784-256-10": fl.models.mlp((784, 256, CLASSES), jax.nn.relu),
        "convolutional": fl.models.from_linen(Convolutional(), jnp.zeros((1, 784))),
    }
    return Classes(
        np.asarray(test.targets),
        len(train.inputs),
        {
            name: _probabilities(name, one, train, test, config)
            for name, one in models.items()
        },
    )


def _probabilities(
    name: str, model: fl.Model, train: fl.Dataset, test: fl.Dataset, config: Config
) -> np.ndarray:
    optimizer = optax.adam(LEARNING_RATE)
    objective = fl.make_objective(model, fl.losses.cross_entropy)
    step = fl.make_train_step(objective, optimizer)

    def run(name: str, seed: jax.Array) -> jax.Array:
        init_key, run_key = jax.random.split(jax.random.key(seed))
        fitted = config.fit(
            name,
            step,
            fl.init_state(run_key, model.init(init_key), optimizer),
            train,
            epochs=config.class_epochs,
            batch_size=min(BATCH_SIZE, len(train.inputs)),
        )
        return jax.nn.softmax(model.apply(fitted.state.params, test.inputs))

    seeds = config.seed + np.arange(config.class_seeds, dtype=np.uint32)
    return np.asarray(config.from_seeds(name, run, seeds))
