"""Compiled programs that are kept for the next start."""

# Some of what is passed here is what the types forbid.
# pyright: reportArgumentType=false

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import funclearn as fl
from funclearn import _jaxprs

pytestmark = pytest.mark.usefixtures("compilation_cache")


def compiled(number):
    """Compiles a small program, and runs it."""
    return float(jax.jit(lambda x: x * number + 1)(2.0))


def kept(folder):
    return {path: path.read_bytes() for path in folder.glob("*-cache")}


def test_small_programs_are_kept_though_others_were_compiled_before(tmp_path):
    compiled(3.0)
    for name in ("a", "b"):  # another folder is taken as well
        folder = fl.running.cache_programs(tmp_path / "new" / name)
        assert folder == tmp_path / "new" / name and not kept(folder)
        assert compiled(5.0) == 11.0
        assert kept(folder)


def test_what_was_cut_short_is_removed_and_kept_anew(tmp_path):
    fl.running.cache_programs(tmp_path)
    compiled(7.0)
    whole = kept(tmp_path)
    for path, content in whole.items():
        path.write_bytes(content[: len(content) // 2])
    # Otherwise JAX would warn, and warnings are errors here.
    fl.running.cache_programs(tmp_path)
    assert not kept(tmp_path)
    assert compiled(7.0) == 15.0
    assert kept(tmp_path).keys() == whole.keys()
    fl.running.cache_programs(tmp_path)
    assert kept(tmp_path).keys() == whole.keys()


def test_a_program_is_looked_at_again_once_it_has_changed(tmp_path, monkeypatch):
    fl.running.cache_programs(tmp_path)
    compiled(9.0)
    (program,) = kept(tmp_path)
    fl.running.cache_programs(tmp_path)
    looked_at = []
    monkeypatch.setattr(_jaxprs, "is_whole", lambda path: not looked_at.append(path))
    # Clocks of file systems tick slowly.
    os.utime(program, (0, program.stat().st_mtime - 1))
    fl.running.cache_programs(tmp_path)
    assert not looked_at
    os.utime(program, (0, program.stat().st_mtime + 2))
    fl.running.cache_programs(tmp_path)
    assert [os.fspath(one) for one in looked_at] == [str(program)]


def test_those_that_were_not_used_for_the_longest_are_removed(tmp_path):
    fl.running.cache_programs(tmp_path)
    for number in range(20, 24):
        compiled(float(number))
    programs = sorted(kept(tmp_path))
    blocks = [-(-path.stat().st_size // 4096) for path in programs]
    now = programs[0].stat().st_mtime
    # The first was written long ago and is still read.
    for path, read, written in zip(
        programs, (0, -200, -300, -100), (-400, -200, -300, -100), strict=True
    ):
        os.utime(path, (now + read, now + written))
    left = [programs, programs, [programs[at] for at in (0, 1, 3)], programs[::3], []]
    bounds = [None, sum(blocks), sum(blocks) - 1, blocks[0] + blocks[3], 0]
    for bound, expected in zip(bounds, left, strict=True):
        size = None if bound is None else 4096 * bound
        fl.running.cache_programs(tmp_path, max_bytes=size)
        # Not by reading them, which is a use.
        assert sorted(tmp_path.glob("*-cache")) == expected


def test_where_they_are_kept_by_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert fl.running.cache_programs() == tmp_path / "funclearn" / "programs"
    fl.running.cache_programs(tmp_path / "chosen")
    assert fl.running.cache_programs() == tmp_path / "chosen"


def test_a_folder_stays_the_same_when_the_working_one_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fl.running.cache_programs("here") == tmp_path / "here"


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path):
    (tmp_path / "file").touch()
    fl.running.cache_programs(tmp_path / "before")
    with pytest.warns(RuntimeWarning, match="file.* cannot be written .*not kept"):
        assert fl.running.cache_programs(tmp_path / "file") is None
    assert fl.running.cache_programs() == tmp_path / "before"


def test_without_a_home_none_are_kept(monkeypatch):
    def unknown():
        raise FileNotFoundError(2, "no home folder is known")

    monkeypatch.setattr("funclearn.running._programs.cache_folder", unknown)
    with pytest.warns(RuntimeWarning, match="a cache cannot be written .no home"):
        assert fl.running.cache_programs() is None


@pytest.mark.parametrize(
    ("max_bytes", "kind", "message"),
    [
        (-1, ValueError, "max_bytes must be at least 0; got -1"),
        (1e9, TypeError, "max_bytes must be an integer"),
        (True, TypeError, "max_bytes must be an integer"),
    ],
)
def test_a_bound_is_a_number_of_bytes(
    tmp_path, max_bytes, kind, message, plain_annotations
):
    with pytest.raises(kind, match=message):
        fl.running.cache_programs(tmp_path, max_bytes=max_bytes)


@pytest.mark.parametrize("folder", [3, "", b"x"])
def test_what_is_no_path_is_refused(folder, plain_annotations):
    with pytest.raises(TypeError, match="folder must be a path or None; got"):
        fl.running.cache_programs(folder)


SCRIPT = """
import sys
import jax, numpy as np, optax
import funclearn as fl

if len(sys.argv) > 1:
    fl.running.cache_programs(sys.argv[1])
compiled = []
jax.monitoring.register_event_listener(lambda name, **_: compiled.append(name))
model, optimizer = fl.models.linear, optax.adam(0.1)
step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
key = jax.random.key(0)
state = fl.init_state(key, model.init(key), optimizer)
data = fl.data.thermometer()
run = fl.running.run(step, state, data, epochs=50, progress=False)
leaves = jax.tree.leaves((run.state.params, run.state.opt_state, run.history))
print(b"".join(np.asarray(leaf).tobytes() for leaf in leaves).hex())
print(compiled.count("/jax/compilation_cache/cache_misses"))
"""


@pytest.mark.slow
def test_the_next_start_compiles_nothing_and_has_the_same_bits(tmp_path):
    def start(*arguments):
        child = subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(fl.__file__).parents[1],
        )
        bits, misses = child.stdout.split()
        return bits, int(misses)

    plain, _ = start()
    first, compiled_first = start(str(tmp_path))
    second, compiled_second = start(str(tmp_path))
    assert plain == first == second
    assert compiled_first > 5 and compiled_second == 0
