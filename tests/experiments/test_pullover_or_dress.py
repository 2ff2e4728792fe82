"""Pullover or dress: both ways against NumPy, and which published figures count."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from experiments.harness import _published
from experiments.harness._report import Experiment, compute, describe
from experiments.pullover_or_dress import Config, chapter, page, run
from experiments.pullover_or_dress.chapter import (
    Learnt,
    accuracy,
    compare_pixels,
    learn,
    linear,
    loss,
    network,
    study,
)
from experiments.pullover_or_dress.classes import Classes, by_patches, reliability
from experiments.pullover_or_dress.images import Images, images, pair
from experiments.pullover_or_dress.page import _below
from tests.experiments.every import SmallRun, recorded, written

pytestmark = pytest.mark.slow

SMALL = Config(
    data="drawn", drawn=400, seeds=2, epochs=2, class_seeds=2, class_epochs=1
)
NEEDY = [entry for entry in _published.load() if entry.needs]


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A small run: what is reported, the images it drew, and what it found of them."""
    out = tmp_path_factory.mktemp("results")
    with recorded(chapter, "images") as given, recorded(page, "study") as found:
        reported = written("pullover_or_dress", SMALL, out)
    return reported, *given, *found


@pytest.fixture(scope="module")
def drawn(everything):
    return everything[1]


@pytest.fixture(scope="module")
def parts(drawn):
    return pair(drawn.train), pair(drawn.test)


@pytest.fixture(scope="module")
def result(everything):
    return everything[2]


@pytest.fixture(scope="module")
def outcomes(result):
    """What is reported where the images are drawn, and where they are photographs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "experiments.pullover_or_dress.page.study",
            lambda config, given: result._replace(real=given.real),
        )
        yield {
            real: run(SMALL, Images(result.train, result.test, real=real))
            for real in (False, True)
        }


@pytest.fixture(scope="module")
def small(everything):
    return everything[0]


class TestSmallRun(SmallRun):
    pass


def test_the_pair_is_of_pullovers_and_dresses(drawn):
    train = pair(drawn.train)
    chosen = np.flatnonzero(np.isin(drawn.train.targets, (2, 3)))
    np.testing.assert_array_equal(
        train.targets, [float(drawn.train.targets[row] == 3) for row in chosen]
    )
    expected = drawn.train.inputs[chosen].reshape(-1, 784) / 255
    np.testing.assert_allclose(train.inputs, expected, rtol=1e-6)


def test_photographs_that_lack_are_never_downloaded_unasked(tmp_path, monkeypatch):
    monkeypatch.setenv("FUNCLEARN_DATA", str(tmp_path))
    monkeypatch.setattr(
        "funclearn.data._cache.download",
        lambda *args, **kwargs: pytest.fail("it downloads"),
    )
    assert not images("auto", None, 200, 0).real
    with pytest.raises(FileNotFoundError, match="Fashion-MNIST"):
        images("auto", tmp_path, 200, 0)


def test_photographs_that_are_there_are_taken(monkeypatch, drawn):
    asked = []

    def read(folder, part, download):
        asked.append((folder, part, download))
        return getattr(drawn, part)

    monkeypatch.setattr("funclearn.data.fashion_mnist", read)
    assert images("auto", None, 200, 0).real
    assert asked == [(None, "train", False), (None, "test", False)]


def test_the_loss_is_what_is_missing():
    outputs, targets = jnp.array([-3.0, 0.5, 2.0]), jnp.array([0.0, 1.0, 0.0])
    p = 1 / (1 + np.exp(-np.asarray(outputs)))
    expected = (p[0] + (1 - p[1]) + p[2]) / 3
    assert loss(outputs, targets) == pytest.approx(expected, rel=1e-6)
    assert accuracy(outputs, targets) == pytest.approx(2 / 3)


def test_the_naive_way_is_that_of_the_formulas(parts):
    train, test = parts
    found = compare_pixels(train, test)
    means = [train.inputs[train.targets == one].mean(axis=0) for one in (0, 1)]
    for row in range(5):
        apart = np.array([test.inputs[row] - mean for mean in means], float)
        for name, expected in (
            ("mean absolute difference", np.abs(apart).mean(axis=1)),
            ("root mean squared difference", np.sqrt((apart**2).mean(axis=1))),
        ):
            np.testing.assert_allclose(found.distances[name][row], expected, rtol=1e-5)
            assert found.dresses(name)[row] == (expected[1] < expected[0])


def test_a_seed_learns_as_a_loop_does(parts):
    train, test = parts
    config = dataclasses.replace(SMALL, batch_size=len(train.inputs))
    found = learn("name", linear, 1.0, train, test, config)
    assert found.accuracies.shape == (2, 3) and found.losses.shape == (2, 2)
    init_key, _ = jax.random.split(jax.random.key(np.uint32(1)))
    weight, bias = (np.asarray(leaf, float) for leaf in linear.init(init_key))
    for epoch in range(2):
        p = 1 / (1 + np.exp(-(train.inputs @ weight + bias)))
        missing = np.where(train.targets == 1, 1 - p, p).mean()
        assert found.losses[1, epoch] == pytest.approx(missing, rel=1e-4)
        slope = (1 - 2 * train.targets) * p * (1 - p) / len(p)
        weight, bias = weight - slope @ train.inputs, bias - slope.sum()
    np.testing.assert_allclose(found.params.weight[1], weight, rtol=1e-4, atol=1e-5)
    right = ((test.inputs @ weight + bias) > 0) == (test.targets == 1)
    assert found.accuracies[1, -1] == pytest.approx(right.mean(), abs=2e-3)


def test_the_network_is_that_of_its_formula():
    model = network(3)
    params = jax.device_get(model.init(jax.random.key(0)))
    assert np.abs(params.hidden).max() <= 1 / 28
    x = np.random.default_rng(0).random((4, 784)).astype(np.float32)
    hidden = np.maximum(x @ params.hidden.T + params.hidden_bias, 0)
    expected = hidden @ params.output.weight + params.output.bias
    np.testing.assert_allclose(model.apply(params, x), expected, rtol=1e-5)


def test_accuracy_has_no_gradient_and_the_loss_has_the_image(result):
    steps = result.steps
    assert steps.accuracy_slope == 0
    assert np.linalg.norm(steps.gradient.weight) > 0
    for row, gradient in enumerate(steps.gradients):
        target = 0 if row < 2 else 1
        image = result.test.inputs[steps.shown[row]]
        assert result.test.targets[steps.shown[row]] == target
        p = 1 / (1 + np.exp(-float(image @ steps.params.weight + steps.params.bias)))
        expected = (1 - 2 * target) * p * (1 - p) * image
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("padding", ["SAME", "VALID", ((2, 0), (1, 3))])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 1)])
def test_a_convolution_by_patches_is_a_convolution(strides, padding):
    rng = np.random.default_rng(0)
    images, kernel = rng.normal(size=(2, 7, 6, 3)), rng.normal(size=(3, 2, 3, 4))

    def total(convolve, kernel):
        return jnp.sum(jnp.sin(convolve(images, kernel, strides, padding)))

    def library(*arguments):
        names = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(*arguments, dimension_numbers=names)

    with jax.enable_x64(True):
        expected = jax.value_and_grad(total, argnums=1)(library, kernel)
        ours = jax.value_and_grad(total, argnums=1)(by_patches, kernel)
    jax.tree.map(np.testing.assert_allclose, ours, expected)


def test_confusion_and_reliability_count():
    labels = np.array([0, 1, 1])
    probabilities = np.full((2, 3, 10), 0.01)
    answers = np.array([[0, 1, 0], [0, 1, 1]])
    sure = np.array([[0.95, 0.55, 0.55], [0.95, 0.55, 0.55]])
    np.put_along_axis(probabilities, answers[..., None], sure[..., None], axis=-1)
    classes = Classes(labels, 3, {"model": probabilities})
    np.testing.assert_allclose(classes.accuracies("model"), [2 / 3, 1])
    assert classes.confusion("model")[1, :2].tolist() == [0.25, 0.75]
    found = reliability(probabilities, labels)
    assert found.accuracy[[5, 9]].tolist() == [0.75, 1.0]
    assert found.error == pytest.approx(4 / 6 * 0.2 + 2 / 6 * 0.05)


def test_quantile_of_a_printed_accuracy():
    last = np.array([0.5, 0.96, 0.9645, 0.9645, 0.97])[:, None]
    assert _below(Learnt(last, last, None), 0.9645) == pytest.approx(0.6)
    assert Learnt(last, last, None).middle == 2


def test_drawn_images_count_for_no_published_figure(outcomes):
    outcome = outcomes[False]
    assert outcome.computed == {} and outcome.data_sets == ()
    assert "drawn garments" in outcome.findings[0]
    name = "pullover_or_dress"
    assert _published.compare_all(name, outcome.computed, outcome.data_sets) == ()


def test_photographs_count_for_every_one(outcomes):
    outcome = outcomes[True]
    assert set(outcome.computed) == {entry.id for entry in NEEDY}
    assert "photographs" in outcome.findings[0]
    compared = _published.compare_all(
        "pullover_or_dress", outcome.computed, outcome.data_sets
    )
    assert len(compared) == len(NEEDY) == 8
    # What is computed has the structure of what is published.
    for one in compared:
        assert all("differs by" in miss for miss in one.misses), one.misses


@pytest.mark.parametrize("real", [False, True])
def test_the_totals_count_what_ran(outcomes, real):
    experiment = describe("pullover_or_dress")
    experiment = Experiment(*experiment)._replace(run=lambda _: outcomes[real])
    outcomes[real].plots.clear()
    summary = compute(experiment, Config(), "python").summary
    assert len(summary.published) == (8 if real else 0)
    json.dumps([dataclasses.asdict(entry) for entry in summary.published])


def test_where_the_images_are_is_no_setting_of_the_run():
    assert Config(data="drawn") == Config(folder=Path("x")) == Config()
    assert Config(seeds=3) != Config()


def test_images_of_one_class_are_refused(drawn):
    dresses = fl.data.take(drawn.test, np.flatnonzero(drawn.test.targets == 3))
    with pytest.raises(ValueError, match="test must hold pullovers and dresses"):
        study(SMALL, drawn._replace(test=dresses))
