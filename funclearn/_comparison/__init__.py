"""Gradients against autodiff and differences that know their own noise."""
