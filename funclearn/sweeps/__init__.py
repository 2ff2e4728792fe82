"""Sweeps: many runs in one call, along named axes.

    sweep(run, {"learning_rate": rates, "momentum": momenta})

calls `run(learning_rate=..., momentum=...)` for every pair, as lanes of one compiled
program, and stacks what it returns: `(rates, momenta, ...)`. What is swept over is
whatever the function takes: an optimizer's settings, noise, a penalty, a stopping
rule's patience, initial parameters, keys.
"""

from funclearn._display import SeenLanes
from funclearn._lanes import map_blocks
from funclearn.sweeps._result import Lane, Sweep
from funclearn.sweeps._sweep import sweep

__all__ = ["Lane", "SeenLanes", "Sweep", "map_blocks", "sweep"]
