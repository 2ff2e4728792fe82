"""What became of one random case whose truth is known."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple


class Outcome(NamedTuple):
    """A case, and whether the answer was right; None where it was "cannot tell"."""

    right: bool | None
    case: str


def count(section: str, outcomes: Iterable[Outcome]) -> int:
    """Prints how many outcomes were right, and every wrong one; counts these."""
    tally: Counter[bool | None] = Counter()
    for right, case in outcomes:
        tally[right] += 1
        if right is False:
            print(f"  wrong: {case}", flush=True)
    print(
        f"{section:12} {tally.total():6} cases {tally[True]:6} right "
        f"{tally[None]:5} undecided {tally[False]:5} wrong",
        flush=True,
    )
    return tally[False]
