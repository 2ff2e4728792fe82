"""That runs of several processes stand kills, few of them; a benchmark has more."""

import sys

import pytest

from benchmarks.faults import processes

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="it looks into /proc"
)


@pytest.mark.slow
def test_a_run_whose_processes_are_killed_gets_to_the_same_bits(capsys):
    (line,) = processes.lines(5, 0)
    told = {name: int(str(n)) for name, n in line.outcomes.items()}
    assert line.wrong == 0, capsys.readouterr().out
    assert told["kills"] == 5 and told["runs"] >= 1
    assert told["gone as one stood still"] == 2
    assert 0 < told["while it saves"] and 0 < told["of the first process"]
