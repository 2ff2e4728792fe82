"""How modules are told whether they train, and called with their inputs alone."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
from jaxtyping import PyTree

from funclearn._jaxprs import depends
from funclearn._signatures import takes_keyword

__all__ = [
    "MODES",
    "check_call",
    "draws",
    "key_type",
    "left_open",
    "modes",
    "needs",
    "takes_inside",
]

# Parameters and attributes of modules, and what they are while the module trains.
MODES = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
    "inference": False,
}


def modes(call: Any, trains: bool) -> dict[str, bool]:
    """The parameters of a call that say whether it trains, with their values."""
    return {
        name: value is trains
        for name, value in MODES.items()
        if takes_keyword(call, name)
    }


def left_open(
    call: Any, args: Sequence[object], kwargs: Mapping[str, object]
) -> set[str]:
    """The parameters that arguments leave at their defaults."""
    signature = inspect.signature(call)
    try:
        bound = signature.bind_partial(*args, **kwargs)
    except TypeError:  # the call itself says it better
        return set()
    return signature.parameters.keys() - bound.arguments.keys()


def draws(function: Callable[..., PyTree], *arguments: PyTree) -> bool:
    """Whether what a function returns depends on its last argument, a key."""
    traced = jax.make_jaxpr(function)(*arguments)
    others = len(traced.in_avals) - 1
    return any(depends(traced, [False] * others + [True]))


def key_type() -> jax.ShapeDtypeStruct:
    """The type of a key; to make one would be an operation, which begins JAX's work.

    Processes have to meet before that, and a script may make its model first.
    """
    return jax.eval_shape(jax.random.key, 0)


def needs(call: Any, name: str) -> bool:
    """Whether a call has a parameter of a name without a default."""
    parameter = inspect.signature(call).parameters.get(name)
    return parameter is not None and parameter.default is parameter.empty


def takes_inside(nodes: Iterable[object], name: str, package: str) -> bool:
    """Whether any part of a module, but for those of a package, takes a keyword.

    Args:
        nodes: the parts.
        name: the keyword, what a part may draw from.
        package: whose parts take it whether they draw or not.
    """
    return any(
        callable(node)
        and type(node).__module__.split(".")[0] != package
        and takes_keyword(node, name)
        for node in nodes
    )


def check_call(module: Any, *others: object, given: Mapping[str, object]) -> None:
    """Refuses a module that cannot be called with one pytree of inputs.

    Args:
        module: the module.
        others: what it is called with after the inputs, as its state.
        given: what it is called with by keyword.

    Raises:
        TypeError: if its call needs more, or takes less.
    """
    signature = inspect.signature(module.__call__)
    try:
        signature.bind(None, *others, **given)
    except TypeError as error:
        raise TypeError(
            "module must need one pytree of inputs and nothing that it is not given; "
            f"the call of {type(module).__name__} takes {signature} ({error}). Several "
            "inputs go into one tuple or dictionary."
        ) from error
