"""What a rule sees, and what it refuses to watch."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

LOSSES = [9.0, 5.0, 5.5, 4.0]


def test_the_norm_is_that_of_all_leaves(fl):
    grads = {"w": jnp.array([3.0, 4.0]), "b": jnp.float16(1e-4)}
    seen = fl.stopping.Observation(
        jnp.float32(1), None, grads, jnp.ones(2), jnp.zeros(2)
    )
    wanted = 25 + float(np.float16(1e-4)) ** 2
    np.testing.assert_allclose(seen.squared_gradient_norm, wanted, rtol=1e-6)


# What `evaluate` returns that holds no loss, and how it is told.
WITHOUT = {
    "another name": (lambda x: {"mse": x}, r"got {'mse': float32\[\]}"),
    "a pair": (lambda x: (x, x > 1), r"got \(float32\[\], bool\[\]\)"),
    "one in a vector": (lambda x: x[None], r"got float32\[1\]"),
    "a vector under loss": (
        lambda x: {"loss": x[None], "n": 3},
        r"got {'loss': float32\[1\], 'n': int32\[\]}",
    ),
    "a truth": (lambda x: x > 1, r"got bool\[\]"),
    "nothing of it": (lambda x: {}, "got {}"),
    "many": (
        lambda x: {f"a metric with a long name {n}": x for n in range(99)},
        r"got {'a metric with a long name 0': .* \.\.\.\.",
    ),
}

WATCHING = {
    "patience": lambda s: s.patience(2),
    "target": lambda s: s.target(1.0, on="validation"),
    "getting_worse": lambda s: s.getting_worse(),
    "relative_change": lambda s: s.relative_change(0.1, on=None),
    "diverged": lambda s: s.diverged(on="validation"),
    "joined": lambda s: s.max_epochs(3) | s.diverged() & s.target(1.0),
}


@pytest.fixture(scope="module")
def watch(fl):
    """`watch(rule, evaluation, watched=...)`: what begins to watch, if it may."""

    def begin(rule, evaluation):
        loss = fl.objectives.loss_of(evaluation)
        observation = fl.stopping.Observation(
            jnp.float32(1), loss, {}, {}, {}, 0, evaluation
        )
        return fl.stopping.begin(rule, observation)

    return begin


@pytest.mark.parametrize("make", WATCHING.values(), ids=WATCHING)
def test_rules_do_not_watch_another_loss_in_silence(fl, watch, make):
    with pytest.raises(ValueError, match="evaluate must return the validation loss"):
        watch(make(fl.stopping), {"mse": jnp.float32(1)})
    watch(make(fl.stopping), {"loss": jnp.float32(1)})


@pytest.mark.parametrize("given, got", WITHOUT.values(), ids=WITHOUT)
def test_what_was_evaluated_is_told(fl, replay, given, got):
    losses = jnp.array(LOSSES)
    rules = (
        fl.stopping.patience(2),
        fl.stopping.when("now", lambda seen: seen.epoch > 1),
    )

    def run(rule):
        return replay(
            LOSSES,
            stop=rule,
            validation=LOSSES,
            evaluate=lambda params, rows: given(jnp.mean(losses)),
            record=lambda *seen: None,
        )

    with pytest.raises(ValueError, match=got) as caught:
        run(rules[0])
    assert "\n" not in str(caught.value)
    # These watch the training loss, or look for themselves.
    assert run(fl.stopping.patience(2, on="loss")).best is None
    assert run(fl.stopping.relative_change(0.0)).epochs == 4
    assert run(rules[1]).epochs == 2


def test_an_entry_has_its_name_and_those_of_what_it_is_within(fl):
    class Scores(NamedTuple):
        f1: float
        recall: dict

    evaluation = {
        "loss": jnp.float32(1),
        "accuracy": jnp.float32(0.5),
        "mistakes": jnp.int32(3),
        "scores": Scores(jnp.float32(0.25), {"dress": jnp.float32(0.125)}),
    }
    seen = fl.stopping.Observation(
        jnp.float32(7), jnp.float32(1), {}, {}, {}, 0, evaluation
    )
    for on, value in {
        "loss": 7,
        None: 1,
        "validation": 1,
        "evaluation.loss": 1,
        "accuracy": 0.5,
        "evaluation.accuracy": 0.5,
        "mistakes": 3,
        "scores.f1": 0.25,
        "evaluation.scores.recall.dress": 0.125,
    }.items():
        assert float(seen.watched(on)) == value
        assert seen.watched(on).dtype == jnp.float32


@pytest.mark.parametrize(
    "on, got",
    [
        ("acuracy", r"got {'accuracy': float32\[\], 'each': float32\[3\]}"),
        ("each", r"the entry 'each' that stop watches, a real scalar"),
        ("evaluation.f1", "the entry 'f1'"),
        ("accuracy.f1", r"the entry 'accuracy\.f1'"),
    ],
)
def test_an_entry_that_is_not_there_is_refused_by_name(fl, replay, on, got):
    def evaluate(params, rows):
        return {"accuracy": params["p"], "each": jnp.ones(3) * params["p"]}

    for make in (fl.stopping.patience, fl.stopping.getting_worse):
        with pytest.raises(ValueError, match=got) as caught:
            replay(LOSSES, LOSSES, evaluate=evaluate, stop=make(2, on=on))
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="needs validation and evaluate; got neither"):
        replay(LOSSES, stop=fl.stopping.patience(2, on=on))
    with pytest.raises(ValueError, match="that the best parameters go by"):
        replay(LOSSES, LOSSES, evaluate=evaluate, best_on=on)
