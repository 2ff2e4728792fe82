"""The job script runs, with stand-ins for the programs of SLURM."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import funclearn as fl

ROOT = Path(fl.__file__).parents[1]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")

PROGRAMS = {
    # All tasks go on where one ends; its status is the highest of theirs.
    "srun": """
[ "$1" = --kill-on-bad-exit=0 ] || exit 99
shift
tasks=()
for ((task = 0; task < SLURM_NTASKS; task++)); do
    SLURM_PROCID=$task SLURM_LOCALID=$task "$@" &
    tasks+=($!)
done
highest=0
for task in "${tasks[@]}"; do
    wait "$task"
    status=$?
    ((status > highest)) && highest=$status
done
exit "$highest"
""",
    "scontrol": 'echo "$@"',
    "python3": f'exec "{sys.executable}" "$@"',
}

TRAIN = """
import os, signal, sys
from pathlib import Path
import jax, numpy as np, optax
import funclearn as fl

def main():
    fl.devices.initialise()
    mesh = fl.devices.mesh()
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    optimizer = optax.sgd(1e-4)
    step = fl.make_train_step(objective, optimizer, blocks=2)
    key = jax.random.key(0)
    state = fl.init_state(key, fl.models.linear.init(key), optimizer)
    rows = fl.devices.shard(fl.data.thermometer(), mesh)
    state = fl.devices.replicate(state, mesh)
    for part in range(2):
        state = fl.fit(step, state, rows, epochs=3).state
        jax.block_until_ready(state)
        lost = Path(sys.argv[1])
        if jax.process_index() == 1 and not lost.exists():
            lost.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    place = f"{jax.process_index()} of {jax.process_count()}"
    sys.stdout.write(f"process {place}: {np.asarray(state.params.weight)}\\n")

fl.devices.worker(main)
"""


def free_job():
    """The number of a job whose port, as JAX makes it of that, is free."""
    for job in range(4096):
        with socket.socket() as one:
            try:
                one.bind(("", 65535 - 4095 + job))
            except OSError:
                continue
            return job
    raise AssertionError("no port is free")


@pytest.fixture
def batch(tmp_path):
    """Runs the job script as SLURM does that has started it so many times before."""
    for name, lines in PROGRAMS.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/usr/bin/env bash\n{lines}\n", "utf-8")
        path.chmod(0o755)
    job = free_job()
    nodes = {"SLURM_NTASKS": "2", "SLURM_STEP_NODELIST": "localhost"}
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def run(script, *arguments, restarts):
        file = tmp_path / "train.py"
        file.write_text(script, "utf-8")
        ended = subprocess.run(
            ["bash", ROOT / "examples" / "slurm.sh", file, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=os.environ
            | nodes
            | {"SLURM_JOB_ID": str(job), "SLURM_RESTART_COUNT": str(restarts)}
            | {"PATH": path, "PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": "1"},
        )
        requeued = ended.stdout.splitlines()[-1:] == [f"requeue {job}"]
        return ended, requeued

    return run


@pytest.mark.parametrize(
    "status, restarts, again",
    [
        (0, 0, False),
        (1, 0, False),
        (75, 0, True),
        (134, 3, True),
        (137, 9, True),
        (75, 10, False),
    ],
)
def test_a_loss_begins_the_job_anew_ten_times_at_most(batch, status, restarts, again):
    ended, requeued = batch(f"raise SystemExit({status})", restarts=restarts)
    assert requeued is again, ended
    assert ended.returncode == (0 if again else status)


@pytest.mark.slow
def test_a_job_that_lost_a_process_trains_to_the_end(batch, tmp_path):
    lost = tmp_path / "lost"
    ended, requeued = batch(TRAIN, lost, restarts=0)
    assert requeued and lost.exists(), ended
    assert "process 0 of 2 ends with status 75, since another was lost" in ended.stderr
    ended, requeued = batch(TRAIN, lost, restarts=1)
    assert ended.returncode == 0 and not requeued, ended.stderr
    # Gloo writes lines of its own there.
    told = sorted(re.findall(r"process (\d) of 2: (\S+)", ended.stdout))
    (first, weight), (second, other) = told
    assert (first, second) == ("0", "1") and weight == other
