"""Runs whose data come part by part: the bits of those in memory."""

import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn import stopping
from funclearn.running import run
from tests.running.running_setting import (
    DATA,
    EVALUATE,
    START,
    STEP,
    begin,
    check_same,
)
from tests.running.streams import LONG, mapped, with_interrupts, write_shards
from tests.runs import bits

QUIET: dict[str, Any] = {"progress": False}


def of(**options: Any) -> dict[str, Any]:
    """Arguments of a run."""
    return options


@pytest.mark.parametrize("batch_size", [13, 50, 101, 300, 403])
@pytest.mark.slow
def test_mapped_rows_have_the_bits_of_fit(batch_size, tmp_path, looked_at):
    options = of(
        epochs=9,
        batch_size=batch_size,
        evaluate=EVALUATE,
        stop=stopping.patience(5) | stopping.gradient_norm(1e-9),
    )
    whole = fl.fit(STEP, START, LONG, DATA, **options)
    data = mapped(tmp_path, LONG)
    check_same(run(STEP, START, data, DATA, **options, **QUIET), whole)


@pytest.mark.slow
def test_it_goes_on_in_the_middle_of_an_epoch(tmp_path, looked_at):
    rule = stopping.relative_change(1e-9)  # which looks at the state before an epoch
    options = of(
        epochs=5,
        batch_size=70,
        evaluate=EVALUATE,
        stop=rule,
    )
    whole = fl.fit(STEP, START, LONG, DATA, **options)
    parts = STEP, START, mapped(tmp_path / "data", LONG), DATA
    folder = tmp_path / "run"
    kept = of(folder=folder, save_every=0.0)
    made, saved = with_interrupts(*parts, every=(3, 4, 7), **kept, **options)
    check_same(made, whole)
    within = [one.notes["part"] for one in saved]
    assert {1, 2, 3, 4} & set(within)
    assert len((folder / "history.csv").read_text().splitlines()) == 6
    check_same(run(*parts, resume=True, **kept, **options, **QUIET), whole)


@pytest.mark.slow
def test_weights_and_what_is_evaluated_go_along(tmp_path, looked_at):
    data = LONG._replace(weights=jnp.arange(403.0))

    def record(state, info, evaluation):
        return state.params, info.loss, evaluation

    options = of(
        epochs=4,
        batch_size=90,
        record=record,
        evaluate=EVALUATE,
    )
    whole = fl.fit(STEP, START, data, DATA, **options)
    parts = STEP, START, mapped(tmp_path / "data", data), DATA
    kept = of(folder=tmp_path / "run", save_every=0.0)
    made, _ = with_interrupts(*parts, every=(2,), **kept, **options)
    check_same(made, whole)


@pytest.mark.slow
def test_xla_takes_nothing_out_of_the_loop_that_fit_leaves_in(tmp_path, in_parts):
    # Hyperparameters that are a part of the state are the same in every batch.
    optimizer = optax.inject_hyperparams(optax.adam)(learning_rate=0.01)
    model, key = fl.models.mlp((1, 8, 1)), jax.random.key(0)
    inputs = jax.random.normal(key, (403, 1))
    data = fl.Dataset(inputs, jnp.sin(inputs))
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(key, model.init(key), optimizer)
    options = of(epochs=3, batch_size=50)
    made = run(step, state, mapped(tmp_path, data), **options, **QUIET)
    check_same(made, fl.fit(step, state, data, **options))


@functools.cache
def wide():
    """A step, where it starts, and rows of eight numbers."""
    optimizer, key = optax.adam(0.01), jax.random.key(0)
    model = fl.models.mlp((8, 16, 1))
    inputs = jax.random.normal(key, (403, 8))
    data = fl.Dataset(inputs, jnp.sin(inputs[:, :1]))
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    return step, fl.init_state(key, model.init(key), optimizer), data


@pytest.mark.parametrize("batch_size", [13, 50])
@pytest.mark.slow
def test_rows_of_gradients_have_the_bits_of_fit(batch_size, tmp_path, in_parts):
    # What a loop computes for nobody changes how XLA rounds the rest.
    step, state, data = wide()
    options = of(
        epochs=2,
        batch_size=batch_size,
        record=lambda state, info, _: (state.params, info.grads),
    )
    made = run(step, state, mapped(tmp_path, data), **options, **QUIET)
    check_same(made, fl.fit(step, state, data, **options))


@functools.cache
def at_any_rate():
    """A step and a state that holds its rate, so that all are one program."""
    return begin(optax.inject_hyperparams(optax.sgd)(learning_rate=0.1))


@pytest.mark.parametrize("rate", [2.0, 1e30])
@pytest.mark.parametrize("record", [None, lambda state, info, _: state.params])
@pytest.mark.slow
def test_one_that_diverges_ends_like_that_in_memory(rate, record, tmp_path, looked_at):
    step, state = at_any_rate()
    rates = {"learning_rate": jnp.float32(rate)}
    state = state._replace(opt_state=state.opt_state._replace(hyperparams=rates))
    options = of(
        epochs=60,
        batch_size=90,
        record=record,
        **QUIET,
    )
    with pytest.warns(RuntimeWarning, match="the run diverged") as told:
        in_memory = run(step, state, LONG, **options)
    data = mapped(tmp_path / "data", LONG)
    with pytest.warns(RuntimeWarning) as told_too:
        made = run(step, state, data, folder=tmp_path / "run", **options)
    check_same(made, in_memory)
    assert str(told_too[0].message) == str(told[0].message)
    saved = fl.checkpoints.latest(tmp_path / "run")
    assert saved is not None and saved.notes
    assert saved.notes["history"]["rows"] == int(made.state.epoch)


@pytest.mark.parametrize("data", ["mapped", "given"])
def test_every_program_is_compiled_once(data, tmp_path, looked_at, caplog):
    def given(key, epoch):
        return [LONG.targets[:90]] * 4

    def objective(params, batch, key):
        rows = batch if isinstance(batch, jax.Array) else batch.targets
        return jnp.mean((params - rows) ** 2)

    step = fl.make_train_step(objective, optax.sgd(0.1))
    state = fl.init_state(jax.random.key(0), 1.0, optax.sgd(0.1))
    source = {"mapped": mapped(tmp_path / "data", LONG), "given": given}[data]
    size = {"mapped": 90, "given": None}[data]
    with jax.log_compiles(), caplog.at_level("WARNING"):
        run(step, state, source, epochs=3, batch_size=size, **QUIET)
    compiled = re.findall(r"Compiling jit\((evaluate|loop|end)\)", caplog.text)
    assert sorted(compiled) == ["end", "evaluate", "loop"]


@pytest.mark.parametrize("save_every", [0.0, 1e9])
def test_the_last_good_state_is_the_last_saved(save_every, tmp_path, looked_at):
    def step(state, batch):
        after, info = STEP(state, batch)
        lost = after.step > 13  # in the middle of the third epoch of five batches
        return after._replace(
            params=jax.tree.map(lambda leaf: jnp.where(lost, jnp.nan, leaf), after[0])
        ), info

    parts = step, START, mapped(tmp_path / "data", LONG)
    folder, of_it = tmp_path / "run", of(epochs=9, batch_size=90, resume=True)
    run(*parts, within=1e-9, folder=folder, **of_it, **QUIET)
    for _ in range(2):  # where one began in the middle of an epoch, and after it
        with pytest.warns(RuntimeWarning, match="the state after epoch 2"):
            made = run(*parts, folder=folder, save_every=save_every, **of_it, **QUIET)
        saved = fl.checkpoints.read(folder, START, more_like=None)
        assert bits(saved.state) == bits(made.state)
        assert int(made.state.step) == 10


@pytest.mark.slow
def test_a_deadline_leaves_it_in_the_middle(tmp_path, looked_at):
    data, folder = mapped(tmp_path / "data", LONG), tmp_path / "run"
    options = of(epochs=9, batch_size=50, **QUIET)
    cut = run(STEP, START, data, within=1e-9, folder=folder, **options)
    assert cut.reason.name == "deadline" and int(cut.epochs) == 0
    assert int(cut.state.step) == 1 and int(cut.state.epoch) == 0
    made = run(STEP, START, data, folder=folder, resume=True, **options)
    check_same(made, fl.fit(STEP, START, LONG, epochs=9, batch_size=50))


def test_other_data_or_batches_are_refused(tmp_path, in_parts):
    folder = tmp_path / "run"
    options = of(epochs=2, **QUIET)
    data = mapped(tmp_path / "data", DATA)
    run(STEP, START, data, folder=folder, batch_size=4, **options)
    others = mapped(tmp_path / "others", DATA._replace(targets=DATA.targets + 1))
    again = of(folder=folder, resume=True, **options)
    for changed, size in ((others, 4), (data, 5), (DATA, 4)):
        with pytest.raises(fl.checkpoints.CheckpointError):
            run(STEP, START, changed, batch_size=size, **again)
    assert int(run(STEP, START, data, batch_size=4, **again).epochs) == 2


def test_the_display_says_which_batch(tmp_path, looked_at):
    class Kept(list):
        def show(self, seen):
            self.append(seen)

        def note(self, text):
            pass

        close = note

    kept = Kept()
    data = mapped(tmp_path, DATA)
    run(STEP, START, data, epochs=2, batch_size=2, progress=kept)
    within = [seen for seen in kept if seen.batch]
    assert [(seen.epoch, seen.batch) for seen in within[:2]] == [(0, 1), (0, 2)]
    assert {seen.batches for seen in within} == {6} and kept[-1].share == 1


def test_what_the_user_got_wrong_is_told_as_by_fit(tmp_path, in_parts):
    data = mapped(tmp_path, DATA)
    wrong: list[dict[str, Any]] = [
        {"validation": DATA},
        {"stop": stopping.patience(3, on="accuracy")},
        {"batch_size": 12},
        {"best_on": "accuracy"},
        {"record": lambda state: 0},
    ]
    for options in wrong:
        options = {"epochs": 1, "batch_size": 4, **options}
        with pytest.raises((TypeError, ValueError)) as by_fit:
            fl.fit(STEP, START, DATA, **options)
        with pytest.raises((TypeError, ValueError)) as got:
            run(STEP, START, data, **options, **QUIET)
        assert str(got.value) == str(by_fit.value)


def batches(key, epoch):
    """Those of `fit`."""
    order = np.asarray(jax.random.permutation(key, 11))
    for start in range(0, 11, 2):
        yield fl.data.take(DATA, order[start : start + 2])


@pytest.mark.slow
def test_batches_of_a_function_are_trained_on_in_their_order(tmp_path, looked_at):
    options = of(epochs=4, evaluate=EVALUATE)
    whole = fl.fit(STEP, START, DATA, DATA, batch_size=2, **options)
    made = run(STEP, START, batches, DATA, **options, **QUIET)
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5),
        (made.state.params, made.history),
        (whole.state.params, whole.history),
    )
    kept = of(folder=tmp_path, save_every=0.0)
    parts = STEP, START, batches, DATA
    again, saved = with_interrupts(*parts, every=(4, 5), **kept, **options)
    check_same(again, made)
    assert any(one.notes["part"] for one in saved)


@pytest.mark.slow
def test_shards_are_trained_on_in_the_order_that_is_documented(tmp_path, looked_at):
    lengths = (4, 2, 5)
    folder = write_shards(tmp_path / "shards", DATA, lengths)

    def order(key, epoch):
        del epoch
        firsts = np.cumsum([0, *lengths])
        within = [
            firsts[shard]
            + jax.random.permutation(jax.random.fold_in(key, shard), lengths[shard])
            for shard in jax.random.permutation(key, 3).tolist()
        ]
        rows = np.concatenate(within)
        return (fl.data.take(DATA, rows[at : at + 3]) for at in range(0, 11, 3))

    options = of(epochs=3, **QUIET)
    made = run(STEP, START, folder, batch_size=3, **options)
    by_hand = run(STEP, START, order, **options)
    np.testing.assert_allclose(
        jnp.stack(made.state.params), jnp.stack(by_hand.state.params), rtol=1e-6
    )
    kept = of(folder=tmp_path / "run", save_every=0.0, epochs=3, batch_size=3)
    again, _ = with_interrupts(STEP, START, str(folder), every=(2,), **kept)
    assert bits(again.state) == bits(made.state)
