"""Cross-validation: many splits of the same rows, trained and judged in one call.

    cross_validate : (key, run, dataset, held_out) -> CrossValidation
    run            : (train, validation, key)      -> fitted
    evaluate       : (fitted, rows)                -> loss

Splits are masks over the rows, true for those that are held out: `data.folds`,
`leave_one_out` and `hold_out` make them, and so may anybody. Every split is a lane. Its
rows are gathered into ordinary data sets, not weighted by zeros and ones: so any model,
loss, optimizer, batch size and stopping rule will do, a scaler can be fitted to the
training rows, and no run gets hold of a row that was held out from its training.
"""

from funclearn.validation._cross_validate import cross_validate
from funclearn.validation._result import CrossValidation, Losses, Summary, Weights
from funclearn.validation._splits import hold_out, leave_one_out

__all__ = [
    "CrossValidation",
    "Losses",
    "Summary",
    "Weights",
    "cross_validate",
    "hold_out",
    "leave_one_out",
]
