"""Prints what the library's claims rest on: `python -m benchmarks`."""

from benchmarks import gradient_check, images, overhead, start, sweeps, tables

for benchmark in (start, overhead, sweeps, images, gradient_check, tables):
    benchmark.main()
