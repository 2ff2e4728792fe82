"""The README's example runs as printed, and its table lists every experiment."""

import re
from pathlib import Path

import numpy as np

from experiments import NAMES

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def test_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(example, names)
    one, many = names["one"], names["many"]
    assert many.history.loss.shape == (100, 5000)
    np.testing.assert_allclose(
        many.history.loss[-1], one.history.loss, rtol=1e-4, atol=1e-4
    )
    assert names["slope"] < 0  # a larger rate gets further in 5000 epochs


def test_table_lists_every_experiment():
    assert tuple(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)) == NAMES
