"""Arrays in the host's memory, and threads."""

import numpy as np
import pytest

from funclearn._lanes import _host as host
from funclearn.sweeps import sweep
from tests.runs import RATES, RUNS, descend, equal


def test_threads_change_no_bit(monkeypatch):
    grid = {"learning_rate": np.tile(RATES, 40)}
    alone = sweep(RUNS["line"], grid, block_size=16).result
    monkeypatch.setattr(host, "_WORTH_THREADS", 0.0)
    monkeypatch.setattr(host, "_n_threads", lambda: 4)
    assert equal(alone, sweep(RUNS["line"], grid, block_size=16).result)


def test_threads_keep_double_precision(float64, monkeypatch):
    monkeypatch.setattr(host, "_WORTH_THREADS", 0.0)
    monkeypatch.setattr(host, "_n_threads", lambda: 2)
    rates = np.linspace(0, 1, 100)
    result = sweep(descend, {"learning_rate": rates}, block_size=8).result
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, (1 - rates) ** 20, rtol=1e-13, atol=1e-16)


def test_error_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(host, "_WORTH_THREADS", 0.0)
    monkeypatch.setattr(host, "_n_threads", lambda: 3)

    def run(number):
        if number == 7:
            raise RuntimeError("seven")

    with pytest.raises(RuntimeError, match="seven"):
        host.run_all(run, range(20))
