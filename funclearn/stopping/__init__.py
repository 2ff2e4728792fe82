"""Stopping rules, which end a run where it is good enough or not worth going on.

A rule is a small pytree with two pure functions, in the manner of an optimizer:

    init(settings, observation)           -> memory
    update(settings, memory, observation) -> (memory, code)

`code` is 0 to go on, and k when the k-th of the rule's `reasons` fired. Rules are
evaluated inside the compiled loop of `funclearn.fit`, once an epoch; their settings
may be traced, so a sweep can range over them. `a | b` stops when either fires and tells
which, the left one if both do; `a & b` when both fire at the same epoch. A rule that
has watched a run, `run.stop`, goes on from there in another `fit`, by itself and
joined: what it is joined with begins, and counts its own epochs. Rules can be pickled.

A rule watches one quantity, `on`: `"loss"`, the training loss before the epoch's
update; `"validation"`, the validation loss at the same parameters; another entry of
what `evaluate` returned, by its name (nested ones joined by dots) or as
`"evaluation.NAME"`; by default the validation loss where there is one, and the training
loss where there is none. With `direction="max"` it should rise.

The best parameters, `run.best`, go by what the rule watches, from the epoch on that
counts for it: of joined rules the first that watches something else than the training
loss. `fit(..., best_on=)` names another quantity.

Under every rule the run stays differentiable, forwards and backwards, with the epoch at
which it stops taken as constant, which it is almost everywhere.
"""

from funclearn.stopping._closest import closest
from funclearn.stopping._epochs import max_epochs, never
from funclearn.stopping._goal import Goal, make_goal
from funclearn.stopping._memory import Best, Reason, Watch
from funclearn.stopping._motion import gradient_norm
from funclearn.stopping._observation import Observation
from funclearn.stopping._rule import Rule
from funclearn.stopping._rules import (
    diverged,
    getting_worse,
    patience,
    relative_change,
    target,
)
from funclearn.stopping._watch import begin, observe
from funclearn.stopping._when import when

__all__ = [
    "Best",
    "Goal",
    "Observation",
    "Reason",
    "Rule",
    "Watch",
    "begin",
    "closest",
    "diverged",
    "getting_worse",
    "gradient_norm",
    "make_goal",
    "max_epochs",
    "never",
    "observe",
    "patience",
    "relative_change",
    "target",
    "when",
]
