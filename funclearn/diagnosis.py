"""What is wrong with a run, since when, why, and what to try next.

- `diagnose` reads a run's curves: it underfits, overfits, diverged, or is healthy, or
  the curves cannot tell;
- `stability` predicts, before a run, the largest learning rate that it can stand;
- `explain_divergence` finds out afterwards what a run that blew up died of.
"""

from funclearn._diagnosis.curvature import Stability, stability
from funclearn._diagnosis.divergence import Divergence, explain_divergence
from funclearn._diagnosis.verdicts import Verdict, diagnose

__all__ = [
    "Divergence",
    "Stability",
    "Verdict",
    "diagnose",
    "explain_divergence",
    "stability",
]
