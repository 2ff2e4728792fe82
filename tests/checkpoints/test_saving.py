import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn.checkpoints import CheckpointWarning, latest, restore, save
from funclearn.checkpoints import _pruning as pruning
from funclearn.checkpoints import _saving as saving
from tests.checkpoints.settings import assert_same, network, plain
from tests.checkpoints.test_files import OPERATIONS, fail, posix

__all__ = ["fail"]


def steps(folder):
    return sorted(
        int(path.name[11:-12]) for path in folder.glob("checkpoint-*.safetensors")
    )


def test_the_step_names_the_file(tmp_path):
    path = save(tmp_path / "new" / "folder", network(5))
    assert path == tmp_path / "new" / "folder" / "checkpoint-000000000005.safetensors"
    assert save(str(tmp_path), plain(), step=jnp.int32(7)).name[-15:-12] == "007"
    saved = latest(tmp_path)
    assert saved and (saved.step, saved.epoch, saved.value) == (7, None, None)


def test_a_state_of_many_lanes_needs_a_step(tmp_path):
    lanes = jax.vmap(lambda n: network()._replace(step=n, epoch=n))(jnp.arange(2))
    with pytest.raises(TypeError, match=r"state\.step must be an integer"):
        save(tmp_path, lanes)
    save(tmp_path, lanes, step=3)
    assert_same(restore(tmp_path, lanes), lanes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"step": None}, "step must be given, since state has none; got a dict"),
        ({"step": -1}, "step must be at least 0"),
        ({"step": "1"}, "step must be an integer"),
        ({"keep": 0}, "keep must be at least 1; got 0"),
        ({"direction": "up"}, "direction must be 'min' or 'max'; got 'up'"),
        ({"value": "low"}, "value must be a number or None; got 'low'"),
        ({"value": jnp.ones(2)}, "value must be a number or None; got float32"),
        ({"notes": {"a": object()}}, "notes must be a mapping that JSON can hold"),
        ({"config": {"a": {1}}}, "config must be a mapping that JSON can hold"),
        ({"data": "a", "more": {"a": "text"}}, r"more\['a'\] must be an array"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_written(
    tmp_path, arguments, message, plain_annotations
):
    with pytest.raises((TypeError, ValueError), match=message):
        save(tmp_path / "new", plain(), **{"step": 1, **arguments})
    assert not (tmp_path / "new").exists()


def test_the_last_and_the_best_are_kept(tmp_path):
    for step, value in enumerate([3.0, 1.0, 2.0, float("nan"), 4.0, 5.0]):
        save(tmp_path, plain(step), step=step, value=value, keep=2)
    assert steps(tmp_path) == [1, 4, 5]
    save(tmp_path, plain(6), step=6, value=jnp.float32(0.5), keep=2)
    assert steps(tmp_path) == [5, 6]  # 6 is the best, too
    save(tmp_path, plain(7), step=7, value=9, keep=1, direction="max")
    assert steps(tmp_path) == [7]


def test_those_of_later_steps_stay(tmp_path):
    for step in (8, 9, 1, 2, 3):
        save(tmp_path, plain(step), step=step, keep=2)
    assert steps(tmp_path) == [2, 3, 8, 9]


def test_only_heads_are_read_to_know_the_best(tmp_path, monkeypatch):
    monkeypatch.setattr("funclearn.checkpoints._reading.Opened.numbers", None)
    for step in range(4):
        save(tmp_path, plain(step), step=step, value=step, keep=1)
    assert steps(tmp_path) == [0, 3]


def test_one_that_cannot_be_read_is_not_the_best(tmp_path):
    for step in range(3):
        path = save(tmp_path, plain(step), step=step, value=step)
        if step == 0:
            path.write_bytes(b"damaged")
    save(tmp_path, plain(3), step=3, value=3, keep=1)
    assert steps(tmp_path) == [1, 3]


def test_another_process_may_have_removed_old_ones(tmp_path, monkeypatch):
    for step in range(3):
        save(tmp_path, plain(step), step=step)
    chosen = pruning.superfluous

    def late(*arguments):
        for step in (gone := chosen(*arguments)):
            saving.path_of(tmp_path, step).unlink()
        return gone

    monkeypatch.setattr(pruning, "superfluous", late)
    save(tmp_path, plain(3), step=3, keep=1)
    assert steps(tmp_path) == [3]


def test_an_old_one_that_cannot_be_removed_is_no_reason_to_stop(tmp_path, monkeypatch):
    save(tmp_path, plain(0), step=0)

    def refuse(self, missing_ok=False):
        raise PermissionError(errno.EACCES, "Permission denied")

    with (
        monkeypatch.context() as patch,
        pytest.warns(CheckpointWarning, match="000000"),
    ):
        patch.setattr(Path, "unlink", refuse)
        save(tmp_path, plain(1), step=1, keep=1)
    assert_same(restore(tmp_path, plain()), plain(1))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_full_disk_is_told_and_the_older_ones_stay(tmp_path, fail, operation):
    for step in range(3):
        save(tmp_path, plain(step), step=step)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    fail(operation)
    with pytest.raises(OSError, match="could not be saved: free some space") as caught:
        save(tmp_path, plain(3), step=3, keep=1)
    assert caught.value.errno == errno.ENOSPC
    assert str(tmp_path) in str(caught.value)
    after = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert before.items() <= after.items()
    assert after.keys() - before.keys() == (
        {saving.path_of(tmp_path, 3)} if operation == "folder" else set()
    )


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="something else is there"):
        save(tmp_path / "file", plain(), step=0)
    with pytest.raises(NotADirectoryError, match="something else is there"):
        save(tmp_path / "file" / "below", plain(), step=0)


def test_a_folder_that_vanishes_meanwhile_is_told(tmp_path, monkeypatch):
    folder = tmp_path / "new"

    def vanish(place, pattern):
        place.rmdir()

    monkeypatch.setattr(saving, "clean", vanish)
    with pytest.raises(FileNotFoundError, match="the folder is no longer there"):
        save(folder, plain(), step=0)


@posix
def test_a_folder_that_may_not_be_written_to_is_told(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    save(tmp_path, plain(0), step=0)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="a folder that may be written to"):
            save(tmp_path, plain(1), step=1)
        assert_same(restore(tmp_path, plain()), plain(0))
    finally:
        tmp_path.chmod(0o700)


CHILD = """
import sys
import numpy as np
from funclearn import checkpoints
from tests.checkpoints.settings import plain
folder, first, by, count = sys.argv[1], *map(int, sys.argv[2:])
print("ready", flush=True)
for step in range(first, first + by * count, by):
    checkpoints.save(folder, plain(step), step=step, keep=2)
    print(step, flush=True)
"""


def child(folder, first=0, by=1, count=10**6):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, (folder, first, by, count))],
        stdout=subprocess.PIPE,
        cwd=Path(fl.__file__).parents[1],
        text=True,
    )


@posix
@pytest.mark.slow
def test_what_was_said_to_be_saved_outlasts_a_kill(tmp_path):
    rng, acknowledged = np.random.default_rng(0), -1
    for _ in range(2):
        with child(tmp_path, acknowledged + 1) as process:
            assert process.stdout and process.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
            said = [int(line) for line in process.stdout if line.endswith("\n")]
        acknowledged = max([acknowledged, *said])
        saved = latest(tmp_path)
        if acknowledged >= 0:
            assert saved and saved.step >= acknowledged
        if saved:
            acknowledged = saved.step
            assert_same(restore(tmp_path, plain()), plain(saved.step))
    save(tmp_path, plain(), step=acknowledged + 1)
    assert not list(tmp_path.glob(".*"))


@posix
@pytest.mark.slow
def test_two_processes_may_save_in_one_folder(tmp_path):
    with child(tmp_path, 0, 2, 30) as even, child(tmp_path, 1, 2, 30) as odd:
        while None in (even.poll(), odd.poll()):
            saved = latest(tmp_path)
            if saved:
                restore(tmp_path, plain())
            time.sleep(0.02)
    assert even.returncode == odd.returncode == 0
    assert max(steps(tmp_path)) == 59 and not list(tmp_path.glob(".*"))
    for step in steps(tmp_path):
        assert_same(restore(tmp_path, plain(), step=step), plain(step))
