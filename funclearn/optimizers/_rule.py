"""What all optimizers share: a rule for one leaf becomes a `GradientTransformation`.

A rule is a function of one leaf of the gradient, as its formula is printed:

    rule(grad, param, memory, t, **numbers) -> (change, memory)

`memory` holds what the optimizer remembers of the leaf, by PyTorch's names; `t` is the
number of this step, from 1; the numbers are those of this step: of Python's where they
are known while tracing, and else scalar arrays of the leaf's dtype. The change is added
to the parameters. Leaves of half precision reach the rule in float32, which also holds
their memory: in float16 the square of a gradient of 1e-4 is zero, and so is 1e-8.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PyTree

from funclearn._checks import check_floating
from funclearn._types import Params
from funclearn.optimizers._numbers import Number, Values, value_of

__all__ = ["Memory", "Rule", "RuleState", "make_optimizer"]

Memory: TypeAlias = dict[str, Values]
"""What is remembered of one leaf."""

Rule: TypeAlias = Callable[..., tuple[Values, Memory]]


class RuleState(NamedTuple):
    """The state of an optimizer of this package.

    Attributes:
        count: the number of steps made.
        memory: by PyTorch's names pytrees of the structure of the parameters;
            `optax.tree_utils.tree_get(opt_state, name)` finds one in a chain.
    """

    count: Int[Array, ""]  # pyright: ignore[reportIncompatibleMethodOverride]
    memory: dict[str, PyTree]


def make_optimizer(
    rule: Rule,
    memory: Mapping[str, Callable[[Values], Values]],
    numbers: Mapping[str, Number],
    *,
    maximize: bool = False,
    needs_params: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Makes a transformation of a rule.

    Args:
        rule: the formula for one leaf.
        memory: by name what makes the first memory of a leaf of the parameters.
        numbers: the rule's keywords, as `checked` returns them.
        maximize: whether to go up instead of down.
        needs_params: whether the rule reads the parameters.

    Returns:
        A transformation whose state is a `RuleState`. `init` raises TypeError for
        parameters that are not floating-point; `update` raises ValueError where it
        needs the parameters and has none.
    """

    def init(params: Params) -> RuleState:
        if jax.tree.leaves(params):  # a mask may have left none
            check_floating("params", params)
        wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, _work_dtype(leaf)), params)
        held = {name: jax.tree.map(make, wide) for name, make in memory.items()}
        return RuleState(jnp.zeros((), jnp.int32), held)

    def update(
        updates: Params, state: Any, params: Params = None, **_: Any
    ) -> tuple[Params, RuleState]:
        if needs_params:
            _check_given(params)
        grads, structure = jax.tree.flatten(updates)
        leaves = [None] * len(grads)
        if params is not None:
            leaves = structure.flatten_up_to(params)
        held = {name: structure.flatten_up_to(state.memory[name]) for name in memory}
        changes, kept = [], {name: [] for name in memory}
        for index, (grad, param) in enumerate(zip(grads, leaves, strict=True)):
            old = {name: values[index] for name, values in held.items()}
            change, new = _apply(rule, grad, param, old, state.count, numbers, maximize)
            changes.append(change)
            for name, values in kept.items():
                values.append(new[name].astype(old[name].dtype))
        after = {name: structure.unflatten(values) for name, values in kept.items()}
        count = jnp.asarray(optax.safe_increment(state.count))
        return structure.unflatten(changes), RuleState(count, after)

    return optax.GradientTransformationExtraArgs(init, update)


def _check_given(params: Params | None) -> None:
    if params is None:
        raise ValueError(
            "params must be given to this optimizer's update, which reads them; got "
            "None: call update(grads, state, params)."
        )


def _apply(
    rule: Rule,
    grad: Any,
    param: Any,
    memory: Memory,
    count: Array,
    numbers: Mapping[str, Number],
    maximize: bool,
) -> tuple[Values, Memory]:
    """The rule for one leaf, in its work dtype."""
    dtype = _work_dtype(grad if param is None else param)
    wide = jnp.asarray(grad).astype(dtype)
    # A rule that read absent parameters would show it.
    absent = jnp.full_like(wide, jnp.nan)
    change, memory = rule(
        -wide if maximize else wide,
        absent if param is None else jnp.asarray(param).astype(dtype),
        memory,
        (count + 1).astype(dtype),
        **{name: value_of(number, count, dtype) for name, number in numbers.items()},
    )
    return change.astype(jnp.result_type(grad)), memory


def _work_dtype(leaf: Any) -> Any:
    return jnp.promote_types(jnp.result_type(leaf), jnp.float32)
