"""Prints what the library's claims rest on: `python -m benchmarks`."""

from benchmarks import gradient_check, overhead, start, sweeps, tables

for benchmark in (start, overhead, sweeps, gradient_check, tables):
    benchmark.main()
