"""The README's example runs as printed, and its table lists every experiment."""

import re
from pathlib import Path

import numpy as np
import pytest

import funclearn
from benchmarks import _record, quote
from experiments import NAMES
from tests.runs import bits

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def ran(example, names):
    exec(example, names)
    return names


def test_the_experiment_runs(capsys):
    outcome = ran(EXAMPLES[5], {})["outcome"]
    shown = capsys.readouterr().out
    assert "R² is" in shown and shown.split("\n")[0] == outcome.findings[0]


def test_the_training_examples_run(tmp_path, monkeypatch):
    names = ran(EXAMPLES[1], {})
    one, many = names["one"], names["many"]
    assert many.history.loss.shape == (100, 5000)
    np.testing.assert_allclose(
        many.history.loss[-1], one.history.loss, rtol=1e-4, atol=1e-4
    )
    assert names["slope"] < 0  # a larger rate gets further in 5000 epochs
    ran(EXAMPLES[2], names)
    np.testing.assert_allclose(names["limit"], 1, rtol=1e-5)
    swept, limit = names["swept"], float(names["limit"])
    rates = np.asarray(swept.values["learning_rate"])
    grown = swept.result.history.loss[:, 14] > swept.result.history.loss[:, 0]
    off = ~np.isclose(rates, limit, rtol=1e-3)  # at the limit the loss stands still
    np.testing.assert_array_equal(grown[off], rates[off] > limit)
    assert set(swept.result.reason.name) == {"epochs", "patience", "diverged"}
    found = names["diagnosis"].diagnose(names["best"].result, names["validation"])
    assert found.kind == "cannot tell"  # of two rows
    monkeypatch.chdir(tmp_path)
    ran(EXAMPLES[3], names)
    saved = funclearn.checkpoints.latest(tmp_path / "run")
    assert saved is not None and saved.step == 20_000
    ran(EXAMPLES[4], names)
    assert names["mesh"].size == 8
    where = names["step"], names["state"], names["train"]
    alone = funclearn.fit(*where, epochs=1000)
    assert bits(names["made"].state) == bits(alone.state)
    assert len(names["swept"].result.loss) == 11 and Path("lanes").is_dir()


def test_the_gradient_example_passes_and_can_fail():
    names = ran(EXAMPLES[0], {})
    names["test_gradient"]()
    right = names["by_hand"]
    names["by_hand"] = lambda params, batch: {
        name: 2 * slope for name, slope in right(params, batch).items()
    }
    with pytest.raises(AssertionError, match="twice what it should be"):
        names["test_gradient"]()


def test_the_map_names_every_public_module():
    named = re.findall(r"`fl\.(\w+)`", README.split("## The modules")[1])
    folder = Path(funclearn.__file__).parent
    public = {path.stem for path in folder.iterdir() if not path.stem.startswith("_")}
    assert sorted(named) == sorted(public - {"py"})


def test_the_files_that_it_shows_are_there():
    """But the tutorials, which come with the documentation."""
    linked = re.findall(r"\]\((?!#|https?:)([^)]+)\)", README)
    linked += re.findall(r'<img src="([^"]+)"', README)
    assert "experiments/figures/thermometer.webp" in linked
    root = Path(__file__).parents[1]
    missing = [name for name in linked if not (root / name).exists()]
    assert all(name.startswith("docs/tutorials/") for name in missing), missing


def test_table_lists_every_experiment():
    assert tuple(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)) == NAMES


def test_the_speeds_are_the_newest_results():
    record = _record.latest()
    assert record is not None and quote.with_quote(README, record) == README
    faster = record.lines[0]._replace(faster=2 * record.lines[0].faster)
    changed = record._replace(lines=[faster, *record.lines[1:]])
    assert quote.with_quote(README, changed) != README
