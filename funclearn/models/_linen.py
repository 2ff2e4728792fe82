"""Flax linen modules as models.

A module is asked twice what it does, while it trains and when it predicts, by the
arguments that flax's modules have for that. Where that is the same pure function of its
parameters, the model is a pair; else it has a `train` of its own.
"""

import functools
from typing import Any, NamedTuple

import jax
from jaxtyping import PRNGKeyArray, PyTree

from funclearn._checks import check_key
from funclearn._notes import Noted
from funclearn._signatures import takes_keyword
from funclearn._types import Params
from funclearn.models._model import Model

__all__ = ["from_linen", "pure_linen"]

# Parameters of a linen module's call, and what they are while it trains.
_MODES = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
}


def from_linen(module: Any, example_inputs: PyTree) -> Model:
    """Makes a model of a flax linen module.

    If its call has a parameter `train`, `training`, `is_training`, `deterministic` or
    `use_running_average`, that is set, while it trains and when it predicts. Where an
    attribute of the module has one of these names and the value for training, it
    predicts with the other one; with the value for predicting it stays. While it
    trains its stream `"dropout"` starts from the key that `train` is given, and every
    other one from `jax.random.fold_in(key, 1)`.

    Args:
        module: any `flax.linen.Module` that takes the inputs alone, but for these.
        example_inputs: inputs of the right shape and dtype, to initialise with.

    Returns:
        A model whose parameters are the module's `params` collection, in a `Noted` pair
        with its other collections where it has any. Values that it sows are dropped.

    Raises:
        TypeError: if `module` is no linen module.
        ValueError: from `apply`, if it draws or changes its variables whatever it is
            told, as with a `BatchNorm(use_running_average=False)` inside.
    """
    from flax import errors, linen

    if not isinstance(module, linen.Module):
        raise TypeError(
            f"module must be a flax.linen.Module; got {type(module).__name__}."
        )
    on: dict[str, Any] = _modes(module)
    off = {name: not value for name, value in on.items()}
    linen_module = _Linen(module, _predicting(module), on, off)

    def init(key: PRNGKeyArray) -> Params:
        check_key("key", key)
        return linen_module.init(key, example_inputs)

    params = jax.eval_shape(init, jax.random.key(0))
    try:
        without_keys = functools.partial(linen_module.train_with, keys=None)
        jax.eval_shape(without_keys, params, example_inputs)
        draws = False
    except errors.InvalidRngError:
        draws = True
    fixed = linen_module.predicting is not module
    if on or draws or fixed or isinstance(params, Noted):
        return Model(init, linen_module.apply, linen_module.train)
    return Model(init, linen_module.apply)


def pure_linen(module: Any, example_inputs: PyTree) -> Model:
    """The same of a module that is known to be a pure function of its parameters.

    Raises:
        ValueError: from `init`, if it keeps other collections than `params`.
    """
    linen_module = _Linen(module, module, {}, {})

    def init(key: PRNGKeyArray) -> Params:
        check_key("key", key)
        params = linen_module.init(key, example_inputs)
        if isinstance(params, Noted):
            raise ValueError(
                "module must keep its variables in the collection 'params' alone; "
                f"{type(module).__name__} keeps {sorted(_variables(params))}."
            )
        return params

    return Model(init, linen_module.apply)


class _Linen(NamedTuple):
    """A linen module, and what its call is given while it trains and predicts.

    Attributes:
        module: the module as it trains.
        predicting: the module as it predicts.
        on: what the first is called with.
        off: what the second is called with.
    """

    module: Any
    predicting: Any
    on: dict[str, Any]
    off: dict[str, Any]

    def init(self, key: PRNGKeyArray, inputs: PyTree) -> Params:
        collections = dict(self.module.init(key, inputs, **self.off))
        params = collections.pop("params", {})
        collections.pop("intermediates", None)
        return Noted(params, collections) if collections else params

    def apply(self, params: Params, inputs: PyTree) -> PyTree:
        from flax import errors

        try:
            return self.predicting.apply(_variables(params), inputs, **self.off)
        except (errors.ModifyScopeVariableError, errors.InvalidRngError) as error:
            raise ValueError(
                "module must predict without drawing and without changing its "
                f"variables; {type(self.module).__name__} does not, and has no "
                "argument or attribute to tell it, such as train, deterministic or "
                "use_running_average, that reaches all of its layers."
            ) from error

    def train(
        self, params: Params, inputs: PyTree, key: PRNGKeyArray
    ) -> tuple[PyTree, PyTree]:
        check_key("key", key)
        # Streams that have no key of their own take that of the parameters.
        keys = {"dropout": key, "params": jax.random.fold_in(key, 1)}
        return self.train_with(params, inputs, keys)

    def train_with(
        self, params: Params, inputs: PyTree, keys: dict[str, PRNGKeyArray] | None
    ) -> tuple[PyTree, PyTree]:
        call = functools.partial(
            self.module.apply, _variables(params), inputs, rngs=keys, **self.on
        )
        if not isinstance(params, Noted):
            return call(), None
        predictions, notes = call(mutable=list(params.notes))
        return predictions, {**params.notes, **notes}


def _variables(params: Params) -> dict[str, PyTree]:
    if isinstance(params, Noted):
        return {"params": params.params, **params.notes}
    return {"params": params}


def _modes(module: Any) -> dict[str, bool]:
    """The parameters of a module's call that say whether it trains."""
    # Flax refuses an argument that the module's own attribute decides already.
    return {
        name: value
        for name, value in _MODES.items()
        if takes_keyword(module.__call__, name) and getattr(module, name, None) is None
    }


def _predicting(module: Any) -> Any:
    """The module, or a copy of it that is not told by its attributes to train."""
    fields = getattr(module, "__dataclass_fields__", {})
    fixed = {
        name: not value
        for name, value in _MODES.items()
        if name in fields and getattr(module, name, None) is value
    }
    return module.clone(**fixed) if fixed else module
