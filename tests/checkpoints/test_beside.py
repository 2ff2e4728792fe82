"""Arrays that have parts, saved by all processes."""

import numpy as np
import pytest

from funclearn.checkpoints import _beside as beside
from funclearn.checkpoints import _folders as folders
from funclearn.checkpoints import _saving as saving
from funclearn.checkpoints import latest, restore, save
from funclearn.checkpoints._reading import head_of
from tests.checkpoints.parted import WIDE, over, parted, put
from tests.checkpoints.settings import assert_same, plain
from tests.processes import run_in_processes


def names(place):
    return sorted(path.name.partition("-")[2][:12] for path in place.glob("*.orbax"))


def test_folders_go_with_their_files(tmp_path):
    for step in range(4):
        save(tmp_path, parted(8, step), step=step, keep=2)
    assert names(tmp_path) == ["000000000002", "000000000003"]
    assert_same(restore(tmp_path, parted(8), step=2), parted(8, 2))
    # Again under the same number, and then without parts.
    save(tmp_path, parted(8, 9), step=3)
    assert names(tmp_path) == ["000000000002", "000000000003"]
    assert_same(restore(tmp_path, parted(8)), parted(8, 9))
    save(tmp_path, plain(), step=3)
    assert names(tmp_path) == ["000000000002"]


@pytest.mark.parametrize("at", ["write_arrays", "digest", "write"])
def test_a_save_that_fails_leaves_nothing(tmp_path, monkeypatch, at):
    save(tmp_path, parted(4, 1), step=1)
    before = sorted(tmp_path.rglob("*"))

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(saving if at == "write" else beside, at, fail)
        with pytest.raises(OSError, match="free some space"):
            save(tmp_path, parted(4, 2), step=2)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_killed_save_left_is_cleaned_by_the_next(tmp_path):
    save(tmp_path, parted(4, 1), step=1)
    for step in (1, 2):
        left, lock = folders.new_folder(tmp_path, step)
        (left / "0").mkdir()
        lock.close()
    assert latest(tmp_path) is not None
    save(tmp_path, parted(4, 3), step=3)
    assert names(tmp_path) == ["000000000001", "000000000003"]
    assert_same(restore(tmp_path, parted(4), step=1), parted(4, 1))


def test_states_without_parts_have_no_folder(tmp_path):
    whole = {"wide": put(WIDE, over(4)), "plain": np.ones(3)}
    path = save(tmp_path, whole, step=0)
    assert [*tmp_path.iterdir()] == [path]
    assert head_of(tmp_path, 0).format == 1


@pytest.mark.slow
def test_two_processes_save_what_one_or_both_restore(tmp_path):
    save(tmp_path / "one", parted(8, 5), step=5)
    run_in_processes(f"""
        from pathlib import Path
        import numpy as np
        from funclearn._processes import whole
        from funclearn.checkpoints import CheckpointError, latest, restore, save
        from tests.checkpoints.parted import WIDE, over, parted, put

        folder = Path({str(tmp_path)!r})
        for step in (1, 2):
            path = save(folder / "two", parted(4, step), step=step)
            assert path.exists() and latest(folder / "two").step == step

        def same(got, step):
            assert (whole(got["wide"]) == WIDE + step).all()
            assert (whole(got["half"]) == np.arange(8) - step).all()
            assert (whole(got["all"]) == np.arange(3) + step).all()

        same(restore(folder / "two", parted(4)), 2)
        same(restore(folder / "one", parted(4)), 5)
        same(restore(folder / "two", parted(4), step=1), 1)
        everywhere = parted(4) | {{"wide": put(WIDE, over(4))}}
        assert restore(folder / "two", everywhere)["wide"].is_fully_replicated

        def refused(call, told, *kinds):
            try:
                call()
            except kinds as error:
                assert told in str(error), error
            else:
                raise AssertionError("it was not refused")

        # A folder of its own for each, and one that cannot be made.
        own = folder / str(number)
        call = lambda: save(own, parted(4), step=1)
        refused(call, "all 2 processes share", ValueError)
        refused(lambda: restore(own, parted(4)), "none, none", CheckpointError)
        (folder / "file").touch()
        for state in (parted(4), {{"all": put(WIDE, over(4))}}):
            call = lambda: save(folder / "file", state, step=1)
            refused(call, "File exists", OSError, RuntimeError)
        # The checkpoint that one of them has not is not taken by the other.
        if number == 0:
            save(own / "x", {{"all": WIDE}}, step=1)
        save(folder / "both", {{"all": put(WIDE, over(4))}}, step=3)
        like = {{"all": put(WIDE, over(4))}}
        refused(lambda: restore(own / "x", like), "step 1, none", CheckpointError)
        assert restore(folder / "both", like)["all"].sharding == over(4)
    """)
    assert_same(restore(tmp_path / "two", parted(8)), parted(8, 2))
