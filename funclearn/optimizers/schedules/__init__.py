"""PyTorch's learning-rate schedulers as optax schedules: functions of the step.

Each takes the learning rate first, then PyTorch's arguments in its order and with its
defaults, and returns `count -> rate`; the first step has count 0. Where PyTorch counts
epochs, `fl.training.scale_by_epoch` gives a schedule the number of epochs. The numbers
may be traced, so a sweep can range over them.

    PyTorch                        here
    StepLR                         step_lr
    MultiStepLR                    multi_step_lr
    ConstantLR                     constant_lr
    LinearLR                       linear_lr
    PolynomialLR                   polynomial_lr
    ExponentialLR                  exponential_lr
    CosineAnnealingLR              cosine_annealing_lr
    CosineAnnealingWarmRestarts    cosine_annealing_warm_restarts
    OneCycleLR                     one_cycle_lr, with its momentum
    CyclicLR                       cyclic_lr, with its momentum
    LambdaLR                       lambda_lr
    MultiplicativeLR               multiplicative_lr
    SequentialLR                   sequential_lr
    ReduceLROnPlateau              reduce_lr_on_plateau, chained after an optimizer

In float64 they are PyTorch's recorded rates to a relative 1e-12, or where those are
roundings of a far higher rate, 3e-16 of that. In float32 they are within 5e-7 of the
highest rate; powers, of a `gamma` that is rounded itself, within 1e-7 times their
exponent of themselves. What decides between the pieces of a schedule is computed with
integers, and is exact in every precision.
"""

from funclearn.optimizers.schedules._cosine import (
    cosine_annealing_lr,
    cosine_annealing_warm_restarts,
)
from funclearn.optimizers.schedules._cycled import CycledSchedule
from funclearn.optimizers.schedules._cyclic import cyclic_lr
from funclearn.optimizers.schedules._functions import (
    lambda_lr,
    multiplicative_lr,
    sequential_lr,
)
from funclearn.optimizers.schedules._one_cycle import one_cycle_lr
from funclearn.optimizers.schedules._plateau import PlateauState, reduce_lr_on_plateau
from funclearn.optimizers.schedules._powers import (
    exponential_lr,
    multi_step_lr,
    step_lr,
)
from funclearn.optimizers.schedules._ramps import constant_lr, linear_lr, polynomial_lr

__all__ = [
    "CycledSchedule",
    "PlateauState",
    "constant_lr",
    "cosine_annealing_lr",
    "cosine_annealing_warm_restarts",
    "cyclic_lr",
    "exponential_lr",
    "lambda_lr",
    "linear_lr",
    "multi_step_lr",
    "multiplicative_lr",
    "one_cycle_lr",
    "polynomial_lr",
    "reduce_lr_on_plateau",
    "sequential_lr",
    "step_lr",
]
