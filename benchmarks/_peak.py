"""The memory of one program of the table: `python -m benchmarks._peak NAME`."""

import sys

from benchmarks._processes import tell_peak
from benchmarks.table import OURS

if __name__ == "__main__":
    tell_peak(OURS[sys.argv[1]])
