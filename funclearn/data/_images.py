"""Sets of labelled images: handwritten digits and garments, as they were published."""

import os

import numpy as np

from funclearn._words import described
from funclearn.data._cache import Source, provide
from funclearn.data._dataset import Dataset
from funclearn.data._download import File
from funclearn.data._idx import read_idx

__all__ = ["FASHION_MNIST_CLASSES", "digits", "fashion_mnist", "mnist"]

FASHION_MNIST_CLASSES: tuple[str, ...] = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""What the labels 0 to 9 of Fashion-MNIST stand for."""

_CLASSES = 10
_SIDE = 28  # pixels
_PARTS = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}

_FASHION_MNIST = Source(
    title="Fashion-MNIST",
    folder="fashion_mnist",
    files=(
        File(
            name="train-images-idx3-ubyte.gz",
            size=26421880,
            sha256="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        File(
            name="train-labels-idx1-ubyte.gz",
            size=29515,
            sha256="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        File(
            name="t10k-images-idx3-ubyte.gz",
            size=4422102,
            sha256="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        File(
            name="t10k-labels-idx1-ubyte.gz",
            size=5148,
            sha256="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    layouts=("FashionMNIST/raw", "fashion-mnist"),  # of torchvision, of Keras
)

_MNIST = Source(
    title="MNIST",
    folder="mnist",
    files=(
        File(
            name="train-images-idx3-ubyte.gz",
            size=9912422,
            sha256="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        File(
            name="train-labels-idx1-ubyte.gz",
            size=28881,
            sha256="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        File(
            name="t10k-images-idx3-ubyte.gz",
            size=1648877,
            sha256="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        File(
            name="t10k-labels-idx1-ubyte.gz",
            size=4542,
            sha256="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    layouts=("MNIST/raw",),  # of torchvision
)


def fashion_mnist(
    folder: str | os.PathLike[str] | None = None,
    part: str = "train",
    *,
    download: bool = True,
) -> Dataset:
    """Photographs of garments in ten classes, downloaded when first asked for.

    The files come from the public addresses of the data set, are compared with their
    published SHA-256, and are kept. Nothing is downloaded or written where they are
    there already, packed or unpacked, or in the layout of torchvision or Keras.
    Unpacked files have no published checksum; their form alone is checked.

    Args:
        folder: holds the files, or will. None is the folder `fashion_mnist` in that
            which the environment variable `FUNCLEARN_DATA` names, or else in the
            user's folder for caches, `~/.cache/funclearn` on Linux.
        part: "train", 60,000 images, or "test", 10,000.
        download: whether files that lack are downloaded.

    Returns:
        Inputs uint8 `(n, 28, 28)`, 0 for the background and up to 255, and targets
        int32 `(n,)`, which index `FASHION_MNIST_CLASSES`; NumPy's, for `as_dataset` or
        any run to take to the device.

    Raises:
        ConnectionError: if the files could not be downloaded.
        FileNotFoundError: if files lack and are not to be downloaded.
        OSError: if the folder cannot be written.
        TypeError: if `folder` is no path.
        ValueError: if `part` is another, or a file is not what it should be.

    References:
        Xiao, Rasul and Vollgraf, *Fashion-MNIST: a novel image dataset for benchmarking
        machine learning algorithms*, arXiv:1708.07747, 2017.
    """
    return _read(_FASHION_MNIST, folder, part, download)


def mnist(folder: str | os.PathLike[str] | None = None, part: str = "train") -> Dataset:
    """Handwritten digits, downloaded when first asked for.

    Files are found, downloaded and kept as by `fashion_mnist`, in a folder `mnist`.

    Args:
        folder: holds the files, or will; None is the folder for caches.
        part: "train", 60,000 images, or "test", 10,000.

    Returns:
        Inputs uint8 `(n, 28, 28)`, 0 for the paper and up to 255 for the ink, and
        targets int32 `(n,)`, the digits; NumPy's.

    Raises:
        ConnectionError: if the files could not be downloaded.
        OSError: if the folder cannot be written.
        TypeError: if `folder` is no path.
        ValueError: if `part` is another, or a file is not what it should be.

    References:
        LeCun, Bottou, Bengio and Haffner, *Gradient-based learning applied to document
        recognition*, 1998.
    """
    return _read(_MNIST, folder, part)


def digits() -> Dataset:
    """Small handwritten digits, which scikit-learn brings along.

    Returns:
        Inputs uint8 `(1797, 8, 8)`, 0 for the paper and up to 16 for the ink, and
        targets int32 `(1797,)`, the digits; NumPy's.

    Raises:
        ImportError: if scikit-learn is not installed.

    References:
        Alpaydin and Kaynak, *Optical recognition of handwritten digits*, UCI Machine
        Learning Repository, 1998.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "digits needs scikit-learn, which holds its images: pip install "
            f"scikit-learn ({error})."
        ) from error
    pixels, labels = (np.asarray(part) for part in load_digits(return_X_y=True))
    images = pixels.reshape(-1, 8, 8)
    return Dataset(images.astype(np.uint8), labels.astype(np.int32))


def _read(
    source: Source,
    folder: str | os.PathLike[str] | None,
    part: str,
    download: bool = True,
) -> Dataset:
    if not isinstance(part, str) or part not in _PARTS:
        raise ValueError(f"part must be 'train' or 'test'; got {described(part)}.")
    inputs, targets = provide(source, _PARTS[part], folder, missing_ok=download)
    images, labels = read_idx(inputs), read_idx(targets)
    sized = images.size and images.shape[1:] == (_SIDE, _SIDE)
    if images.dtype != np.uint8 or not sized:
        raise ValueError(
            f"{inputs} must hold uint8[n,{_SIDE},{_SIDE}]; got {described(images)}."
        )
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"{targets} must hold uint8[{len(images)}], a label for every image; got "
            f"{described(labels)}."
        )
    if labels.max() >= _CLASSES:
        raise ValueError(
            f"{targets} must hold labels below {_CLASSES}; got {labels.max()}."
        )
    return Dataset(images, labels.astype(np.int32))
