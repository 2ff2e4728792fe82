"""PyTorch's optimizers, step for step, each an optax `GradientTransformation`.

Names, arguments and defaults are those of `torch.optim` in PyTorch 2.13. Numbers may be
traced, so that runs can be mapped over them and differentiated by them; they may be
schedules `count -> number` of the number of steps made, which is how PyTorch's
schedulers set them. Derivatives of a run are finite where a gradient is zero: the root
of a running square counts as constant at 0. Leaves of half precision are moved in
float32, which the state has, too.

In float64 all runs that are recorded (200 steps on the thermometer, a quadratic of
condition number 1e4, a 2-8-1 network and rows of a table, with constant and falling
rates) are PyTorch's to 1e-12 of a problem's largest parameter, all steps. Those of
`muon`, which rounds to bfloat16, leave PyTorch's way where a sum of float32 comes out
another, and the rounding with it: they end within 1e-2. `lbfgs` tells what holds for
it. In float32 the distance to PyTorch's float32 is at most 3e-4, of most runs less than
1e-5, of `muon` 3e-2.

What optax's own functions do differently, given the same numbers, and how far they are
from PyTorch after 100 steps (LBFGS: 20), relative to the largest parameter of a problem
(printed by `python -m benchmarks.torch_parity`):

    PyTorch               here         optax's own   apart  because it
    --------------------  -----------  ------------  -----  ----------------------------
    SGD                   sgd          sgd           equal
    SGD(dampening=)       sgd          sgd           3e-01  knows no dampening
    Adam                  adam         adam          equal
    Adam(weight_decay=)   adam         adamw         8e+00  decays by another rule
    Adam(amsgrad=)        adam         amsgrad       7e-01  takes the maximum too late
    AdamW(weight_decay=)  adamw        adamw         equal
    Adamax                adamax       adamax        equal
    NAdam                 nadam        nadam         4e-01  has a constant momentum
    RAdam                 radam        radam         6e-06  adds eps after correcting
    Adadelta              adadelta     adadelta      equal
    Adagrad               adagrad      adagrad       1e-05  adds eps inside of the root
    Adafactor             adafactor    adafactor     3e-01  factors large matrices alone
    RMSprop               rmsprop      rmsprop       9e-02  adds eps inside of the root
    RMSprop(centered=)    rmsprop      rmsprop       4e-03  has the rate in the momentum
    Rprop                 rprop        rprop         8e-01  moves one step too late
    ASGD                  asgd         none                 has no such average
    SparseAdam            sparse_adam  adam          8e-02  moves every row
    Muon                  muon         contrib.muon  8e-01  scales as if transposed
    LBFGS                 lbfgs        lbfgs         5e-02  scales step 1 by norm 2
    LBFGS(strong_wolfe)   lbfgs        lbfgs                searches by another method

Optax's defaults are others, too: `adamw` decays by 1e-4, `rmsprop` forgets by 0.9,
`adagrad` begins with squares of 0.1, and `adadelta` without a learning rate climbs.
"""

from funclearn.optimizers import schedules as schedules
from funclearn.optimizers._adafactor import adafactor
from funclearn.optimizers._adam import adam, adamw, sparse_adam
from funclearn.optimizers._adam_variants import adamax, nadam, radam
from funclearn.optimizers._lbfgs import lbfgs
from funclearn.optimizers._muon import muon
from funclearn.optimizers._rprop import rprop
from funclearn.optimizers._rule import RuleState
from funclearn.optimizers._sgd import asgd, sgd
from funclearn.optimizers._squares import adadelta, adagrad, rmsprop

__all__ = [
    "RuleState",
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "asgd",
    "lbfgs",
    "muon",
    "nadam",
    "radam",
    "rmsprop",
    "rprop",
    "sgd",
    "sparse_adam",
]
