"""What a run keeps on disk, and what is made of it when some of that is damaged."""

import time

import jax
import optax
import pytest

import funclearn as fl
from funclearn.running import run
from tests.running.running_setting import DATA, START, STEP, check_same

QUIET = {"progress": False, "resume": True, "save_every": 0.0, "keep": 9}


@pytest.fixture
def kept(tmp_path):
    """A run with several checkpoints."""
    pause = [lambda report: time.sleep(0.03)]  # in which the save ends
    run(STEP, START, DATA, epochs=300, folder=tmp_path, callbacks=pause, **QUIET)
    assert len(list(tmp_path.glob("checkpoint-*"))) > 2
    return tmp_path


def newest(folder):
    return max(folder.glob("checkpoint-*"))


def test_a_damaged_checkpoint_is_passed_over_and_the_run_has_its_bits(kept):
    newest(kept).write_bytes(newest(kept).read_bytes()[:-3])
    with pytest.warns(fl.checkpoints.CheckpointWarning):
        again = run(STEP, START, DATA, epochs=300, folder=kept, **QUIET)
    check_same(again, fl.fit(STEP, START, DATA, epochs=300))


def test_with_rows_damaged_an_older_checkpoint_goes_on(kept):
    path = kept / "history.rows"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.warns(fl.checkpoints.CheckpointWarning, match="goes on after epoch"):
        again = run(STEP, START, DATA, epochs=300, folder=kept, **QUIET)
    check_same(again, fl.fit(STEP, START, DATA, epochs=300))


def test_with_all_rows_damaged_it_is_refused_and_left_as_it_is(kept):
    path = kept / "history.rows"
    path.write_bytes(b"?" + path.read_bytes()[1:])
    before = {one.name: one.read_bytes() for one in kept.iterdir()}
    with pytest.raises(fl.checkpoints.CheckpointError, match=r"history\.rows lacks"):
        run(STEP, START, DATA, epochs=300, folder=kept, **QUIET)
    assert {one.name: one.read_bytes() for one in kept.iterdir()} == before


def test_what_a_kill_left_beyond_is_cut_off(kept):
    for name in ("history.rows", "history.csv", "history.jsonl"):
        with (kept / name).open("ab") as file:
            file.write(b"11,12")
    again = run(STEP, START, DATA, epochs=300, folder=kept, **QUIET)
    check_same(again, fl.fit(STEP, START, DATA, epochs=300))
    assert len((kept / "history.csv").read_text().splitlines()) == 301


def test_another_version_of_jax_may_write_programs_down_otherwise(kept, monkeypatch):
    (kept / "program.txt").write_text("nothing")
    other, state = STEP, START
    monkeypatch.setattr(jax, "__version__", "99.0")
    step = fl.make_train_step(
        lambda params, batch, key: (
            0.5
            * fl.losses.mse(fl.models.linear.apply(params, batch.inputs), batch.targets)
        ),
        optax.adam(0.1),
    )
    run(step, state, DATA, epochs=300, folder=kept, **QUIET)
    monkeypatch.undo()
    run(other, state, DATA, epochs=300, folder=kept, **QUIET)


def test_a_finished_run_removes_what_it_had_no_time_to_remove(kept):
    """As when it was killed between its last save and that."""
    quiet = {**QUIET, "keep": 2}
    files = sorted(kept.glob("checkpoint-*"))
    with pytest.raises(ValueError, match="epochs"):
        run(STEP, START, DATA, epochs=299, folder=kept, **quiet)
    assert sorted(kept.glob("checkpoint-*")) == files
    again = run(STEP, START, DATA, epochs=300, folder=kept, **quiet)
    assert sorted(kept.glob("checkpoint-*")) == files[-2:]
    check_same(again, fl.fit(STEP, START, DATA, epochs=300))


def test_a_damaged_one_of_a_later_step_stays(kept):
    """It is of use to whoever looks into what damaged it."""
    last = newest(kept)
    later = last.with_name("checkpoint-000000999999.safetensors")
    later.write_bytes(last.read_bytes()[:-3])
    with pytest.warns(fl.checkpoints.CheckpointWarning, match="999999"):
        run(STEP, START, DATA, epochs=300, folder=kept, **{**QUIET, "keep": 1})
    assert sorted(kept.glob("checkpoint-*")) == [last, later]


def test_a_checkpoint_that_is_of_no_run_is_refused(tmp_path):
    fl.checkpoints.save(tmp_path, START)
    with pytest.raises(fl.checkpoints.CheckpointError, match="not saved by a run"):
        run(STEP, START, DATA, epochs=3, folder=tmp_path, **QUIET)


def test_fewer_epochs_than_were_made_are_refused(kept):
    with pytest.raises(ValueError, match=r"epochs must be at least 300.*got 299"):
        run(STEP, START, DATA, epochs=299, folder=kept, **QUIET)


def test_the_checkpoint_is_readable_by_itself(kept):
    state = fl.checkpoints.restore(kept, START)
    whole = fl.fit(STEP, START, DATA, epochs=300)
    assert state.params == whole.state.params and int(state.epoch) == 300
