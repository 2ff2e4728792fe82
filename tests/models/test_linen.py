"""Linen modules train as in a loop by hand."""

from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from tests.models.settings import (
    DATA,
    KEY,
    ROWS,
    SGD,
    WithDeterministic,
    WithRunningAverage,
    WithTrain,
    batches,
    close,
    trained,
)

MODES = {
    "train": (WithTrain, True),
    "deterministic": (WithDeterministic, False),
    "use_running_average": (WithRunningAverage, False),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_linen_module_trains_as_in_a_loop_by_hand(mode):
    kind, on = MODES[mode]
    module: Any = kind()
    model = fl.models.from_linen(module, ROWS[:1])
    state = trained(model)
    variables = dict(module.init(KEY, ROWS[:1], **{mode: not on}))
    params, notes = variables["params"], variables["batch_stats"]
    opt_state = SGD.init(params)
    for rows, key in batches():

        def loss(params, notes=notes, rows=rows, key=key):
            predictions, new = module.apply(
                {"params": params, "batch_stats": notes},
                DATA.inputs[rows],
                mutable=["batch_stats"],
                rngs={"dropout": key},
                **{mode: on},
            )
            return jnp.mean((predictions - DATA.targets[rows]) ** 2), new

        grads, new = jax.grad(loss, has_aux=True)(params)
        updates, opt_state = SGD.update(grads, opt_state, params)
        params, notes = optax.apply_updates(params, updates), new["batch_stats"]
    assert isinstance(state.params, fl.models.Noted)
    close(state.params, fl.models.Noted(params, {"batch_stats": notes}))
    close(state.opt_state, opt_state)
    predictions = module.apply(
        {"params": params, "batch_stats": notes}, ROWS, **{mode: not on}
    )
    close(model.apply(state.params, ROWS), predictions)


class Fixed(nn.Module):
    """A module whose own attribute says whether it trains."""

    train: bool = True

    @nn.compact
    def __call__(self, x):
        norm = nn.BatchNorm(use_running_average=not self.train, momentum=0.5)
        return nn.Dropout(0.5, deterministic=not self.train)(norm(x))


@pytest.mark.parametrize(
    "module",
    [Fixed(), nn.BatchNorm(use_running_average=False, momentum=0.5)],
    ids=["of its own", "of flax"],
)
def test_an_attribute_that_says_train_does_not_hold_for_predictions(module):
    model = fl.models.from_linen(module, ROWS[:1])
    params: Any = model.init(KEY)
    train: Any = model.train
    _, notes = train(params, ROWS, KEY)
    stats = notes["batch_stats"]
    stats = stats.get("BatchNorm_0", stats)
    np.testing.assert_allclose(stats["mean"], np.mean(ROWS, 0) / 2, rtol=1e-5)
    expected = (ROWS - stats["mean"][None]) / jnp.sqrt(stats["var"] + 1e-5)[None]
    predictions = model.apply(params._replace(notes=notes), ROWS)
    np.testing.assert_allclose(predictions, expected, rtol=1e-5)


def test_an_attribute_that_says_predict_holds_while_it_trains():
    model = fl.models.from_linen(Fixed(train=False), ROWS[:1])
    params, train = model.init(KEY), cast(Any, model.train)
    predictions, notes = train(params, ROWS, KEY)
    close(predictions, model.apply(params, ROWS))
    close(notes, cast(Any, params).notes)


HIDDEN = {
    "batch norm": nn.BatchNorm(use_running_average=False, parent=None),
    "dropout": nn.Dropout(0.5, deterministic=False, parent=None),
}


@pytest.mark.parametrize("layer", HIDDEN.values(), ids=HIDDEN)
def test_a_layer_that_always_trains_is_refused_by_predictions(layer):
    model = fl.models.from_linen(nn.Sequential([layer]), ROWS[:1])
    params = model.init(KEY)
    cast(Any, model.train)(params, ROWS, KEY)
    with pytest.raises(ValueError, match="module must predict without drawing"):
        model.apply(params, ROWS)
