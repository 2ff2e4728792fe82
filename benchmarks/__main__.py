"""Prints what the library's claims rest on: `python -m benchmarks`."""

from benchmarks import (
    gradient_check,
    images,
    layers,
    overhead,
    pytorch,
    start,
    sweeps,
    tables,
)

# PyTorch comes last, since not everybody has it.
for benchmark in (
    start,
    overhead,
    sweeps,
    images,
    layers,
    gradient_check,
    tables,
    pytorch,
):
    benchmark.main()
