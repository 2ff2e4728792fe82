"""The type names that the library's signatures share."""

from collections.abc import Callable
from typing import Any, TypeAlias

from jaxtyping import Array, Float, PRNGKeyArray, PyTree, Shaped

__all__ = [
    "Batch",
    "GradientMethod",
    "Objective",
    "Params",
    "Penalty",
    "Scalar",
    "ScalarLike",
    "ValueAndGrad",
]

Params: TypeAlias = PyTree
"""Any pytree of floating-point arrays."""

Batch: TypeAlias = PyTree
"""Any pytree of arrays with one leading length, usually a `Dataset`."""

Scalar: TypeAlias = Float[Array, ""]

ScalarLike: TypeAlias = float | int | Shaped[Array, ""]
"""A number or a scalar array; it may be traced."""

Objective: TypeAlias = Callable[[Params, Batch, PRNGKeyArray], Scalar]
ValueAndGrad: TypeAlias = Callable[[Params, Batch, Any], tuple[Scalar, Params]]
GradientMethod: TypeAlias = Callable[[Objective], ValueAndGrad]
"""What gradient methods have in common: they turn an objective into its value and
gradient, the gradient having the structure of the parameters."""

Penalty: TypeAlias = Callable[[Params], Scalar]
