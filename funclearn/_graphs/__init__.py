"""The computational graph of a JAX function: traced, ordered, laid out and drawn."""
