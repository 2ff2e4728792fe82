"""Validation's splits, its losses, and what leaks, against NumPy."""

import dataclasses

import numpy as np
import pytest

import funclearn as fl
from experiments._thermometer import LOSSES
from experiments.validation import Config
from experiments.validation.chapter import (
    TRAINING_ROWS,
    VALIDATION_ROWS,
    descend,
    study,
)

SHORT = Config(epochs=40, splits=4)
X, Y = (np.asarray(column, float) for column in fl.data.thermometer())


def mean_loss(name, params, rows):
    residuals = np.abs(params[0] * X[rows] / 10 + params[1] - Y[rows])
    return {
        "mse": residuals**2,
        "mae": residuals,
        "huber": np.where(residuals <= 1, residuals**2 / 2, residuals - 0.5),
    }[name].mean()


def test_the_published_rows_are_a_split():
    assert sorted([*TRAINING_ROWS, *VALIDATION_ROWS]) == [*range(11)]


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_their_rows(name):
    readings = fl.data.Scaler(input_scale=10.0)(fl.data.thermometer())
    parts = (
        fl.Dataset(*(column[np.array(rows)] for column in readings))
        for rows in (TRAINING_ROWS, VALIDATION_ROWS)
    )
    honest = descend(*parts, dataclasses.replace(SHORT, loss=name)).history
    for rows, losses in (
        (TRAINING_ROWS, honest.loss),
        (VALIDATION_ROWS, honest.evaluation),
    ):
        assert losses[0] == pytest.approx(mean_loss(name, (1.0, 0.0), rows), rel=1e-5)


@pytest.mark.slow
def test_only_a_leak_steps_along_the_validation_loss():
    result = study(Config(epochs=1, splits=1))
    for run_, parts in (
        (result.honest, (TRAINING_ROWS,)),
        (result.leaky, (TRAINING_ROWS, VALIDATION_ROWS)),
    ):
        weight = 1.0
        for rows in parts:
            residuals = X[rows] / 10 - Y[rows]
            weight -= 0.01 * 2 * np.mean(residuals * X[rows] / 10)
        assert run_.state.params.weight == pytest.approx(weight, rel=1e-5)


@pytest.mark.slow
def test_the_same_key_gives_the_same_split():
    one, again, other = study(SHORT).splits.values()
    assert [*map(list, one)] == [*map(list, again)] != [*map(list, other)]


def test_a_file_is_split_by_the_first_key(tmp_path):
    path = tmp_path / "own.csv"
    rows = [f"{x},{y}" for x, y in zip(X, Y, strict=True)]
    path.write_text("\n".join(["x,y", *rows]))
    result = study(dataclasses.replace(SHORT, csv=path, target="y"))
    training, validation = result.splits["one key"]
    assert result.honest.history.loss[0] == pytest.approx(
        mean_loss("mse", (1.0, 0.0), training), rel=1e-5
    )
    assert result.honest.history.evaluation[0] == pytest.approx(
        mean_loss("mse", (1.0, 0.0), validation), rel=1e-5
    )
