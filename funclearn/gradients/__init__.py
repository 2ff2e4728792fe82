"""Three interchangeable ways to a gradient.

Each method turns an objective `(params, batch, key) -> scalar` into
`value_and_grad(params, batch, key) -> (loss, grads)`, where the gradient has the
structure of the parameters:

- `autodiff` applies the chain rule to the program, backwards;
- `finite_difference` nudges one parameter at a time and watches the loss;
- `given` uses a formula that somebody derived by hand (see `funclearn.analytic`).

`accumulated` takes any of them over a large batch part by part.

So one training loop serves all three, and `compare` compares them.
"""

from typing import TYPE_CHECKING

from funclearn import _lazy
from funclearn.gradients._accumulation import (
    accumulated,
    by_chain_rule,
    with_notes,
)
from funclearn.gradients._methods import autodiff, finite_difference, given

if TYPE_CHECKING:
    from funclearn.gradients._compare import (
        GradientsNearlyAgree,
        GradientsUndecided,
        compare,
    )
    from funclearn.gradients._findings import Agreement
    from funclearn.gradients._report import GradientReport
    from funclearn.gradients._slips import likely_slip

__all__ = [
    "Agreement",
    "GradientReport",
    "GradientsNearlyAgree",
    "GradientsUndecided",
    "accumulated",
    "autodiff",
    "by_chain_rule",
    "compare",
    "finite_difference",
    "given",
    "likely_slip",
    "with_notes",
]

# The comparison brings parts of JAX that no run needs.
__getattr__, __dir__ = _lazy.attach(
    __name__,
    names={
        "Agreement": "funclearn.gradients._findings",
        "GradientReport": "funclearn.gradients._report",
        "GradientsNearlyAgree": "funclearn.gradients._compare",
        "GradientsUndecided": "funclearn.gradients._compare",
        "compare": "funclearn.gradients._compare",
        "likely_slip": "funclearn.gradients._slips",
    },
)
