"""What is refused by name before JAX refuses it in its words."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.models import LinearParams
from funclearn.training import StepInfo

KEY = jax.random.key(0)

DATA = fl.Dataset(jnp.arange(4.0), jnp.arange(4.0))

SGD = optax.sgd(0.1)

OBJECTIVE = fl.make_objective(fl.models.linear, fl.losses.mse)

STEP = fl.make_train_step(OBJECTIVE, SGD)

STATE = fl.init_state(KEY, LinearParams(jnp.ones(()), jnp.zeros(())), SGD)

EVALUATE = fl.make_evaluation(fl.models.linear, fl.losses.mse)

pytestmark = pytest.mark.usefixtures("plain_annotations")


def fit(step=STEP, state=STATE, train=DATA, **how):
    return fl.fit(step, state, train, **{"epochs": 1, **how})


def with_objective(objective, gradient=fl.gradients.autodiff):
    return lambda: fit(fl.make_train_step(objective, SGD, gradient=gradient))


ARGUMENTS = {
    "step and state swapped": (
        lambda: fl.fit(STATE, STEP, DATA, epochs=1),
        r"got a TrainState: the order is fit\(train_step, state, train\)",
    ),
    "no step": (lambda: fit(None), "train_step must be a function.*got None"),
    "a step of one argument": (
        lambda: fit(lambda state: state),
        r"train_step must be a function of \(state, batch\).*too many positional",
    ),
    "no state": (lambda: fit(state=None), "state must be a TrainState.*got None"),
    "parameters alone": (
        lambda: fit(state=STATE.params),
        "state must be a TrainState, as init_state.* makes; got a LinearParams",
    ),
    "text in the state": (
        lambda: fit(state=STATE._replace(params=LinearParams("a", jnp.zeros(())))),
        r"state\.params\.weight must be an array of numbers; got 'a'",
    ),
    "objects in the state": (
        lambda: fit(state=STATE._replace(step=np.array([None]))),
        r"state\.step must be an array of numbers; got object\[1\]",
    ),
    "evaluate with a key": (
        lambda: fit(validation=DATA, evaluate=OBJECTIVE),
        r"evaluate must be a function of \(params, validation\), .*key.*: missing a "
        "required argument: 'key'",
    ),
    "evaluate no function": (
        lambda: fit(validation=DATA, evaluate=3),
        r"evaluate must be a function of \(params, validation\).*got 3",
    ),
    "record no function": (
        lambda: fit(record="loss"),
        r"record must be a function of \(state, info, evaluation\).*got 'loss'",
    ),
    "record of two": (
        lambda: fit(record=lambda state, info: info),
        "record must be a function of.*too many positional arguments",
    ),
    "text in a row": (
        lambda: fit(record=lambda *seen: {"name": "a"}),
        r"record\(...\)\['name'\] must be an array of numbers; got 'a'",
    ),
    "text in an evaluation": (
        lambda: fit(validation=DATA, evaluate=lambda params, rows: (1.0, "a")),
        r"evaluate\(...\)\[1\] must be an array of numbers; got 'a'",
    ),
    "a rule uncalled": (
        lambda: fit(stop=fl.stopping.diverged),
        "stop must be a rule.*got the function diverged",
    ),
    "a rule by name": (lambda: fit(stop="patience"), "stop must be .*got 'patience'"),
    "a model for an objective": (
        lambda: fl.make_train_step(fl.models.linear, SGD),
        r"objective must be a function of .*make_objective\(model, loss\).*got a Model",
    ),
    "an objective without a key": (
        lambda: fl.make_train_step(lambda params, batch: 0.0, SGD),
        r"objective must be a function of \(params, batch, key\)",
    ),
    "the optimizer first": (
        lambda: fl.make_train_step(SGD, OBJECTIVE),
        "objective must be a function.*got a GradientTransformationExtraArgs",
    ),
    "a method uncalled": (
        lambda: fl.make_train_step(
            OBJECTIVE, SGD, gradient=fl.gradients.finite_difference
        ),
        r"gradient must be a function of \(objective\).*finite_difference\(\)",
    ),
    "no method": (
        lambda: fl.make_train_step(OBJECTIVE, SGD, gradient="autodiff"),
        "gradient must be a function.*got 'autodiff'",
    ),
    "jax.grad": (
        with_objective(lambda params, batch, key: params.weight**2, jax.grad),
        "gradient must make a function that returns .loss, grads.",
    ),
    "a gradient alone": (
        with_objective(OBJECTIVE, lambda objective: lambda params, batch, key: 3.0),
        "gradient must make a function that returns .loss, grads.*returned 3.0",
    ),
    "parameters after the optimizer": (
        lambda: fl.init_state(KEY, SGD, STATE.params),
        "optimizer must be an optax.GradientTransformation.*got a LinearParams",
    ),
    "parameters of text": (
        lambda: fl.init_state(KEY, {"w": "a"}, SGD),
        r"params\['w'\] must be floating-point.*got 'a'",
    ),
    "a model for parameters": (
        lambda: fl.init_state(KEY, fl.models.linear, SGD),
        r"params\.init must be floating-point.*got the function",
    ),
}

STEPS = {
    "the state alone": lambda state, batch: state,
    "a loss for the info": lambda state, batch: (state, 1.0),
    "parameters for the state": lambda state, batch: (
        jnp.ones(2),
        StepInfo(jnp.float32(1), state.params),
    ),
}


@pytest.mark.parametrize("call, message", ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_are_refused_by_name_in_one_line(call, message):
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_step_that_returns_something_else_is_refused(step):
    with pytest.raises(TypeError, match=r"train_step must return \(state, StepInfo"):
        fit(step)


@pytest.mark.parametrize("batch_size", [None, 3])
def test_a_step_that_changes_types_is_refused(batch_size):
    def halved(state, batch):
        params = jax.tree.map(lambda leaf: leaf.astype(jnp.float16), state.params)
        return state._replace(params=params), StepInfo(jnp.float32(1), params)

    message = r"train_step\(\.\.\.\)\[0\]\.params\.weight must be float32\(\)"
    with pytest.raises(ValueError, match=message):
        fit(halved, batch_size=batch_size)


LOSSES = {
    "a vector": (lambda p, b: p.weight * b.inputs, r"a scalar; got shape \(4,\)"),
    "one in a vector": (lambda p, b: p.weight[None], r"a scalar; got shape \(1,\)"),
    "a dictionary": (lambda p, b: {"loss": p.weight}, "floating-point.*got a dict"),
    "a pair": (lambda p, b: (p.weight, 1.0), "floating-point.*got a tuple"),
    "nothing": (lambda p, b: None, "floating-point scalar; got None"),
    "a count": (lambda p, b: jnp.sum(b.inputs > 1), r"scalar; got int32\[\]"),
    "an integer": (lambda p, b: 3, "floating-point scalar; got 3"),
    "a truth": (lambda p, b: p.weight > 1, r"scalar; got bool\[\]"),
    "complex": (lambda p, b: p.weight * 1j, r"scalar; got complex64\[\]"),
    "text": (lambda p, b: "low", "floating-point scalar; got 'low'"),
}

METHODS = {
    "autodiff": fl.gradients.autodiff,
    "differences": fl.gradients.finite_difference(),
    "given": fl.gradients.given(lambda params, batch: params),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("objective, message", LOSSES.values(), ids=LOSSES)
def test_an_objective_that_returns_no_loss_is_refused(objective, message, method):
    run = with_objective(lambda params, batch, key: objective(params, batch), method)
    with pytest.raises(
        (TypeError, ValueError), match="objective must return.*" + message
    ):
        run()


@pytest.mark.parametrize("number", [2.5, np.float32(2.5), np.float64(2.5)])
def test_a_number_of_python_or_numpy_is_a_loss(number):
    run = with_objective(lambda params, batch, key: number)()
    assert run.history.loss.tolist() == [2.5]
    assert run.state.params == STATE.params


def test_functions_of_other_kinds_pass():
    class Evaluation:
        def __call__(self, params, rows, scale=1.0):
            return scale * EVALUATE(params, rows)

    for evaluate in (
        Evaluation(),
        functools.partial(Evaluation(), scale=2.0),
        jax.jit(EVALUATE),
        lambda *arguments: EVALUATE(*arguments),
    ):
        run = fit(validation=DATA, evaluate=evaluate)
        assert run.history.evaluation.shape == (1,)


def test_a_step_may_need_the_evaluation():
    def step(state, batch, *, evaluation):
        return STEP(state, batch)

    run = fit(step, validation=DATA, evaluate=EVALUATE)
    np.testing.assert_array_equal(run.history.loss, fit().history.loss)
    # What comes after the function's own words is Python's, and differs from 3.13 on.
    wrong = r"train_step must be a function of .* \(state, batch, \*, temperature\): "
    with pytest.raises(TypeError, match=wrong + "missing .*: 'temperature'"):
        fit(lambda state, batch, *, temperature: STEP(state, batch))
