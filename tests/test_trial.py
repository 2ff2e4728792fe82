"""The trial of XLA in a process of its own."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

ON_A_CPU = pytest.mark.skipif(
    jax.default_backend() != "cpu", reason="only asked on a CPU"
)


def ran(script, *, seconds=300, **environment):
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@ON_A_CPU
@pytest.mark.slow
def test_the_trial_itself_passes():
    script = "from funclearn._trial import main; main()"
    child = ran(script, FUNCLEARN_TRIAL="1")
    assert child.returncode == 0, child.stderr[-2000:]


def test_the_trial_sees_a_difference():
    from funclearn import _trial as trial

    one = np.array([1.0, np.nan, 2.0])
    assert trial._agree(one, one + 1e-6)
    assert not trial._agree(one, one + 1e-2)
