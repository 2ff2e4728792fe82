"""What may be wrong with what a run is made of, said before JAX says it in its words.

Functions are looked at while tracing, and the state's arrays once JAX has refused them,
so that a run of which all is right pays nothing.
"""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._arrays import is_floating
from funclearn._checks import check_same_structure, path_name
from funclearn._notes import has_averages
from funclearn._signatures import takes_keyword
from funclearn._types import Scalar
from funclearn._words import described
from funclearn.training._state import StepInfo, TrainState

__all__ = [
    "check_function",
    "check_gradient",
    "check_loss",
    "check_numbers",
    "check_state",
    "check_stepped",
    "explain",
]


def check_function(
    name: str,
    value: object,
    arguments: tuple[str, ...],
    advice: str,
    keywords: tuple[str, ...] = (),
) -> None:
    """Refuses what cannot be called with these positional arguments.

    Args:
        name: the argument to name in the message.
        value: what is refused.
        arguments: the names of what it is going to be called with.
        advice: where a right one comes from.
        keywords: what it is given as keywords if it has parameters of these names.

    Raises:
        TypeError: if it is no function, or one of other arguments.
    """
    needed = f"{name} must be a function of ({', '.join(arguments)}), {advice}"
    if not callable(value):
        raise TypeError(f"{needed}; got {described(value)}.")
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):  # some of C have none
        return
    try:
        given = {one: None for one in keywords if takes_keyword(value, one)}
        signature.bind(*arguments, **given)
    except TypeError as error:
        raise TypeError(
            f"{needed}; got {described(value)} of {signature}: {error}."
        ) from None


def check_state(train_step: object, state: object) -> None:
    """Refuses what lacks the fields of a `TrainState`.

    Raises:
        TypeError: if a field is missing.
    """
    if isinstance(train_step, TrainState):
        raise TypeError(
            "train_step must be a function of (state, batch); got a TrainState: the "
            "order is fit(train_step, state, train)."
        )
    if not all(hasattr(state, field) for field in TrainState._fields):
        raise TypeError(
            "state must be a TrainState, as init_state(key, params, optimizer) makes; "
            f"got {described(state)}."
        )


def check_loss(value: PyTree) -> Scalar:
    """Returns what an objective returned, if it can be differentiated.

    Raises:
        TypeError: if it is no real floating-point number.
        ValueError: if it has a shape.
    """
    if not is_floating(value):
        raise TypeError(
            "objective must return the loss, a floating-point scalar; got "
            f"{described(value)}."
        )
    if jnp.shape(value):
        raise ValueError(
            f"objective must return a scalar; got shape {jnp.shape(value)}, whose mean "
            "is one."
        )
    return value if isinstance(value, jax.Array) else jnp.asarray(value)


def check_gradient(result: PyTree, params: PyTree) -> tuple[Scalar, PyTree]:
    """Returns loss and gradient, if a gradient method returned them.

    Raises:
        TypeError: if it returned something else.
        ValueError: if the gradient has another structure than the parameters.
    """
    if not (isinstance(result, tuple) and len(result) == 2):
        raise TypeError(
            "gradient must make a function that returns (loss, grads), as "
            f"funclearn.gradients.autodiff does; it returned {described(result)}."
        )
    loss, grads = result
    structures = jax.tree.structure(grads), jax.tree.structure(params)
    if structures[0] != structures[1]:
        raise ValueError(
            "gradient must make a function that returns (loss, grads), grads with the "
            f"structure of the parameters, {structures[1]}; got {structures[0]}."
        )
    return loss, grads


def check_stepped(result: PyTree, state: TrainState) -> tuple[TrainState, StepInfo]:
    """Returns what a train step returned, if another step can go on from there.

    Raises:
        TypeError: if it is not `(state, info)`.
        ValueError: if a structure, shape or dtype within the state has changed.
    """
    pair = isinstance(result, tuple) and len(result) == 2
    if not (pair and hasattr(result[0], "_replace") and hasattr(result[1], "loss")):
        raise TypeError(
            "train_step must return (state, StepInfo(loss, grads)), the state with the "
            f"fields of a TrainState; got {described(result)}."
        )
    after, info = result
    if has_averages(after.params) and not has_averages(state.params):
        raise ValueError(
            "state must be prepared for a train step with averages inside of another: "
            "fit(..., funclearn.training.prepare_state(step, state), ...), of the step "
            "that make_train_step made."
        )
    for field in ("params", "opt_state"):
        check_same_structure(
            f"train_step(...)[0].{field}",
            getattr(after, field),
            getattr(state, field),
            "the state that the step was given",
        )
    return after, info


def explain(error: Exception, **arguments: PyTree) -> None:
    """Raises a refusal that names an argument, where JAX's error has a known cause.

    Args:
        error: what JAX raised.
        **arguments: what it was raised over, by name.
    """
    # Whoever lays out parameters by explicit axes is told by JAX what they lack.
    if type(error).__name__ == "ShardingTypeError" and not _are_explicit(arguments):
        raise ValueError(
            "train must be sharded over axes of type Auto, as those of jax.make_mesh("
            "..., axis_types=(jax.sharding.AxisType.Auto,)); over others products "
            "need an out_sharding, and jax.grad fails."
        ) from error
    for name, tree in arguments.items():
        try:
            check_numbers(name, tree)
        except TypeError as refusal:
            raise refusal from None


def _are_explicit(tree: PyTree) -> bool:
    """Whether an array lies over explicit axes."""
    arrays = [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array)]
    return any(jax.typeof(array).sharding.mesh.explicit_axes for array in arrays)


def check_numbers(name: str, tree: PyTree) -> None:
    """Refuses a pytree that JAX cannot compute with.

    Raises:
        TypeError: at the first leaf that is no array of numbers.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not _is_numeric(leaf):
            raise TypeError(
                f"{path_name(name, path)} must be an array of numbers; got "
                f"{described(leaf)}."
            )


def _is_numeric(leaf: object) -> bool:
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf.dtype.kind not in "OSUMmV" or jnp.issubdtype(leaf.dtype, np.number)
    # A run is traced with the types of its arrays alone.
    return isinstance(
        leaf, jax.Array | jax.ShapeDtypeStruct | bool | int | float | complex
    )
