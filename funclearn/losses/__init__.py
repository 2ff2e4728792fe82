"""Losses that refuse unequal shapes, and penalties on the parameters.

A loss is `(predictions, targets) -> scalar`: small for a good prediction, averaged
over everything that it is given. Subtracting `(n,)` from `(n, 1)` would broadcast to
`(n, n)` without a word, so every loss compares the shapes first, while tracing.

Predictions and targets are real numbers of any dtype. A loss has the dtype that JAX
gives them together as floats; but float32 for float16, whose range ends at 65504, where
squares soon are.

With `weights`, which a batch hands on that has them, the mean is Σ w_i l_i / Σ w_i.
Rows of weight 0 have no part in the loss or its gradient, even if their targets are
NaN; their predictions must be finite. Where every weight is 0 the loss is 0. Settings
of a loss are bound by `functools.partial`.

A penalty is `params -> scalar`, added to the loss by `funclearn.make_objective`.
"""

from funclearn.losses._classification import binary_cross_entropy, cross_entropy
from funclearn.losses._penalties import l1, l2
from funclearn.losses._regression import huber, mae, mean_of, mse

__all__ = [
    "binary_cross_entropy",
    "cross_entropy",
    "huber",
    "l1",
    "l2",
    "mae",
    "mean_of",
    "mse",
]
