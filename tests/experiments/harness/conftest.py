"""An experiment of three numbers, for the tests of running and reporting."""

import dataclasses
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from experiments.harness import Outcome, Plot, Table
from experiments.harness._report import describe

SHAPES = {
    "broadcast-xxy": (3, 1),
    "broadcast-yxz": (3, 3),
    "broadcast-yxzxa": (2, 3, 3),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    epochs: int = 3
    """Number of epochs."""
    data: Path | None = None
    """File to read."""


def _draw(axes):
    axes.plot([1.0, 2.0])


def run(config):
    if config.epochs < 0:
        raise ValueError("epochs must not be negative")
    loss = np.array([4.0, math.inf, math.nan], np.float32)[: config.epochs]
    return Outcome(
        computed=SHAPES,
        tables=(Table("Losses", ("epoch", "loss"), ((1, np.float32(4)), (2, np.inf))),),
        plots={"loss": Plot("The loss is lost.", _draw)},
        history={"loss": loss},
        findings=("The loss is lost at epoch 2.",),
    )


@pytest.fixture(autouse=True)
def three_numbers(monkeypatch):
    """Makes `experiments.three_numbers` a package, and returns its name."""
    name = "three_numbers"
    package = ModuleType(f"experiments.{name}")
    chapter = ModuleType(
        f"experiments.{name}.chapter",
        "Loses three numbers.\n\nThe first is finite.\n",
    )
    vars(package).update(Config=Config, run=run)
    vars(chapter).update(SOURCES=("Reading notes on the book",))
    for module in (package, chapter):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return name


@pytest.fixture
def experiment(three_numbers):
    """The experiment, under the name of one that owns three published figures."""
    return describe(three_numbers)._replace(name="broadcasting")


@pytest.fixture
def wrong(experiment):
    """The experiment, with one published figure missed."""
    outcome = Outcome(computed=SHAPES | {"broadcast-xxy": 3})
    return experiment._replace(run=lambda config: outcome)


@pytest.fixture
def broken(experiment):
    """An experiment that fails."""
    return experiment._replace(name="validation", run=lambda config: 1 // 0)


@pytest.fixture
def read():
    """Reads strict JSON."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not strict JSON")

    return lambda path: json.loads(path.read_text(), parse_constant=refuse)
