"""Tells pullovers from dresses: by their pixels, and by what is learnt from them.

An image is 784 numbers. The naive way keeps two images, the mean pullover and the mean
dress, and gives a new one to the mean that is nearer. It learns nothing: it compares
brightness, pixel by pixel, so that a dark pullover is near to whichever mean is darker.

The learned way gives every pixel a weight, in seven steps: (1) draw the weights, (2)
predict, (3) measure the loss, (4) take its gradient, (5) step against it, (6) repeat
from 2, (7) stop. With p the sigmoid of the weighted sum, the probability of a dress,
the loss is the mean of what is missing:

    1 - p for a dress, p for a pullover

Accuracy would be no loss: a small change of a weight changes no answer, so its gradient
is zero, and a step along it goes nowhere.

The same steps train a network with a hidden layer of 30 units. The texts print the
accuracy of single runs, without a seed. Here every model is trained from many seeds, in
one sweep, and the printed accuracy is one draw from what they give. The same `fit` then
trains three models to tell all ten classes apart, one of them convolutional.

By default the images are Fashion-MNIST's if they are in the library's folder for data
sets already, and drawn garments otherwise. Nothing is downloaded unless asked for:

    python -m experiments.pullover_or_dress --data fashion
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments.harness import Count, Positive, Range, Resumable, Seed
from experiments.pullover_or_dress.classes import Classes, ten_classes
from experiments.pullover_or_dress.images import Images, Which, images, pair
from funclearn.models import LinearParams, affine

SOURCES = ("Foundations for machine learning", "Pullover or dress")
PIXELS = 784


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Resumable):
    """Settings of the experiment."""

    # Where the images are from does not make a run another one: what a figure that
    # needs the photographs is compared with is decided by the images it ran on.
    data: Which = dataclasses.field(default="auto", compare=False)
    """The photographs of Fashion-MNIST, downloaded where they lack, or drawn garments;
    auto: the photographs if they are at hand."""
    folder: Path | None = dataclasses.field(default=None, compare=False)
    """Folder of the photographs, in place of the library's."""
    drawn: Annotated[int, Range(200, 10**5)] = 10_000
    """Number of training images to draw; half as many are drawn to judge by."""
    seeds: Annotated[int, Range(2, 1000)] = 50
    """Number of seeds that the two models of pullovers and dresses start from."""
    epochs: Count = 30
    """Number of epochs of these runs."""
    batch_size: Count = 256
    """Images a step."""
    learning_rate: Positive = 1.0
    """Learning rate of the linear model."""
    hidden: Annotated[int, Range(1, 4096)] = 30
    """Hidden units of the network."""
    hidden_rate: Positive = 0.1
    """Learning rate of the network."""
    class_images: Annotated[int, Range(100, 60_000)] = 10_000
    """Number of training images of ten classes, at most."""
    class_seeds: Annotated[int, Range(2, 100)] = 3
    """Number of seeds that the models of ten classes start from."""
    class_epochs: Count = 3
    """Number of epochs of these runs."""
    seed: Seed = 0
    """The first seed, also that of what is drawn."""


def loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The mean of what is missing to a probability of 1 for what the image shows."""
    dress = jax.nn.sigmoid(outputs)
    return jnp.mean(jnp.where(targets == 1, 1 - dress, dress))


accuracy = fl.metrics.accuracy
"""The share of images whose probability is on the right side of one half."""


def _draw_linear(key: jax.Array) -> LinearParams:
    weight_key, bias_key = jax.random.split(key)
    return LinearParams(
        jax.random.normal(weight_key, (PIXELS,)), jax.random.normal(bias_key, ())
    )


linear = fl.Model(_draw_linear, affine(PIXELS).apply)
"""A weight a pixel and a bias, all drawn from the normal distribution."""

library_linear = affine(PIXELS)
"""The same, drawn as a library's linear layer is: uniform in ±1/28."""


class Network(NamedTuple):
    """Parameters of the network: an affine map, relu, and another one.

    Attributes:
        hidden: `(units, 784)`.
        hidden_bias: `(units,)`.
        output: weights `(units,)` and a bias.
    """

    hidden: Any
    hidden_bias: Any
    output: LinearParams


def network(units: int) -> fl.Model:
    """The network 784-units-1, whose layers are drawn as a library's are."""
    last = affine(units)

    def init(key: jax.Array) -> Network:
        weight_key, bias_key, last_key = jax.random.split(key, 3)
        bound = PIXELS**-0.5
        shape = (units, PIXELS)
        return Network(
            jax.random.uniform(weight_key, shape, minval=-bound, maxval=bound),
            jax.random.uniform(bias_key, (units,), minval=-bound, maxval=bound),
            last.init(last_key),
        )

    def apply(params: Network, inputs: jax.Array) -> jax.Array:
        # With the few units as rows, products on a CPU take half the time.
        hidden = jax.nn.relu(params.hidden @ inputs.T + params.hidden_bias[:, None])
        return last.apply(params.output, hidden.T)

    return fl.Model(init, apply)


class Learnt(NamedTuple):
    """Runs of one model from many seeds.

    Attributes:
        accuracies: `(seeds, 1 + epochs)`, on the test images, before the first epoch
            and after every one.
        losses: `(seeds, epochs)`, of the training images.
        params: after the last epoch, of every seed.
    """

    accuracies: Any
    losses: Any
    params: Any

    @property
    def middle(self) -> int:
        """Which run to show: the one whose last accuracy is the median."""
        order = np.argsort(self.accuracies[:, -1], kind="stable")
        return int(order[len(order) // 2])

    @property
    def shown(self) -> Any:
        """The parameters of that run."""
        return jax.tree.map(lambda leaf: leaf[self.middle], self.params)


def learn(
    name: str,
    model: fl.Model,
    rate: float,
    train: fl.Dataset,
    test: fl.Dataset,
    config: Config,
) -> Learnt:
    """Takes the seven steps from every seed, in one sweep."""
    optimizer = optax.sgd(rate)
    step = fl.make_train_step(fl.make_objective(model, loss), optimizer)
    evaluate = fl.make_evaluation(model, loss, {"accuracy": accuracy})

    def run(name: str, seed: jax.Array) -> Learnt:
        init_key, run_key = jax.random.split(jax.random.key(seed))
        fitted = config.fit(
            name,
            step,
            fl.init_state(run_key, model.init(init_key), optimizer),
            train,
            test,
            epochs=config.epochs,
            batch_size=min(config.batch_size, len(train.inputs)),
            evaluate=evaluate,
        )
        last = evaluate(fitted.state.params, test)["accuracy"]
        before = fitted.history.evaluation["accuracy"]
        curve = jnp.append(before, last)
        return Learnt(curve, fitted.history.loss, fitted.state.params)

    seeds = config.seed + np.arange(config.seeds, dtype=np.uint32)
    return jax.device_get(config.from_seeds(name, run, seeds))


class Naive(NamedTuple):
    """The naive way.

    Attributes:
        means: `(2, 784)`, the mean pullover and the mean dress.
        distances: by the measure's name `(n, 2)`, of the test images to the means.
    """

    means: np.ndarray
    distances: dict[str, np.ndarray]

    def dresses(self, measure: str) -> np.ndarray:
        """Which of the test images it calls a dress."""
        to_pullover, to_dress = self.distances[measure].T
        return to_dress < to_pullover


def compare_pixels(train: fl.Dataset, test: fl.Dataset) -> Naive:
    """Measures how far every test image is from the mean images."""
    means = np.stack(
        [train.inputs[train.targets == one].mean(axis=0) for one in (0, 1)]
    )
    differences = [test.inputs - mean for mean in means]
    return Naive(
        means,
        {
            "mean absolute difference": np.stack(
                [np.abs(apart).mean(axis=1) for apart in differences], axis=1
            ),
            "root mean squared difference": np.stack(
                [np.sqrt((apart**2).mean(axis=1)) for apart in differences], axis=1
            ),
        },
    )


class Steps(NamedTuple):
    """What each of the seven steps gives, once, on the first batch.

    Attributes:
        params: drawn in step 1.
        outputs: `(batch,)` of step 2.
        loss: of step 3.
        accuracy: of the same outputs.
        accuracy_slope: the largest derivative of the accuracy by a weight.
        gradient: of step 4, of the loss by the parameters.
        loss_after: the loss after step 5.
        shown: numbers of four test images: of pullovers and of dresses the one of
            which the model is least sure, and one of which it is surer.
        gradients: `(4, 784)`, of the loss of each of them alone by the weights.
    """

    params: LinearParams
    outputs: Any
    loss: Any
    accuracy: Any
    accuracy_slope: Any
    gradient: LinearParams
    loss_after: Any
    shown: Any
    gradients: Any


def one_round(train: fl.Dataset, test: fl.Dataset, seed: int, config: Config) -> Steps:
    """Takes the steps once, with the rate and a batch of the linear model."""
    rows = min(config.batch_size, len(train.inputs))
    # Every so-manieth image: the first ones might be of one class.
    batch = fl.data.take(train, np.arange(rows) * (len(train.inputs) // rows))

    def of(measure: Callable[..., jax.Array], data: fl.Dataset) -> Callable[..., Any]:
        return lambda params: measure(linear.apply(params, data.inputs), data.targets)

    @jax.jit
    def steps(key: jax.Array) -> Steps:
        params = linear.init(key)
        value, gradient = jax.value_and_grad(of(loss, batch))(params)
        moved = jax.tree.map(
            lambda p, g: p - config.learning_rate * g, params, gradient
        )
        return Steps(
            params=params,
            outputs=linear.apply(params, batch.inputs),
            loss=value,
            accuracy=of(accuracy, batch)(params),
            accuracy_slope=jnp.max(
                jnp.abs(jax.grad(of(accuracy, batch))(params).weight)
            ),
            gradient=gradient,
            loss_after=of(loss, batch)(moved),
            shown=shown,
            gradients=jax.vmap(_gradient_of_one, in_axes=(None, 0, 0))(params, *images),
        )

    # The weights with which the run of this seed starts in the sweep.
    init_key, _ = jax.random.split(jax.random.key(np.uint32(seed)))
    shown = _sure_and_unsure(linear.apply(linear.init(init_key), test.inputs), test)
    images = fl.data.take(test, shown)
    return jax.device_get(steps(init_key))


def _sure_and_unsure(outputs: jax.Array, test: fl.Dataset) -> np.ndarray:
    rows = []
    for one in (0, 1):
        of_class = np.flatnonzero(np.asarray(test.targets) == one)
        order = of_class[np.argsort(np.abs(np.asarray(outputs)[of_class]))]
        rows += [order[0], order[len(order) // 4]]
    return np.array(rows)


def _gradient_of_one(
    params: LinearParams, image: jax.Array, target: jax.Array
) -> jax.Array:
    def of_one(params: LinearParams) -> jax.Array:
        return loss(linear.apply(params, image[None]), target[None])

    return jax.grad(of_one)(params).weight


class Result(NamedTuple):
    """What the chapter finds.

    Attributes:
        real: whether the images are Fashion-MNIST's.
        train: pullovers and dresses to learn from.
        test: those to judge by.
        naive: the naive way.
        steps: one round of the seven steps.
        learnt: by the model's name its runs.
        outputs: of the test images, by the linear model's run of median accuracy.
        classes: the models of ten classes.
    """

    real: bool
    train: fl.Dataset
    test: fl.Dataset
    naive: Naive
    steps: Steps
    learnt: dict[str, Learnt]
    outputs: np.ndarray
    classes: Classes


def study(config: Config, given: Images | None = None) -> Result:
    """Tells the images apart in the naive way, in the learned way, and ten classes.

    Args:
        config: settings.
        given: images in place of those that the settings name.

    Raises:
        OSError: if the photographs are asked for and cannot be had.
        ValueError: if a file is not what was published, or there are no pullovers or
            dresses among the images.
    """
    given = given or images(config.data, config.folder, config.drawn, config.seed)
    train, test = pair(given.train), pair(given.test)
    for name, part in (("train", train), ("test", test)):
        if len(np.unique(part.targets)) < 2:
            raise ValueError(f"{name} must hold pullovers and dresses; one is missing.")
    models = {
        "linear": (linear, config.learning_rate),
        "library's linear": (library_linear, config.learning_rate),
        f"784-{config.hidden}-1": (network(config.hidden), config.hidden_rate),
    }
    learnt = {
        name: learn(name, model, rate, train, test, config)
        for name, (model, rate) in models.items()
    }
    runs = learnt["linear"]
    return Result(
        real=given.real,
        train=train,
        test=test,
        naive=compare_pixels(train, test),
        steps=one_round(train, test, config.seed + runs.middle, config),
        learnt=learnt,
        outputs=np.asarray(linear.apply(runs.shown, test.inputs)),
        classes=ten_classes(given, config),
    )
