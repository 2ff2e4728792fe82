"""What is wrong with a run, since when, why, and what to try next.

- `diagnose` reads a run's curves: it underfits, overfits, diverged, or is healthy, or
  the curves cannot tell;
- `stability` predicts, before a run, the largest learning rate that it can stand;
- `explain_divergence` finds out afterwards why a run diverged.
"""

from funclearn.diagnosis._causes import Cause, Kind
from funclearn.diagnosis._curvature import Stability, stability
from funclearn.diagnosis._divergence import Divergence, DivergenceCause
from funclearn.diagnosis._explanation import explain_divergence
from funclearn.diagnosis._verdicts import Verdict, diagnose

__all__ = [
    "Cause",
    "Divergence",
    "DivergenceCause",
    "Kind",
    "Stability",
    "Verdict",
    "diagnose",
    "explain_divergence",
    "stability",
]
