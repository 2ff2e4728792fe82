"""Flax linen modules as models.

A module is asked twice what it does, while it trains and when it predicts, by the
arguments that flax's modules have for that. Where that is the same pure function of its
parameters, the model is a pair; else it has a `train` of its own.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
from jaxtyping import PRNGKeyArray, PyTree

from funclearn._checks import check_key
from funclearn._notes import Noted
from funclearn._types import Params
from funclearn.models._linen_calls import Heard, attributes, intercepted, open_modes
from funclearn.models._model import Model
from funclearn.models._modes import MODES, check_call, draws, key_type, modes

__all__ = ["from_linen", "pure_linen"]


def from_linen(module: Any, example_inputs: PyTree) -> Model:
    """Makes a model of a flax linen module.

    If its call has a parameter `train`, `training`, `is_training`, `deterministic`,
    `use_running_average` or `inference`, that is set, while it trains and when it
    predicts; if it has none, those of the modules that it calls, where the call leaves
    them at their defaults. Where an attribute of the module has one of these names and
    the value for training, it predicts with the other one; with the value for
    predicting it stays. While it trains its stream `"dropout"` starts from the key that
    `train` is given; those for which it asks `has_rng`, in the order of their names,
    from `jax.random.fold_in(key, 1)`, `fold_in(key, 2)` and on, and every other one
    from the next of these.

    Args:
        module: any `flax.linen.Module` that takes the inputs alone, but for these.
        example_inputs: inputs of the right shape and dtype, to initialise with.

    Returns:
        A model whose parameters are the module's `params` collection, in a `Noted` pair
        with its other collections where it has any. Variables that it has only while it
        trains are among them; values that it sows are dropped.

    Raises:
        TypeError: if `module` is no linen module, or needs more than the inputs.
        ValueError: from `apply`, if it draws or changes its variables whatever it is
            told, as with a `BatchNorm(use_running_average=False)` inside.
    """
    from flax import linen

    if not isinstance(module, linen.Module):
        raise TypeError(
            f"module must be a flax.linen.Module; got {type(module).__name__}."
        )
    linen_module = _examined(module, example_inputs)

    def init(key: PRNGKeyArray) -> Params:
        check_key("key", key)
        return linen_module.init(key, example_inputs)

    if linen_module.trains:
        return Model(init, linen_module.apply, linen_module.train)
    return Model(init, linen_module.apply)


def pure_linen(module: Any, example_inputs: PyTree) -> Model:
    """The same of a module that is known to be a pure function of its parameters.

    Raises:
        ValueError: from `init`, if it keeps other collections than `params`.
    """

    def init(key: PRNGKeyArray) -> Params:
        check_key("key", key)
        collections = module.init(key, example_inputs)
        if collections.keys() - {"params"}:
            raise ValueError(
                "module must keep its variables in the collection 'params' alone; "
                f"{type(module).__name__} keeps {sorted(collections)}."
            )
        return collections.get("params", {})

    def apply(params: Params, inputs: PyTree) -> PyTree:
        return module.apply({"params": params}, inputs)

    return Model(init, apply)


class _Linen(NamedTuple):
    """A linen module, and what its call is given while it trains and predicts.

    Attributes:
        module: the module as it trains.
        predicting: the module as it predicts.
        grows: whether it has variables that it has only while it trains.
        trains: whether training is something else than predicting.
        streams: for which random numbers it asks, beside `"dropout"`.
    """

    module: Any
    predicting: Any
    grows: bool = False
    trains: bool = False
    streams: Sequence[str] = ()

    def init(self, key: PRNGKeyArray, inputs: PyTree) -> Params:
        collections = self.initialised(key, inputs, trains=False)
        if self.grows:
            # In both ways, as it may have variables when it predicts alone as well.
            more = self.initialised(key, inputs, trains=True)
            collections = _united(collections, more)
        return _noted(collections)

    def initialised(
        self, key: PRNGKeyArray, inputs: PyTree, trains: bool
    ) -> dict[str, PyTree]:
        return dict(_called(self.module.init, trains, key, inputs))

    def apply(self, params: Params, inputs: PyTree) -> PyTree:
        from flax import errors

        try:
            return _called(self.predicting.apply, False, _variables(params), inputs)
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
        return self.train_heard(params, inputs, key, Heard(set(), set()))

    def train_heard(
        self, params: Params, inputs: PyTree, key: PRNGKeyArray, heard: Heard
    ) -> tuple[PyTree, PyTree]:
        # Streams that have no key of their own take that of the parameters.
        names = (*self.streams, "params")
        keys = {name: jax.random.fold_in(key, n) for n, name in enumerate(names, 1)}
        call = functools.partial(
            _called,
            self.module.apply,
            True,
            _variables(params),
            inputs,
            heard=heard,
            rngs={"dropout": key, **keys},
        )
        if not isinstance(params, Noted):
            return call(), None
        predictions, notes = call(mutable=list(params.notes))
        return predictions, {**params.notes, **notes}


def _examined(module: Any, inputs: PyTree) -> _Linen:
    """A module, once it has been traced in both ways."""
    check_call(module, given=open_modes(modes(module.__call__, True), module))
    fixed = _against(attributes(module))
    found = _Linen(module, module.clone(**fixed) if fixed else module)
    key = key_type()
    shapes = [
        jax.eval_shape(functools.partial(found.initialised, trains=trains), key, inputs)
        for trains in (False, True)
    ]
    united = _united(*shapes)
    grows = jax.tree.structure(united) != jax.tree.structure(shapes[0])
    found, params = found._replace(grows=grows), _noted(united)
    while True:
        heard = Heard(set(), set())
        train = functools.partial(found.train_heard, heard=heard)
        drawn = draws(train, params, inputs, key)
        new = heard.asked - {"dropout", "params", *found.streams}
        if not new:
            break
        # With the streams that it asked for it may ask for more.
        found = found._replace(streams=sorted({*found.streams, *new}))
    differs = fixed or heard.told or heard.asked or isinstance(params, Noted)
    return found._replace(trains=bool(differs) or drawn)


def _called(
    method: Callable[..., Any],
    trains: bool,
    first: PyTree,
    inputs: PyTree,
    heard: Heard | None = None,
    **options: PyTree,
) -> PyTree:
    """What `init` or `apply` of a module returns that trains, or predicts."""
    with intercepted(trains, heard or Heard(set(), set())):
        return method(first, inputs, **options)


def _noted(collections: dict[str, PyTree]) -> Params:
    notes = dict(collections)
    params = notes.pop("params", {})
    return Noted(params, notes) if notes else params


def _variables(params: Params) -> dict[str, PyTree]:
    if isinstance(params, Noted):
        return {"params": params.params, **params.notes}
    return {"params": params}


def _against(said: dict[str, Any]) -> dict[str, bool]:
    """What attributes that tell a module to train are when it predicts."""
    return {name: not MODES[name] for name in said if said[name] is MODES[name]}


def _united(one: PyTree, other: PyTree) -> PyTree:
    """Nested dictionaries with what either has; the first one's where both have it."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return one
    common = {name: _united(one[name], other[name]) for name in one if name in other}
    return {**other, **one, **common}
