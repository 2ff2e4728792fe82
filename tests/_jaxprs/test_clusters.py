"""Processes that run one program, as JAX finds and keeps them."""

import jax.numpy as jnp
import pytest

from funclearn import _jaxprs

SLURM = {
    "SLURM_JOB_ID": "5000",
    "SLURM_STEP_NODELIST": "node[07-09],other",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
}


def test_no_cluster_tells_nothing():
    assert _jaxprs.detected(None, None, None, 1) == (None, None, None)
    assert _jaxprs.detected("here:1", None, 2, 1) == ("here:1", None, 2)


@pytest.mark.parametrize(
    "coordinator, processes, process", [(None, None, None), ("here:1", 8, 7)]
)
def test_a_cluster_tells_what_is_not_given(
    coordinator, processes, process, monkeypatch
):
    for name, text in SLURM.items():
        monkeypatch.setenv(name, text)
    monkeypatch.delenv("JAX_COORDINATOR_PORT", raising=False)
    found = _jaxprs.detected(coordinator, processes, process, 1)
    # Of the ports from 61440 that of the job's number, 5000 % 4096.
    alone = (f"node07:{61440 + 904}", 4, 3)
    assert found == (alone if coordinator is None else ("here:1", 8, 7))


def test_one_process_is_the_only_one():
    jnp.ones(1).block_until_ready()
    assert _jaxprs.backends_exist()
    assert _jaxprs.process_of() == (0, 1)
