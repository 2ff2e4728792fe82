"""Step for step beside PyTorch's recorded runs (tools/record_optimizers.py)."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from benchmarks import torch_parity, torch_runs

RUNS = torch_runs.recorded().runs
# Each of them is here to be slow to compile once more; the others are as near.
IN_FLOAT32 = [run for run in RUNS if run.name in ("asgd", "adafactor")][::2]

DOCSTRING = str(fl.optimizers.__doc__)


def named(run):
    options = ",".join(f"{key}={value}" for key, value in run.settings.items())
    return f"{run.torch}({options})"


@functools.cache
def trained():
    """All runs, ours and optax's own, in one program."""
    double = [torch_runs.Entry(run, torch_runs.ours(run)) for run in RUNS]
    single = [
        torch_runs.Entry(run, torch_runs.ours(run), jnp.float32) for run in IN_FLOAT32
    ]
    entries = [*torch_parity.optax_entries(), *single, *double]
    with jax.enable_x64(True):
        courses, states = torch_runs.train(entries, list(torch_runs.recorded().kept))
    first, last = len(courses) - len(RUNS) - len(single), -len(RUNS)
    return {
        "table": torch_parity.table(courses[:first]),
        "single": torch_parity.distances(single, courses[first:last]),
        "double": torch_parity.distances(double, courses[last:]),
        "states": states[last:],
    }


@pytest.mark.parametrize("run", RUNS, ids=named)
@pytest.mark.slow
def test_every_step_is_pytorchs(run):
    # Where float32 sums in another order, bfloat16 may round to its neighbour, once in
    # some hundred steps: 1 / 128 of an entry of an update.
    limit = 1e-2 if run.name == "muon" else 1e-12
    assert trained()["double"][run.number] < limit


def test_a_run_of_another_rate_is_told_apart():
    (adam, *_) = [run for run in RUNS if run.name == "adam"]
    file = torch_runs.recorded()
    wanted = file.arrays[f"{adam.number}/0.0"]
    places = torch_runs.places_of_leaves().values()
    got = np.zeros((len(wanted), max(place.stop for place in places)))
    got[:, : wanted.shape[1]] = wanted
    for name in adam.leaves:  # in whatever order they are recorded
        assert torch_runs.places_of_leaves()[name].stop <= wanted.shape[1]
    assert torch_runs.apart(adam, got, wanted) == 0
    assert torch_runs.apart(adam, got * (1 + 1e-11), wanted) > 1e-12


@pytest.mark.slow
def test_the_average_is_pytorchs():
    for run, state in zip(RUNS, trained()["states"], strict=True):
        if run.name == "asgd":
            for index, decay in enumerate(torch_runs.recorded().kept):
                wanted = torch_runs.recorded().arrays[f"{run.number}/{decay}/average"]
                average = state.memory["ax"][index][: len(wanted)]
                np.testing.assert_allclose(average, wanted, rtol=1e-12)


@pytest.mark.slow
def test_the_distance_in_float32_is_as_stated():
    (stated,) = re.findall(r"float32 is at most (\S+),", DOCSTRING)
    assert max(trained()["single"].values()) < float(stated)


def test_the_table_is_what_the_script_prints():
    indented = "\n".join(f"    {line}" for line in trained()["table"].splitlines())
    assert indented in DOCSTRING
