"""The wide network against PyTorch's recorded run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.harness import number
from experiments.wide_net import Config, run
from experiments.wide_net.chapter import TORCH_RUN

ROOT = Path(__file__).parents[2]

RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


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
    said = f"at most {number(largest, 2)}"
    assert any(said in finding for finding in outcome.findings)


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
        power = re.sub("^10(?=⁻)", "1×10", apart).translate(RAISED)
        assert 0 <= float(power.replace("×10", "e")) < 1e-5
    else:
        assert "On 8 devices the run has the bits that it has on one" in told


def in_two_processes(folder, *options):
    """What the experiment ends with when `examples/local.sh` starts it twice."""
    return subprocess.run(
        [
            *("bash", "examples/local.sh", "-n", "2", "-m", "experiments.wide_net"),
            *("--out", folder, *options),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHON": sys.executable, "COLUMNS": "200"},
    )


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.slow
def test_two_processes_have_the_bits_of_one_and_one_of_them_tells(tmp_path):
    ended = in_two_processes(tmp_path, "--blocks", "8", "--epochs", "5", "--devices=2")
    assert ended.returncode == 0, ended.stderr
    (bits,) = re.findall(
        "On 4 devices of 2 processes the run has the bits that it has on one: (.*)",
        ended.stdout,
    )
    here = run(Config(blocks=8, epochs=5)).findings[-1]
    assert here == f"In 8 blocks, on any number of devices: {bits}"
    assert ended.stdout.count("JAX runs on") == ended.stdout.count("written, and") == 1
    assert (tmp_path / "wide_net" / "summary.json").exists()


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.slow
def test_what_two_processes_refuse_ends_both(tmp_path):
    ended = in_two_processes(tmp_path, "--blocks", "3")
    assert ended.returncode == 1
    assert "blocks must be a multiple of the number of devices, 2" in ended.stderr


def test_devices_make_no_other_run():
    assert Config(devices=2, blocks=4) == Config()


@pytest.mark.slow
def test_a_cpu_is_divided_before_jax_begins():
    options = ["--devices", "3", "--blocks", "8"]
    command = [sys.executable, "-m", "experiments.wide_net", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "JAX runs on 3 x cpu" in ended.stdout
    assert "blocks must be a multiple of the number of devices, 3" in ended.stderr
