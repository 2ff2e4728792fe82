"""Drawn garments: their form, their classes, and that pixels are poor judges."""

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import funclearn as fl


@pytest.fixture(scope="module")
def drawn():
    return jax.device_get(fl.data.garments(jax.random.key(0), 3000))


@pytest.mark.slow
def test_form_is_that_of_the_photographs(drawn):
    images, labels = drawn
    assert images.shape == (3000, 28, 28)
    assert (images.dtype, labels.dtype) == (np.uint8, np.int32)
    assert np.bincount(labels).tolist() == [300] * 10
    assert len(fl.data.FASHION_MNIST_CLASSES) == 10


@pytest.mark.slow
def test_the_key_decides(drawn):
    again = fl.data.garments(jax.random.key(0), 3000)
    np.testing.assert_array_equal(again.inputs, drawn.inputs)
    np.testing.assert_array_equal(again.targets, drawn.targets)
    other = fl.data.garments(jax.random.key(1), 3000)
    assert not np.array_equal(other.inputs, drawn.inputs)


def test_no_two_images_are_alike_and_none_is_empty_or_full(drawn):
    images = drawn.inputs.reshape(len(drawn.inputs), -1)
    assert len(np.unique(images, axis=0)) == len(images)
    covered = (images > 0).mean(axis=1)
    assert covered.min() > 0.05 and covered.max() < 0.85
    # Whatever its class, a garment leaves the corners of the frame black.
    assert np.mean(drawn.inputs[:, [0, 0, -1, -1], [0, -1, 0, -1]] == 0) > 0.95


def test_silhouettes_are_those_of_their_names(drawn):
    by_name = {
        name: drawn.inputs[drawn.targets == label].mean(axis=0)
        for label, name in enumerate(fl.data.FASHION_MNIST_CLASSES)
    }
    for mean in (by_name["Pullover"], by_name["Dress"], by_name["Bag"]):
        assert np.abs(mean - mean[:, ::-1]).mean() < 10
    # Between the legs there is nothing, beside a dress there are no sleeves.
    assert by_name["Trouser"][20, 13:15].mean() < by_name["Trouser"][20, 9:11].mean()
    sides = (slice(14, 18), slice(3, 6))
    assert by_name["Dress"][sides].mean() < 0.3 * by_name["Pullover"][sides].mean()
    # The shaft of a boot is above its heel, higher than a sneaker.
    assert by_name["Ankle boot"][8, 5:8].mean() > 3 * by_name["Sneaker"][8, 5:8].mean()


def test_pixels_judge_poorly_and_a_linear_model_better(drawn):
    def pair(data):
        chosen = np.isin(data.targets, (2, 3))
        return data.inputs[chosen].reshape(-1, 784) / 255, data.targets[chosen] == 3

    inputs, dress = pair(drawn)
    unseen, truth = pair(jax.device_get(fl.data.garments(jax.random.key(1), 3000)))
    distances = [
        np.abs(unseen - inputs[dress == one].mean(axis=0)).mean(axis=1)
        for one in (False, True)
    ]
    naive = np.mean((distances[1] < distances[0]) == truth)
    assert 0.85 < naive < 0.95
    learnt = LogisticRegression(C=0.05, max_iter=300).fit(inputs, dress)
    assert learnt.score(unseen, truth) > naive + 0.03


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_image_is_refused(n):
    with pytest.raises(ValueError, match="n must be"):
        fl.data.garments(jax.random.key(0), n)


def test_an_untyped_key_is_refused(plain_annotations):
    with pytest.raises(TypeError, match="key"):
        fl.data.garments(np.uint32(0), 3)  # pyright: ignore[reportArgumentType]
