"""One run over many devices: each makes the steps of its part of the rows.

`fit` and `funclearn.running.run` take such data and states as they are, and XLA adds
the parts up. So a run on many devices is that of one but for the order in which floats
are summed; rows are drawn in the same order, and noise and dropout are the same.

Several processes, once they are connected by `initialise`, call `fit` or `run` with the
same arguments. `run` tells what each of them does.

Every device holds the whole state. Where one cannot, the parameters are dealt out by
explicit axes of JAX, which `fit` runs too: `examples/sharded_layer.py` shows it.
"""

from funclearn.devices._initialise import initialise
from funclearn.devices._mesh import mesh
from funclearn.devices._replicate import replicate
from funclearn.devices._shard import shard
from funclearn.devices._worker import worker

__all__ = ["initialise", "mesh", "replicate", "shard", "worker"]
