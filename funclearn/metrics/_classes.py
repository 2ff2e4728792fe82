"""Which class was predicted, and which it is."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from funclearn._arrays import as_array, check_real, narrowed
from funclearn._weights import as_weights

__all__ = ["predicted", "read_classes", "unknown"]


def read_classes(
    predictions: PyTree, targets: PyTree, weights: PyTree
) -> tuple[Array, Int[Array, "..."], Float[Array, "..."]]:
    """Logits, labels and weights of classes."""
    logits, labels = as_array("predictions", predictions), as_array("targets", targets)
    check_real("predictions", logits)
    check_real("targets", labels)
    logits, labels = (
        jnp.asarray(narrowed(name, array))
        for name, array in {"predictions": logits, "targets": labels}.items()
    )
    if labels.shape not in (logits.shape, logits.shape[:-1]):
        raise ValueError(
            "targets must have the shape of the predictions, or that without the last "
            f"axis, the classes; got targets {labels.shape} and predictions "
            f"{logits.shape}."
        )
    if logits.ndim != labels.ndim and logits.shape[-1] == 1:
        raise ValueError(
            "predictions must be logits of two classes at least, or numbers of the "
            f"targets' shape, which tell class 1 from 0; got predictions {logits.shape}"
            f" and targets {labels.shape}: take predictions[..., 0]."
        )
    if jnp.issubdtype(labels.dtype, jnp.floating):
        if logits.ndim != labels.ndim:
            raise TypeError(f"targets must be integers; got {labels.dtype}.")
        labels = labels > 0.5
    labels = labels.astype(jnp.int32)
    counted = jnp.ones(()) if weights is None else as_weights(weights, labels.shape)
    return logits, labels, counted


def predicted(logits: Array, labels: Array) -> Int[Array, "..."]:
    """The class that is predicted, -1 where that is NaN."""
    if logits.ndim == labels.ndim:
        best = (logits > 0).astype(jnp.int32)
    else:
        best = jnp.argmax(logits, axis=-1).astype(jnp.int32)
    return jnp.where(unknown(logits, labels), -1, best)


def unknown(logits: Array, labels: Array) -> Array:
    wrong = jnp.isnan(logits)
    return wrong if logits.ndim == labels.ndim else jnp.any(wrong, axis=-1)
