"""The first random splits, to be drawn one by one: their rows, lines and losses."""

import numpy as np

from experiments._data import label, power
from experiments.harness import Explorable
from experiments.split_uncertainty.chapter import Result

DRAWS, ROWS = 1000, 100_000


def make_explorable(result: Result, input_scale: float, still: str) -> Explorable:
    """Packs what the first random splits lead to, equal ones once.

    Args:
        result: the splits, and the runs on them.
        input_scale: what the readings were divided by.
        still: the figure that stands in for it.
    """
    given, losses = result.readings, result.random.losses
    # Of a long file fewer, so that the page's data stay small.
    draws = min(DRAWS, len(result.masks), ROWS // result.masks.shape[1])
    _, first, order = np.unique(
        result.masks[:draws], axis=0, return_index=True, return_inverse=True
    )
    inputs, targets = map(np.asarray, given.data)
    margin = 0.1 * (np.ptp(inputs) or 1.0)
    ends = np.array([inputs.min() - margin, inputs.max() + margin])
    weight, bias = (np.asarray(part)[first, None] for part in result.random.fitted)
    held_out = [np.nonzero(mask)[0] for mask in result.masks[first]]
    return Explorable(
        "Which readings are held out is luck, and so is their loss. Draw another split "
        "and watch the validation loss jump; then draw 100.",
        "split",
        {
            "inputs": inputs,
            "targets": targets,
            "names": {
                "input": given.input_name,
                "target": given.target_name,
                "validation": label("Validation loss", power(given.unit, 2)),
                "unit": power(given.unit, 2),
            },
            "order": order.ravel(),
            "held_out": np.array(held_out),
            "validation": losses.validation[first],
            "training": losses.training[first],
            "ends": ends,
            "lines": weight * (ends / input_scale) + bias,
        },
        still,
    )
