"""Random cases of known truth: what hostile use would try, counted."""
