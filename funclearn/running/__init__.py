"""The impure edge of a run: what cannot live inside a compiled loop."""

from funclearn.running._deadline import fit_within

__all__ = ["fit_within"]
