"""What is read of a run, compared with NumPy."""

# Arrays of NumPy stand for those of JAX here.
# pyright: reportArgumentType=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn.stopping import Best, Reason

NAMES = ("epochs", "patience")


def run_of(loss, evaluation=None, *, code=0, **fields):
    """A run with a history, and what belongs to it."""
    loss = np.asarray(loss, np.float32)
    epochs = np.asarray(np.full(loss.shape[:-1], loss.shape[-1], np.int32))
    fields = {"epochs": epochs, "history": fl.History(loss, evaluation), **fields}
    return fl.Run(state=None, reason=Reason(np.asarray(code), NAMES), **fields)


def summary(run):
    from funclearn.training._summary import summary

    return summary(run.history, run.epochs, run.reason, run.best, run.final)


def rows(run):
    """The numbers of the table by their row, and its heads."""
    columns = summary(run).columns
    names, *others = columns.values()
    return dict(zip(names, zip(*others, strict=True), strict=True)), [*columns][1:]


def test_one_run_has_its_ends_and_extremes():
    loss, accuracy = np.array([8.0, 1.0, 2.0]), np.array([0.5, 0.75, 0.625])
    evaluation = {"loss": 2 * loss, "accuracy": accuracy}
    table, heads = rows(run_of(loss, evaluation))
    assert heads == ["first", "last", "lowest", "highest"]
    assert table == {
        "training loss": (8, 2, 1, 8),
        "validation loss": (16, 4, 2, 16),
        "evaluation.accuracy": (0.5, 0.625, 0.5, 0.75),
    }
    assert summary(run_of(loss)).title == "Run: 3 of 3 epochs; reason: epochs"


def test_rows_that_never_ran_do_not_count():
    loss = np.array([4.0, 3.0, np.nan, np.nan])
    best = Best(None, np.int32(2), np.float32(0.125))
    run = run_of(loss, loss / 2, code=1, best=best)._replace(epochs=np.int32(2))
    found = summary(run)
    assert found.title == (
        "Run: 2 of 4 epochs; reason: patience; best 0.125 at epoch 2"
    )
    assert rows(run)[0]["training loss"] == (4, 3, 3, 4)
    assert {name: [*map(len, lanes)] for name, lanes in found.pictures.items()} == {
        "training loss": [2],
        "validation loss": [2],
    }


def test_losses_that_are_not_finite_are_counted():
    table, heads = rows(run_of([4.0, np.inf, np.nan], np.array([1.0, 2.0, 3.0])))
    assert heads[-1] == "not finite"
    np.testing.assert_array_equal(table["training loss"], (4, np.nan, 4, 4, 2))
    assert table["validation loss"] == (1, 3, 1, 3, 0)
    table, _ = rows(run_of([np.nan]))
    np.testing.assert_array_equal(table["training loss"][0], np.nan)
    assert table["training loss"][2:] == ("", "", 1)


def test_a_run_of_no_epochs():
    none = Best(None, np.int32(0), np.float32(np.inf))
    found = summary(run_of([], best=none))
    assert found.title == "Run: 0 of 0 epochs; reason: epochs"
    assert rows(run_of([]))[0] == {"training loss": ("", "", "", "")}


@pytest.mark.parametrize("shape", [(5,), (2, 3), (40,)])
def test_mapped_runs_are_summed_up_over_their_lanes(shape):
    generator = np.random.default_rng(0)
    loss = generator.uniform(1, 2, (*shape, 7)).astype(np.float32)
    epochs = generator.integers(2, 7, shape).astype(np.int32)
    codes = (epochs < 4).astype(int)
    run = run_of(loss, loss / 2, code=codes, final=fl.History(loss[..., 0], 3 * epochs))
    run = run._replace(epochs=epochs)
    table, heads = rows(run)
    assert heads == ["lowest", "median", "highest"]
    expected = {
        "epochs": epochs,
        "training loss": loss[..., 0],
        "validation loss": 3 * epochs,
    }
    for name, values in expected.items():
        found = np.min(values), np.median(values), np.max(values)
        np.testing.assert_allclose(np.array(table[name], float), found, rtol=1e-6)
    counts = {"patience": codes.sum(), "epochs": (1 - codes).sum()}
    found = summary(run)
    assert f"{epochs.size} runs of shape {shape}: " in found.title
    for name, count in counts.items():
        assert f"{name} {count}" in found.title.split("reasons: ")[1]
    lanes = found.pictures["training loss"]
    assert len(lanes) == min(epochs.size, 12)
    first, last = loss.reshape(-1, 7)[[0, -1]]
    np.testing.assert_array_equal(lanes[0], first[: epochs.flat[0]])
    np.testing.assert_array_equal(lanes[-1], last[: epochs.flat[-1]])


def test_mapped_runs_with_a_best_value_and_lanes_that_diverged():
    best = Best(None, np.array([3, 0]), np.array([0.5, np.inf]))
    run = run_of(np.ones((2, 4)), code=[0, 1], best=best)
    table, heads = rows(run._replace(final=fl.History(np.array([np.nan, 2]), None)))
    assert heads[-1] == "not finite"
    assert table["best"] == (0.5, 0.5, 0.5, 1)
    assert table["training loss"] == (2, 2, 2, 1)
    assert table["best epoch"] == (0, 1.5, 3, 0)


def test_no_lanes_at_all():
    found = summary(run_of(np.ones((0, 4)), code=np.zeros(0, int)))
    assert found.title.startswith("0 runs of shape (0,): 0 of 4 epochs")
    assert not any(found.pictures.values())


def test_traced_runs_say_so():
    seen = []

    def look(loss, epochs):
        run = run_of([1.0, 2.0])._replace(history=fl.History(loss, None), epochs=epochs)
        seen.append(summary(run))
        return loss

    jax.make_jaxpr(look)(jnp.ones(9), jnp.int32(2))
    jax.make_jaxpr(look)(jnp.ones((3, 9)), jnp.ones(3, jnp.int32))
    one, many = seen
    assert (one.title, many.title) == ("Run of 9 epochs at most",) * 1 + (
        "Runs of 9 epochs at most",
    )
    assert "epochs (traced, int32[]), training loss (traced, float32[9])" in one.notes
    assert "training loss (traced, float32[3,9])" in many.notes
    assert not one.pictures and str(one).splitlines() == [one.title, one.notes]


def test_arrays_that_were_given_away_are_named():
    run = run_of([1.0], evaluation=np.array([2.0]))
    lost = jnp.ones(1)
    lost.delete()
    found = summary(run._replace(history=run.history._replace(loss=lost)))
    assert found.notes == ("Cannot be read here: training loss (deleted, float32[1]).")
    assert [*found.lines] == ["validation loss"]


def test_arrays_of_other_processes_and_abstract_ones_are_named(monkeypatch):
    from funclearn.training import _summary

    run = run_of([1.0])
    abstract = run._replace(epochs=jax.ShapeDtypeStruct((), jnp.int32))
    assert "epochs (a ShapeDtypeStruct)" in summary(abstract).notes
    monkeypatch.setattr(_summary, "is_known", lambda leaf: False)
    run = run._replace(history=fl.History(jnp.ones(1), None))
    assert "training loss (in other processes, float32[1])" in summary(run).notes


def test_what_record_kept_is_shown_by_its_names():
    kept = {
        "loss": np.array([2.0, 1.0]),
        "[red]": jnp.array([1, 2], jnp.bfloat16),
        "right": np.array([False, True]),
        "params": np.ones((2, 3)),
        "key": jax.random.split(jax.random.key(0)),
        "complex": np.array([1j, 2j]),
    }
    table, _ = rows(run_of([1.0, 2.0])._replace(history=kept))
    assert table == {
        "training loss": (2, 1, 1, 2),
        "[red]": (1, 2, 1, 2),
        "right": (0, 1, 0, 1),
    }
    assert not summary(run_of([1.0])._replace(history=None)).pictures


def test_of_many_curves_some_are_shown():
    kept = {f"{number:03}": np.ones(2) for number in range(50)}
    run = run_of([1.0, 2.0])._replace(history=kept)
    assert [*rows(run)[0]] == [f"{number:03}" for number in range(20)]
    assert summary(run).notes == "30 more are not shown."
    lost = {name: jax.ShapeDtypeStruct((2,), jnp.float32) for name in kept}
    assert (
        "019 (a ShapeDtypeStruct), and 30 more."
        in summary(run._replace(history=lost)).notes
    )
