"""The host loop: the bits of `fit` in chunks, in a folder, cut and gone on with."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.running import run
from tests.running.running_setting import (
    DATA,
    EVALUATE,
    OBJECTIVE,
    START,
    STEP,
    begin,
    bits,
    check_same,
)

SEEN = {"evaluate": EVALUATE}
KINDS = {
    "full batch": {},
    "minibatches": {"batch_size": 4},
    "evaluation": SEEN,
    "a rule": {**SEEN, "stop": fl.stopping.patience(30)},
    "the best": {**SEEN, "best_on": "validation"},
    "records": {"record": lambda state, info, _: (state.params, info.grads)},
    "no records": {"record": lambda state, info, _: None},
}


def whole_and_data(options, epochs=300):
    """What `fit` makes, and the arguments of data."""
    data = (DATA, DATA) if "evaluate" in options else (DATA,)
    return fl.fit(STEP, START, *data, epochs=epochs, **options), data


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_it_has_the_bits_of_fit_also_after_an_end_in_between(options, tmp_path):
    whole, data = whole_and_data(options)
    quiet = {"progress": False, **options}
    check_same(run(STEP, START, *data, epochs=300, **quiet), whole)
    kept = {"folder": tmp_path / "new" / "run", "resume": True, **quiet}
    for epochs in (1, 120, 300, 300):  # the last one finds nothing left to do
        again = run(STEP, START, *data, epochs=epochs, **kept)
    check_same(again, whole)
    assert again.reason.name == whole.reason.name


def test_the_logs_hold_every_epoch_once(tmp_path):
    kept = {"folder": tmp_path, "resume": True, "progress": False, **SEEN}
    for epochs in (7, 50):
        made = run(STEP, START, DATA, DATA, epochs=epochs, **kept)
    table = np.genfromtxt(tmp_path / "history.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["epoch"], np.arange(1, 51))
    np.testing.assert_array_equal(table["loss"].astype("f4"), made.history.loss)
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    np.testing.assert_array_equal(np.float32(losses), made.history.loss)


def test_a_deadline_is_kept_and_gone_beyond(tmp_path):
    def slow(report):
        while jax.numpy.zeros(()) + 1 and report.epoch < 0:
            pass

    kept = {"folder": tmp_path, "resume": True, "progress": False}
    late = run(STEP, START, DATA, epochs=300, within=1e-9, callbacks=[slow], **kept)
    assert late.reason.name == "deadline" and 0 < int(late.epochs) < 300
    part = fl.fit(STEP, START, DATA, epochs=int(late.epochs))
    assert bits(late.state) == bits(part.state)
    assert np.isnan(late.history.loss[int(late.epochs) :]).all()
    whole, _ = whole_and_data({})
    check_same(run(STEP, START, DATA, epochs=300, **kept), whole)


def test_callbacks_get_values_and_are_named_when_they_fail():
    epochs, rows = [], []

    def watching(report):
        epochs.append(report.epoch)
        rows.append(report.rows.loss)
        return report.state._replace(params=None)  # which changes nothing

    made = run(STEP, START, DATA, epochs=300, progress=False, callbacks=[watching])
    assert epochs[-1] == 300 and epochs == sorted(epochs)
    np.testing.assert_array_equal(np.concatenate(rows), made.history.loss)
    check_same(made, whole_and_data({})[0])

    def failing(report):
        if report.epoch > 5:
            raise KeyError("oh")

    with pytest.raises(fl.running.Failed, match=r"callback .*failing raised KeyError"):
        run(STEP, START, DATA, epochs=300, progress=False, callbacks=[failing])


def test_what_a_failure_leaves_is_given_back(tmp_path):
    counter = itertools.count()

    def failing(report):
        if next(counter) == 2:
            raise OSError("no more")

    quiet = {"progress": False, "folder": tmp_path}
    with pytest.raises(fl.running.Failed, match="no more") as caught:
        run(STEP, START, DATA, epochs=300, callbacks=[failing], **quiet)
    left = caught.value.run
    part = fl.fit(STEP, START, DATA, epochs=int(left.epochs))
    assert bits(left.state) == bits(part.state)
    again = run(STEP, START, DATA, epochs=300, resume=True, **quiet)
    check_same(again, whole_and_data({})[0])


@pytest.mark.parametrize("record", [None, lambda state, info, _: state.params])
def test_a_run_that_diverges_keeps_the_last_good_state(record, tmp_path):
    step, state = begin(optax.sgd(2.0))
    quiet = {"progress": False, "folder": tmp_path, "record": record}
    with pytest.warns(RuntimeWarning, match="the run diverged: in epoch"):
        made = run(step, state, DATA, epochs=500, **quiet)
    assert made.reason.name == "diverged"
    kept = fl.fit(step, state, DATA, epochs=int(made.state.epoch))
    assert bits(made.state) == bits(kept.state)
    assert all(np.isfinite(leaf) for leaf in made.state.params)
    after = fl.fit(step, made.state, DATA, epochs=3)
    assert not np.isfinite(after.history.loss[-1])
    saved = fl.checkpoints.latest(tmp_path)
    assert saved.step == int(made.state.epoch)
    if record is None:
        losses = np.asarray(made.history.loss)[: int(made.epochs)]
        assert np.isfinite(losses[:-1]).all() and not np.isfinite(losses[-1])
        found = fl.diagnosis.explain_divergence(
            made, OBJECTIVE, step, state, DATA, learning_rate=2.0
        )
        assert found.not_finite_epoch == int(made.epochs)


def test_a_rule_that_ends_it_before_is_obeyed():
    step, state = begin(optax.sgd(2.0))
    rule = fl.stopping.diverged()
    whole = fl.fit(step, state, DATA, epochs=500, stop=rule)
    made = run(step, state, DATA, epochs=500, stop=rule, progress=False)
    check_same(made, whole)
    assert made.reason.name == "diverged"


def other(**changes):
    """Arguments of a run that differ in one thing."""
    step, state = changes.pop("begun", (STEP, START))
    data = changes.pop("data", DATA)
    return (step, state, data), {"epochs": 20, "progress": False, **changes}


REFUSED = {
    "optimizer": ({"begun": begin(optax.sgd(0.1))}, r"state\.opt_state|something else"),
    "rate": ({"begun": begin(optax.adam(0.2))}, r"computes something else.*0\.2"),
    "key": ({"begun": begin(key=5)}, r"state\.key was \[0, 0\], and is \[0, 5\]"),
    "batch size": ({"batch_size": 3}, "computes something else"),
    "data": ({"data": DATA._replace(targets=DATA.targets + 1)}, "data"),
    "rows": ({"data": jax.tree.map(lambda x: x[:5], DATA)}, "something else|data"),
    "config": ({"config": {"note": 2}}, "note"),
    "rule": ({"stop": fl.stopping.patience(3)}, "something else"),
}


@pytest.mark.parametrize("change, message", REFUSED.values(), ids=REFUSED)
def test_another_run_is_refused_and_leaves_the_old_one_as_it_was(
    change, message, tmp_path
):
    kept = {"folder": tmp_path, "resume": True, "config": {"note": 1}}
    given, options = other(**kept)
    run(*given, **options)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.name != ".lock"}
    given, options = other(**{**kept, **change})
    with pytest.raises(fl.checkpoints.CheckpointError, match=message):
        run(*given, **options)
    after = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.name != ".lock"}
    assert after == before


def test_numbers_of_the_rule_may_change(tmp_path):
    kept = {"folder": tmp_path, "resume": True, "progress": False, **SEEN}
    rule = fl.stopping.patience
    run(STEP, START, DATA, DATA, epochs=50, stop=rule(900), **kept)
    made = run(STEP, START, DATA, DATA, epochs=300, stop=rule(30), **kept)
    check_same(made, whole_and_data(KINDS["a rule"])[0])


def test_a_folder_with_a_run_is_not_written_over(tmp_path):
    given, options = other(folder=tmp_path)
    run(*given, **options)
    with pytest.raises(ValueError, match=r"folder holds a run already.*resume=True"):
        run(*given, **options)


BAD = {
    "epochs": ({"epochs": -1}, ValueError, "epochs"),
    "within": ({"within": 0.0}, ValueError, "within must be positive"),
    "save_every": ({"save_every": -1.0}, ValueError, "save_every"),
    "keep": ({"keep": 0}, ValueError, "keep must be at least 1"),
    "logs": ({"logs": ("xml",)}, ValueError, "logs must be some of csv"),
    "log": ({"logs": "csv"}, ValueError, "logs must be some of csv"),
    "batch size": ({"batch_size": 99}, ValueError, "batch_size"),
    "unknown": ({"batchsize": 9}, TypeError, "run has no argument batchsize"),
    "data": ({"data": DATA._replace(targets="no")}, TypeError, "train"),
    "rule": ({"stop": 3}, TypeError, "stop"),
    "callback": ({"callbacks": [3]}, TypeError, "callbacks"),
    "config": ({"config": {"a": object()}}, (TypeError, ValueError), "config"),
}


@pytest.mark.parametrize("change, kind, message", BAD.values(), ids=BAD)
def test_bad_input_is_refused_before_anything_is_written(
    change, kind, message, tmp_path
):
    folder = tmp_path / "run"
    given, options = other(folder=folder, **change)
    with pytest.raises(kind, match=message):
        run(*given, **options)
    assert not folder.exists()


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    given, options = other(folder=path)
    with pytest.raises(OSError, match="file"):
        run(*given, **options)
    assert path.read_text() == "mine"


def test_no_epochs_and_double_precision(float64, tmp_path):
    step, state = begin()
    assert state.params.weight.dtype == jnp.float64
    data = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), DATA)
    kept = {"progress": False, "folder": tmp_path, "resume": True}
    for epochs in (0, 40):
        made = run(step, state, data, epochs=epochs, **kept)
        check_same(made, fl.fit(step, state, data, epochs=epochs))
