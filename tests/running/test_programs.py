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
    assert looked_at == [program]


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
