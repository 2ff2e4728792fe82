"""What a rule is, and rules joined."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportUnusedExpression=false

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

LOSSES = [9.0, 5.0, 5.5, 4.0, 4.1, 4.2, 3.999, 4.5, 1.0, 2.0, 3.0, 0.5]


def first(condition, losses):
    """The epoch, counted from 1, at which a condition on the past first holds."""
    for epoch in range(1, len(losses) + 1):
        if condition(losses[:epoch]):
            return epoch
    return len(losses)


def rising(past, times):
    return len(past) > times and all(
        past[-i] > past[-i - 1] for i in range(1, times + 1)
    )


def test_or_tells_which_and_prefers_the_left(fl, replay):
    stopping = fl.stopping
    late, soon, same = (
        stopping.target(1.0),
        stopping.target(5.0),
        stopping.max_epochs(2),
    )
    assert replay(LOSSES, stop=late | same).reason.name == "max_epochs"
    assert replay(LOSSES, stop=soon | same).reason.name == "target"
    assert replay(LOSSES, stop=same | soon).reason.name == "max_epochs"
    assert str(replay(LOSSES, stop=late | soon | same).reason) == "target"


def test_and_needs_both_at_one_epoch(fl, replay):
    stopping = fl.stopping
    rule = stopping.target(4.5) & stopping.getting_worse()
    run = replay(LOSSES, stop=rule | stopping.diverged())
    expected = first(lambda past: past[-1] <= 4.5 and rising(past, 1), LOSSES)
    assert (int(run.epochs), run.reason.name) == (expected, "target & getting_worse")


@pytest.mark.parametrize("widths", [(1, 2, 1), (1, 32, 1)])
@pytest.mark.slow
def test_gradient_norm_is_that_of_numpy_for_short_and_long_gradients(fl, widths):
    model, optimizer = fl.models.mlp(widths), optax.sgd(0.1)
    data = fl.data.noisy_sine(jax.random.key(0))
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(jax.random.key(1), model.init(jax.random.key(1)), optimizer)
    grads = fl.fit(
        step, state, data, epochs=20, record=lambda state, info, _: info.grads
    ).history
    squares = [
        np.square(leaf.reshape(20, -1)).sum(1) for leaf in jax.tree.leaves(grads)
    ]
    norms = np.sqrt(sum(squares))
    tolerance = float(np.sort(norms)[5]) * 1.0001
    rule = fl.stopping.gradient_norm(tolerance)
    expected = np.flatnonzero(norms <= tolerance)[0] + 1
    assert 1 < expected < 20
    assert int(fl.fit(step, state, data, epochs=20, stop=rule).epochs) == expected


def test_watching_a_missing_validation_loss_is_refused(fl, replay):
    with pytest.raises(
        ValueError, match="fit needs validation and evaluate; got neither"
    ):
        replay(LOSSES, stop=fl.stopping.patience(3, on="validation"))


def test_a_small_gradient_in_half_precision_is_not_zero(fl):
    def train_step(state, batch):
        grads = jnp.full((2,), 1e-4, jnp.float16)
        return state._replace(step=state.step + 1), fl.StepInfo(jnp.float16(1), grads)

    state = fl.TrainState(
        jnp.zeros(2, jnp.float16), (), jax.random.key(0), jnp.zeros((), jnp.int32)
    )
    for tolerance, expected in ((1e-5, 3), (2e-4, 1)):
        rule = fl.stopping.gradient_norm(tolerance)
        run = fl.fit(train_step, state, jnp.zeros(1), epochs=3, stop=rule)
        assert int(run.epochs) == expected


LOOKS = {
    "target": (lambda s: s.target(1.0), {None}),
    "target on the loss": (lambda s: s.target(1.0, on="loss"), {"loss"}),
    "patience": (lambda s: s.patience(3, on="validation"), {"validation"}),
    "max_epochs": (lambda s: s.max_epochs(3), set()),
    "gradient_norm": (lambda s: s.gradient_norm(1e-3), {"grads", "parameters"}),
    "parameters": (
        lambda s: s.relative_change(1e-3, on="parameters"),
        {"parameters"},
    ),
    "joined": (
        lambda s: s.gradient_norm(1e-3) | s.diverged(),
        {"grads", "parameters", "loss"},
    ),
    "when": (
        lambda s: s.when("now", lambda seen: True) & s.max_epochs(3),
        {"loss", "validation", "grads", "parameters", "evaluation"},
    ),
}


@pytest.mark.parametrize("make, looks_at", LOOKS.values(), ids=LOOKS)
def test_a_rule_says_what_it_looks_at(fl, make, looks_at):
    rule = make(fl.stopping)
    assert rule.looks_at == looks_at
    for validation in (None, jnp.float32(2)):
        seen = fl.stopping.Observation(
            jnp.float32(1), validation, jnp.ones(2), jnp.ones(2), jnp.zeros(2), 0, {}
        ).seen_by(rule.looks_at)
        default = "loss" if validation is None else "validation"
        wanted = {one or default for one in looks_at}
        assert (seen.loss is not None) == ("loss" in wanted)
        assert (seen.grads is not None) == ("grads" in wanted)
        assert (seen.evaluation is not None) == ("evaluation" in wanted)
        assert seen.validation is validation
        assert seen.before is not None and seen.after is not None


def refused(sign):
    return pytest.raises(TypeError, match=sign + " joins a stopping rule with another")


def test_a_rule_has_no_truth_value(fl):
    rule, other = fl.stopping.patience(50), fl.stopping.target(30.0)
    for ask in (
        lambda: rule or other,
        lambda: rule and other,
        lambda: not rule,
        lambda: 1 if rule else 0,
        lambda: any([rule, other]),
        lambda: all([rule, other]),
        lambda: list(filter(None, [rule])),
    ):
        with pytest.raises(TypeError, match=r"no truth value: .* \| \(either\) or & "):
            ask()


@pytest.mark.usefixtures("plain_annotations")
def test_a_rule_is_joined_with_rules_alone(fl):
    rule = fl.stopping.patience(50)
    for other in (None, True, 3, "target"):
        with refused(r"\|"):
            rule | other
        with refused("&"):
            rule & other
    with pytest.raises(TypeError, match="got the function diverged, which is to be"):
        rule | fl.stopping.diverged


RULES = {
    "target": lambda s: s.target(1.0),
    "max_epochs": lambda s: s.max_epochs(9),
    "patience": lambda s: s.patience(3, min_delta=0.1, on="loss"),
    "getting_worse": lambda s: s.getting_worse(2),
    "diverged": lambda s: s.diverged(),
    "gradient_norm": lambda s: s.gradient_norm(0.0),
    "relative_change": lambda s: s.relative_change(0.0),
    "parameters": lambda s: s.relative_change(0.0, on="parameters"),
    "joined": lambda s: s.target(0.0) | s.patience(9) & s.diverged(2.0),
}


@pytest.mark.parametrize("make", RULES.values(), ids=RULES)
def test_rules_are_equal_if_their_numbers_are(fl, make):
    rule = make(fl.stopping)
    assert rule == make(fl.stopping) and hash(rule) == hash(make(fl.stopping))
    assert rule != fl.stopping.target(2.0) and rule != "target"
    assert rule in [fl.stopping.target(2.0), rule]


@pytest.mark.parametrize("make", RULES.values(), ids=RULES)
@pytest.mark.slow
def test_rules_are_pickled_and_copied_with_what_they_have_seen(fl, replay, make):
    rule = make(fl.stopping)
    watched = replay(LOSSES, LOSSES, epochs=3, stop=rule).stop
    for one in (rule, watched):
        for other in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
            assert other == one
    assert watched != rule
    again = pickle.loads(pickle.dumps(watched))
    runs = [replay(LOSSES[3:], LOSSES[3:], stop=one) for one in (watched, again)]
    assert runs[0].epochs == runs[1].epochs


def test_a_rule_remembers_in_one_place(fl, replay):
    rule = fl.stopping.patience(50)
    for _ in range(3):
        rule = replay(LOSSES, epochs=2, stop=rule).stop | fl.stopping.diverged()
    seen = replay(LOSSES, epochs=2, stop=rule).stop
    assert seen.watch.epoch == 8
    assert seen.having_seen(None) == (
        ((fl.stopping.patience(50) | fl.stopping.diverged()) | fl.stopping.diverged())
        | fl.stopping.diverged()
    )
    assert not seen.having_seen(None).has_watched and seen.has_watched
