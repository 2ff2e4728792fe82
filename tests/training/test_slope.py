"""The loss, the gradient and the notes of a step."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn.models import Noted
from funclearn.training import _slope

KEY = jax.random.key(0)
ROWS = jnp.array([1.0, 2.0, 4.0])


class Counting:
    """The mean square about w, whose notes are w and how often it was evaluated."""

    def __init__(self):
        self.evaluations = 0

    def __call__(self, params, batch, key):
        return self.with_notes(params, batch, key)[0]

    def with_notes(self, params, batch, key):
        self.evaluations += 1
        return jnp.mean((params.params - batch) ** 2), params.params


def test_notes_come_with_the_gradient_of_autodiff():
    objective = Counting()
    slope = _slope.make_slope(objective, fl.gradients.autodiff)
    found = slope(Noted(jnp.float32(3), jnp.float32(0)), ROWS, KEY)
    assert objective.evaluations == 1
    np.testing.assert_allclose(found.loss, np.mean((3 - np.asarray(ROWS)) ** 2))
    np.testing.assert_allclose(found.grads, 2 * np.mean(3 - np.asarray(ROWS)))
    assert found.params == Noted(3, 3)
    at_one = 1 - np.asarray(ROWS)
    np.testing.assert_allclose(found.loss_at(1.0, ROWS, KEY), np.mean(at_one**2), 1e-6)
    _, slope = found.value_and_grad(1.0, ROWS, KEY)
    np.testing.assert_allclose(slope, 2 * np.mean(at_one), rtol=1e-6)


def test_other_methods_evaluate_once_more():
    objective = Counting()
    method = fl.gradients.given(lambda w, batch: 2 * jnp.mean(w - batch))
    found = _slope.make_slope(objective, method)(Noted(3.0, jnp.float32(0)), ROWS, KEY)
    assert objective.evaluations == 2
    assert found.params.notes == 3


def test_plain_parameters_have_the_gradient_of_all():
    def objective(w, batch, key):
        return jnp.mean((w - batch) ** 2)

    found = _slope.make_slope(objective, fl.gradients.autodiff)(3.0, ROWS, KEY)
    assert found.params == 3.0
    np.testing.assert_allclose(found.grads, 2 * np.mean(3 - np.asarray(ROWS)))


@pytest.mark.usefixtures("plain_annotations")
def test_a_gradient_that_is_none_is_refused():
    with pytest.raises(TypeError, match=r"gradient\(\.\.\.\) must be a function of"):
        _slope.make_slope(lambda w, batch, key: w, cast(Any, lambda objective: None))
