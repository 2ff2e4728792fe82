"""The wide network against PyTorch's recorded run."""

import re
import subprocess
import sys

import numpy as np
import pytest

from experiments.wide_net import Config, run
from experiments.wide_net.chapter import TORCH_RUN


@pytest.fixture(scope="module")
def outcome():
    return run(Config())


@pytest.fixture(scope="module")
def torch_run():
    with np.load(TORCH_RUN) as recorded:
        return dict(recorded)


def test_whole_curve_is_that_of_pytorch(outcome, torch_run):
    losses, expected = outcome.history["loss"], torch_run["losses"]
    assert len(expected) == 1847
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    largest = np.max(np.abs(losses / expected - 1))
    assert any(f"at most {largest:.1e}" in finding for finding in outcome.findings)


def test_parameters_are_listed_and_end_where_those_of_pytorch_do(outcome, torch_run):
    (table,) = outcome.tables
    *layers, total = table.rows
    for name, shape, size, moved, apart in layers:
        start, end = torch_run[name].T, torch_run[f"final_{name}"].T
        assert (shape, size) == (str(start.shape), start.size)
        assert moved == pytest.approx(np.linalg.norm(end - start), rel=1e-4)
        assert 0 < apart < 1e-5
    assert total[2] == sum(layer[2] for layer in layers) == 1537


@pytest.mark.parametrize("blocks", [None, 8])
def test_several_devices_are_held_against_one(blocks):
    told = run(Config(devices=8, blocks=blocks, epochs=60)).findings[-1]
    if blocks is None:
        (apart,) = re.findall("by at most (.*) of their", told)
        assert 0 <= float(apart) < 1e-5
    else:
        assert "On 8 devices the run has the bits that it has on one" in told


def test_devices_make_no_other_run():
    assert Config(devices=2, blocks=4) == Config()


def test_a_cpu_is_divided_before_jax_begins():
    options = ["--devices", "3", "--blocks", "8"]
    command = [sys.executable, "-m", "experiments.wide_net", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "JAX runs on 3 x cpu" in ended.stdout
    assert "blocks must be a multiple of the number of devices, 3" in ended.stderr
