"""The host loop: the bits of `fit` in chunks, in a folder, cut and gone on with."""

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
    check_same,
    other,
)
from tests.runs import bits

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
@pytest.mark.slow
def test_it_has_the_bits_of_fit_also_after_an_end_in_between(options, tmp_path):
    whole, data = whole_and_data(options)
    quiet = {"progress": False, **options}
    check_same(run(STEP, START, *data, epochs=300, **quiet), whole)
    kept = {"folder": tmp_path / "new" / "run", "resume": True, **quiet}
    for epochs in (1, 120, 300, 300):  # the last one finds nothing left to do
        again = run(STEP, START, *data, epochs=epochs, **kept)
    check_same(again, whole)
    assert again.reason.name == whole.reason.name


def test_a_step_that_averages_its_weights_goes_on(tmp_path):
    optimizer = optax.adam(0.1)
    step = fl.make_train_step(OBJECTIVE, optimizer, ema=0.9)
    whole = fl.fit(step, START, DATA, epochs=40)
    kept = {"folder": tmp_path, "resume": True, "progress": False}
    for epochs in (15, 40):
        made = run(step, START, DATA, epochs=epochs, **kept)
    check_same(made, whole)


def test_the_logs_hold_every_epoch_once(tmp_path):
    kept = {"folder": tmp_path, "resume": True, "progress": False, **SEEN}
    for epochs in (7, 50):
        made = run(STEP, START, DATA, DATA, epochs=epochs, **kept)
    table = np.genfromtxt(tmp_path / "history.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["epoch"], np.arange(1, 51))
    np.testing.assert_array_equal(table["loss"].astype("f4"), made.history.loss)
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    np.testing.assert_array_equal(np.asarray(losses, "f4"), made.history.loss)


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


def test_no_epochs_and_double_precision(float64, tmp_path):
    step, state = begin()
    assert state.params.weight.dtype == jnp.float64
    data = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), DATA)
    kept = {"progress": False, "folder": tmp_path, "resume": True}
    for epochs in (0, 40):
        made = run(step, state, data, epochs=epochs, **kept)
        check_same(made, fl.fit(step, state, data, epochs=epochs))
