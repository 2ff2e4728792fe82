"""Which class is meant, and which logits and labels fit."""

import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.metrics import _classes


@pytest.mark.parametrize(
    "logits, labels, expected",
    [
        (np.array([[0.0, 2.0, 1.0]]), np.array([1], np.uint8), [1]),
        (np.array([[np.nan, 2.0, 1.0]]), np.array([1]), [-1]),
        (np.array([0.5, -1.0, 0.0, np.nan]), np.array([1, 0, 0, 1]), [1, 0, 0, -1]),
        (np.array([3, -3]), np.array([True, False]), [1, 0]),
    ],
    ids=["largest", "unknown", "sign", "integers"],
)
def test_the_predicted_class(logits, labels, expected):
    read = _classes.read_classes(logits, labels, None)
    assert read[1].dtype == jnp.int32 and read[2].shape == ()
    assert _classes.predicted(*read[:2]).tolist() == expected


@pytest.mark.parametrize("labels", [np.array([1, 0, 1]), np.array([1.0, 0.0, 1.0])])
def test_logits_of_one_class_are_refused(labels):
    with pytest.raises(ValueError, match=r"got predictions \(3, 1\) and targets \(3,"):
        _classes.read_classes(np.ones((3, 1)), labels, None)
    column = labels[:, None]
    read = _classes.read_classes(np.array([[1.0], [-1.0], [2.0]]), column, None)
    assert _classes.predicted(*read[:2]).tolist() == [[1], [0], [1]]


def test_text_is_refused_by_name():
    with pytest.raises(TypeError, match="targets must hold numbers; got text"):
        _classes.read_classes(np.ones((2, 3)), np.array(["a", "b"]), None)
