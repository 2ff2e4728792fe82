"""The README's example runs as printed, and its table lists every experiment."""

import re
from pathlib import Path

import numpy as np

from experiments import NAMES

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def test_examples_run():
    first, second = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(first, names)
    one, many = names["one"], names["many"]
    assert many.history.loss.shape == (100, 5000)
    np.testing.assert_allclose(
        many.history.loss[-1], one.history.loss, rtol=1e-4, atol=1e-4
    )
    assert names["slope"] < 0  # a larger rate gets further in 5000 epochs
    exec(second, names)
    np.testing.assert_allclose(names["limit"], 1, rtol=1e-5)
    swept, limit = names["swept"], float(names["limit"])
    rates = np.asarray(swept.values["learning_rate"])
    grown = swept.result.history.loss[:, 14] > swept.result.history.loss[:, 0]
    off = ~np.isclose(rates, limit, rtol=1e-3)  # at the limit the loss stands still
    np.testing.assert_array_equal(grown[off], rates[off] > limit)
    assert set(swept.result.reason.name) == {"epochs", "patience", "diverged"}
    assert names["diagnosis"].diagnose(names["best"].result).kind == "healthy"


def test_table_lists_every_experiment():
    assert tuple(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)) == NAMES
