"""Training loops of others' making, put to the crash test.

Each module is one script, written as its library's documentation shows, and no better:
`python -m benchmarks.crash.pickled FOLDER` starts it, or resumes it.
"""
