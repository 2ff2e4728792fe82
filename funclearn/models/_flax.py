"""Flax modules as models."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import jax
from jaxtyping import PRNGKeyArray, PyTree

from funclearn._checks import check_key
from funclearn._types import Params
from funclearn.models._model import Model

__all__ = ["from_linen", "from_nnx"]


@runtime_checkable
class LinenModule(Protocol):
    """What is used of a `flax.linen.Module`, which is imported when one is made."""

    def init(self, rngs: PRNGKeyArray, /, *args: PyTree) -> Mapping[str, Params]:
        """The initial variables, by collection."""
        ...

    def apply(self, variables: Mapping[str, Params], /, *args: PyTree) -> PyTree:
        """The value of the module."""
        ...


def from_linen(module: LinenModule, example_inputs: PyTree) -> Model:
    """Makes a model of a flax linen module.

    Args:
        module: any `flax.linen.Module` whose call takes the inputs alone and whose
            only collection of variables is `params`.
        example_inputs: inputs of the right shape and dtype, to initialise with.

    Returns:
        A model whose parameters are the module's `params` collection.

    Raises:
        ValueError: from `init`, if the module keeps other collections than `params`
            (batch statistics, say): its call would not be a pure function of them.
    """

    def init(key: PRNGKeyArray) -> Params:
        check_key("key", key)
        variables = module.init(key, example_inputs)
        if set(variables) != {"params"}:
            raise ValueError(
                "module must keep its variables in the collection 'params' alone; "
                f"{type(module).__name__} keeps {sorted(variables)}."
            )
        return variables["params"]

    return Model(init, lambda params, inputs: module.apply({"params": params}, inputs))


def from_nnx(module: Callable[..., PyTree]) -> Model:
    """Makes a model of a flax nnx module, split into its graph and its parameters.

    Args:
        module: `module(rngs) -> flax.nnx.Module`, called by `init` with
            `nnx.Rngs(key)`; or a finished module, whose own parameters `init` then
            returns, whatever the key. All its variables must be `nnx.Param`.

    Returns:
        A model whose parameters are the `nnx.State` of the module.

    Raises:
        ValueError: if the module keeps other variables than parameters.
    """
    from flax import nnx

    build = (lambda rngs: module) if isinstance(module, nnx.Module) else module

    def split(key: PRNGKeyArray) -> tuple[PyTree, Params]:
        graph, params, rest = nnx.split(build(nnx.Rngs(key)), nnx.Param, ...)
        if jax.tree.leaves(rest):
            paths = nnx.to_flat_state(rest).paths
            others = ", ".join(".".join(map(str, path)) for path in paths)
            raise ValueError(
                f"module must keep no variables but nnx.Param; it keeps {others}."
            )
        return graph, params

    graph, _ = nnx.eval_shape(lambda: split(jax.random.key(0)))

    def init(key: PRNGKeyArray) -> Params:
        check_key("key", key)
        return split(key)[1]

    return Model(init, lambda params, inputs: nnx.merge(graph, params)(inputs))
