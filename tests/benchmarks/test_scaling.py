"""What the prediction of steps on many devices is made of."""

import math
import re

import pytest

from benchmarks.scaling.__main__ import main
from benchmarks.scaling._model import (
    HOPS,
    Compute,
    Network,
    fit_compute,
    fit_network,
    step_seconds,
)
from benchmarks.scaling._traffic import Collective, counted

PROGRAM = """
HloModule some
%add (a: f32[], b: f32[]) -> f32[] {
  ROOT %sum = f32[] add(%a, %b)
}
%inner (p: (f32[4])) -> (f32[4]) {
  %all = (f32[4]{0}, bf16[2,3]{1,0}, pred[]) all-reduce(%x, %y, %z), to_apply=%add
}
%test (p: (f32[4])) -> pred[] {
  %p = pred[] constant(true)
}
%outer (p: (f32[4])) -> (f32[4]) {
  %deep = (f32[4]) while(%p), condition=%test, body=%inner
  %own.1 = u32[8,2]{1,0} collective-permute(%p), source_target_pairs={{0,1}}
}
ENTRY %main (p: f32[4]) -> f32[4] {
  %loop = (f32[4]) while(%p), condition=%test, body=%outer
  %once = f32[16]{0} all-gather(%p), dimensions={0}
  %also = f32[2]{0} fusion(%p), kind=kLoop, calls=%called
  %named = f32[2]{0} add(%all-gather, %once), metadata={op_name="all-reduce("}
}
"""


def test_collectives_are_counted_by_the_loops_around_them():
    assert counted(PROGRAM) == {
        2: [Collective("all-reduce", 4 * 4 + 2 * 6 + 1)],
        1: [Collective("collective-permute", 4 * 16)],
        0: [Collective("all-gather", 4 * 16)],
    }


NETWORK = Network(latency=1e-6, bandwidth=1e9, hops="ring")
WORDS = [Collective("all-reduce", 8000)]


def seconds(devices, rows, network=NETWORK, words=WORDS, **options):
    compute = Compute(overhead=1e-5, rate=1e8)
    sizes = {"devices": devices, "rows": rows, "flops": 50}
    return step_seconds(compute, network, words, **sizes, **options)


def test_a_step_is_what_is_computed_and_what_is_told():
    # 25 rows a device; 6 hops of a ring of 4, each of a quarter of the bytes.
    own, told = 1e-5 + 25 * 50 / 1e8, 6 * (1e-6 + 2000 / 1e9)
    assert seconds(4, 100) == pytest.approx(own + told)
    assert seconds(4, 98) == seconds(4, 100)
    tree = NETWORK._replace(hops="tree")
    assert seconds(4, 100, tree) == pytest.approx(own + 4e-6 + 6 * 2000 / 1e9)
    assert seconds(4, 100, cores=8) == seconds(4, 100)
    assert seconds(4, 100, cores=2) == pytest.approx(2 * (own + told))
    assert seconds(1, 100, words=[]) == pytest.approx(1e-5 + 100 * 50 / 1e8)
    assert seconds(4096, 100, words=[]) == pytest.approx(1e-5 + 50 / 1e8)


@pytest.mark.parametrize("hops", HOPS)
def test_constants_are_found_from_what_they_make(hops):
    nothing = Compute(0.0, 1.0)
    network, sizes = NETWORK._replace(hops=hops), {"rows": 1, "flops": 0}
    taken = {
        (n, n_bytes): step_seconds(
            nothing, network, [Collective("", n_bytes)], devices=n, cores=2, **sizes
        )
        for n in (2, 4, 8)
        for n_bytes in (8, 10**6)
    }
    found = fit_network(taken, cores=2)
    assert found.hops == hops and found[:2] == pytest.approx(network[:2])
    other = next(name for name in HOPS if name != hops)
    assert fit_network(taken, 2, other).hops == other
    by_rows = {rows: seconds(1, rows, words=[]) for rows in (1, 10, 100)}
    assert fit_compute(by_rows, 50) == pytest.approx((1e-5, 1e8))
    # A constant is never less than nothing.
    assert fit_compute({1: 2e-3, 10: 1e-3}, 50).rate == math.inf


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["lines"], "must be one of line, wide-net, images; got 'lines'"),
        (["--devices", "0"], "from 1 to 1000000000; got 0"),
        (["--bandwidth", "-1"], "must be above 0 and finite; got -1"),
        (["--hops", "star"], "must be one of ring, tree; got 'star'"),
    ],
)
def test_bad_options_end_in_one_line(capsys, options, part):
    with pytest.raises(SystemExit) as exit_:
        main(options)
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and part in line


@pytest.mark.slow
def test_what_is_measured_stands_beside_what_is_predicted(capsys):
    options = "line --devices 1 2 --processes 1 --rows 16 --rows-per-device 4"
    assert main([*options.split(), "--latency", "1e-6", "--bandwidth", "1e12"]) == 0
    shown = capsys.readouterr().out
    here, elsewhere = shown.split("Steps of devices with cores of their own")
    cases = re.findall(r"line +(\d) +(\d+) +\S+ \S+ +\S+ \S+ +(\d+\.\d\d)", here)
    assert [case[:2] for case in cases] == [
        ("1", "16"),
        ("1", "4"),
        ("2", "16"),
        ("2", "8"),
    ]
    assert all(float(ratio) > 0 for *_, ratio in cases)
    assert "1 µs a hop, 1e+03 GB/s" in elsewhere and "Assumed: " in elsewhere
    assert len(re.findall(r"^ +[\d,]+ .*%", elsewhere, re.MULTILINE)) == 13


def test_a_process_that_fails_is_told_in_one_line(capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.scaling._clock._CODE", "1 / 0")
    assert main(["line", "--devices", "1"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: a process of 1, of 1 devices each, ended with 1: ")
    assert last.endswith("ZeroDivisionError: division by zero")
