"""Kills, damages, bad input, full disks and long runs, counted.

`python -m benchmarks.faults` prints a line for each kind, and ends with the status 1 if
anything was lost or silently wrong.
"""
