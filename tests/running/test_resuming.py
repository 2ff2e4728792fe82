"""Which runs a folder goes on with."""

import pytest

import funclearn as fl
from funclearn.running import run
from tests.running.running_setting import DATA, START, STEP, check_same


def test_what_no_run_has_saved_is_refused(tmp_path):
    fl.checkpoints.save(tmp_path, START, step=3)
    with pytest.raises(fl.checkpoints.CheckpointError, match="not saved by a run"):
        run(STEP, START, DATA, epochs=5, folder=tmp_path, resume=True, progress=False)


def test_a_folder_of_an_earlier_version_is_gone_on_with(tmp_path):
    options = {"folder": tmp_path, "progress": False}
    run(STEP, START, DATA, epochs=5, **options)
    state, more, saved = fl.checkpoints.read(tmp_path, START, more_like={"watch": None})
    assert saved.notes
    notes = {name: note for name, note in saved.notes.items() if name != "part"}
    fl.checkpoints.save(
        tmp_path,
        state,
        step=5,
        more=more,
        notes=notes,
        data=fl.checkpoints.fingerprint((DATA, None)),
    )
    made = run(STEP, START, DATA, epochs=9, resume=True, **options)
    check_same(made, fl.fit(STEP, START, DATA, epochs=9))
