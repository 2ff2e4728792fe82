"""An identity whose derivative can be pushed forward and not pulled back."""

from collections.abc import Callable
from typing import Any, NoReturn

from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

__all__ = ["one_way"]


def one_way(name: str, refusal: str) -> Callable[[Array], Array]:
    """Makes such an identity.

    Args:
        name: how its operation is called in a jaxpr.
        refusal: the message of the ValueError that reverse mode ends with.
    """

    def refuse(*_: Any) -> NoReturn:
        raise ValueError(refusal)

    # `jax.custom_derivatives.linear_call` can't be mapped, as `jax.jacfwd` does.
    primitive = Primitive(name)
    primitive.def_impl(lambda x: x)
    primitive.def_abstract_eval(lambda aval: aval)
    mlir.register_lowering(primitive, lambda _, x: [x])
    batching.defvectorized(primitive)
    ad.deflinear2(primitive, refuse)
    return primitive.bind
