"""Prints what the library's claims rest on: `python -m benchmarks`."""

from benchmarks import gradient_check, overhead, sweeps

for benchmark in (overhead, sweeps, gradient_check):
    benchmark.main()
