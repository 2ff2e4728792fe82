"""Many runs in blocks of lanes, and their results."""
