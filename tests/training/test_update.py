"""Every optimizer of optax, beside the loop that its documentation shows."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

import funclearn as fl

KEY = jax.random.key(0)

INPUTS, TARGETS = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)

DATA = fl.Dataset(jnp.asarray(INPUTS), jnp.asarray(TARGETS[:, :2]))

PARAMS = {"w": jnp.full((3, 2), 0.5), "b": jnp.array([0.25, -0.5])}

FIRST = {"w": True, "b": False}

SGD = optax.sgd(0.1)


def objective(params, batch, key):
    errors = batch.inputs @ params["w"] + params["b"][None] - batch.targets
    return jnp.mean(errors**2) + 0.01 * jnp.sum(params["w"] ** 4)


def later(step, *_, **__):
    return step >= 1


def schedule(count):
    return -0.1 / (count + 1.0)


# What cannot be made by `make(learning_rate=...)` or `make()`.
MADE = {
    "adaptive_grad_clip": lambda o: o.adaptive_grad_clip(0.1),
    "add_decayed_weights": lambda o: o.add_decayed_weights(0.1),
    "add_noise": lambda o: o.add_noise(0.1, 0.5, 0),
    "apply_every": lambda o: o.apply_every(2),
    "apply_if_finite": lambda o: o.apply_if_finite(SGD, 3),
    "chain": lambda o: o.chain(o.clip(0.1), SGD),
    "clip": lambda o: o.clip(0.1),
    "clip_by_block_rms": lambda o: o.clip_by_block_rms(0.1),
    "clip_by_global_norm": lambda o: o.clip_by_global_norm(0.1),
    "conditionally_mask": lambda o: o.conditionally_mask(SGD, later),
    "conditionally_transform": lambda o: o.conditionally_transform(SGD, later),
    "dpsgd": lambda o: o.dpsgd(0.1, 1.0, 0.5, seed=0),
    "differentially_private_aggregate": lambda o: o.differentially_private_aggregate(
        1.0, 0.5, 0
    ),
    "ema": lambda o: o.ema(0.9),
    "flatten": lambda o: o.flatten(SGD),
    "freeze": lambda o: o.freeze(FIRST),
    "inject_hyperparams": lambda o: o.inject_hyperparams(o.sgd)(learning_rate=0.1),
    "lookahead": lambda o: o.lookahead(SGD, 2, 0.5),
    "masked": lambda o: o.masked(SGD, FIRST),
    "mechanize": lambda o: o.mechanize(optax.adam(0.1)),
    "multi_transform": lambda o: o.multi_transform(
        {"a": SGD, "b": o.adam(0.1)}, {"w": "a", "b": "b"}
    ),
    "named_chain": lambda o: o.named_chain(("one", o.clip(0.1)), ("two", SGD)),
    "noisy_sgd": lambda o: o.noisy_sgd(0.1, key=0),
    "partition": lambda o: o.partition(
        {"a": SGD, "b": o.set_to_zero()}, {"w": "a", "b": "b"}
    ),
    "sam": lambda o: o.sam(SGD, optax.chain(o.normalize(), optax.sgd(0.05))),
    "scale": lambda o: o.scale(-0.1),
    "scale_by_distance_over_gradients": lambda o: o.scale_by_distance_over_gradients(),
    "scale_by_backtracking_linesearch": lambda o: o.chain(
        SGD, o.scale_by_backtracking_linesearch(5)
    ),
    "scale_by_zoom_linesearch": lambda o: o.chain(SGD, o.scale_by_zoom_linesearch(5)),
    "scale_by_schedule": lambda o: o.scale_by_schedule(schedule),
    "schedule_free": lambda o: o.schedule_free(SGD, 0.1),
    "selective_transform": lambda o: o.selective_transform(SGD, freeze_mask=FIRST),
    "snapshot": lambda o: o.snapshot("norm", optax.tree.norm),
    "split_real_and_imaginary": lambda o: o.split_real_and_imaginary(SGD),
    "stateless": lambda o: o.stateless(lambda updates, params: updates),
    "stateless_with_tree_map": lambda o: o.stateless_with_tree_map(lambda u, p: -u),
    "trace": lambda o: o.trace(0.9),
    "with_extra_args_support": lambda o: o.with_extra_args_support(SGD),
}

OTHERS = {
    "an opaque sam": contrib.sam(
        SGD,
        optax.chain(contrib.normalize(), optax.sgd(0.05)),
        opaque_mode=True,
        sync_period=3,
    ),
    "some steps at a time": optax.MultiSteps(SGD, 2),
}

# The keywords that optax's documentation tells to pass.
NEEDED = {
    "an opaque sam": ["grad_fn"],
    "lbfgs": ["value", "grad", "value_fn"],
    "momo": ["value"],
    "momo_adam": ["value"],
    "polyak_sgd": ["value"],
    "reduce_on_plateau": ["value"],
    "scale_by_backtracking_linesearch": ["value", "grad", "value_fn"],
    "scale_by_polyak": ["value"],
    "scale_by_zoom_linesearch": ["value", "grad", "value_fn"],
    "sophia": ["obj_fn"],
}

LEFT_OUT = {
    "inject_stateful_hyperparams",  # deprecated
    "optimistic_adam",  # deprecated
    "measure_with_ema",  # measures updates, and makes none
    "scale_by_muon",  # for matrices alone; within `muon` here
}

# Their updates are made of the gradients of single rows.
ROW_BY_ROW = "differentially_private_aggregate", "dpsgd"


def transformations():
    """All functions of optax that are annotated to return a transformation."""
    for module in (optax, contrib):
        for name in dir(module):
            function = getattr(module, name)
            public = not name.startswith("_") and name not in LEFT_OUT
            if inspect.isfunction(function) and public:
                returned = inspect.signature(function).return_annotation
                if "GradientTransformation" in str(returned):
                    yield name, module


ALL = dict(transformations()) | dict.fromkeys(OTHERS)


def made(name):
    module = ALL[name]
    if name in OTHERS or name in MADE:
        return OTHERS[name] if name in OTHERS else MADE[name](module)
    function = getattr(module, name)
    rate = "learning_rate" in inspect.signature(function).parameters
    return function(learning_rate=0.05) if rate else function()


def row_by_row(objective):
    def value_and_grad(params, batch, key):
        def of_row(row):
            rows = jax.tree.map(lambda leaf: leaf[None], row)
            return jax.grad(objective)(params, rows, key)

        return objective(params, batch, key), jax.vmap(of_row)(batch)

    return value_and_grad


def documented(optimizer, names, method, n_steps):
    """The loop that optax's documentation shows; how its parameters go."""
    params = PARAMS
    if isinstance(optimizer.init(params), optax.LookaheadState):
        params = optax.LookaheadParams.init_synced(PARAMS)
    state, trained = optimizer.init(params), [params]
    for _ in range(n_steps):
        at = params.fast if isinstance(params, optax.LookaheadParams) else params
        loss, grads = method(objective)(at, DATA, None)

        def value_fn(params):
            return objective(params, DATA, None)

        given = {
            "value": loss,
            "grad": grads,
            "value_fn": value_fn,
            "obj_fn": value_fn,
            "grad_fn": lambda params, _: jax.grad(value_fn)(params),
        }
        keywords = {name: given[name] for name in names}
        updates, state = optimizer.update(grads, state, params, **keywords)
        params = optax.apply_updates(params, updates)
        trained.append(params)
    return trained


def test_optax_is_all_there():
    assert len(ALL) > 100
    assert {"lbfgs", "sam", "sophia", "lookahead", "muon", "dpsgd"} <= set(ALL)
    assert NEEDED.keys() | set(ROW_BY_ROW) <= ALL.keys()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:optax")
@pytest.mark.parametrize("name", ALL)
@pytest.mark.slow
def test_a_step_is_that_of_the_documented_loop(name):
    optimizer = made(name)
    method = row_by_row if name in ROW_BY_ROW else fl.gradients.autodiff

    @jax.jit
    def both():
        # Two steps are the period of all that does not do the same in every one.
        expected = documented(optimizer, NEEDED.get(name, ()), method, 2)
        step = fl.make_train_step(objective, optimizer, gradient=method)
        state, found = fl.init_state(KEY, expected[0], optimizer), []
        for _ in expected[1:]:
            state, _ = step(state, DATA)
            found.append(state.params)
        return expected[1:], found

    with jax.numpy_rank_promotion("allow"):  # optax's own
        jax.tree.map(np.testing.assert_array_equal, *both())


def taking(names):
    """A transformation that takes these keywords alone, and scales by what it is told.

    Its signature says so, and so does Python if it is called with another one.
    """

    def scaled(updates, told):
        return jax.tree.map(lambda leaf: -0.1 * told * leaf, updates)

    def value_alone(updates, state, params=None, *, value):
        return scaled(updates, value), state

    def value_by_place(updates, state, params, value):
        return scaled(updates, value), state

    def gradient_first(grad, state, params=None, *, value_fn, **rest):
        assert set(rest) == {"value", "obj_fn", "grad_fn", "epoch"}
        return scaled(grad, value_fn(params)), state

    def norm(updates, state, params=None, *, grad_fn):
        return scaled(updates, optax.tree.norm(grad_fn(params, 0))), state

    def nothing(updates, state, params=None):
        return scaled(updates, 1.0), state

    update = locals()[names]
    return optax.GradientTransformationExtraArgs(lambda params: (), update)


TOLD = {
    "value_alone": lambda loss, norm: loss,
    "value_by_place": lambda loss, norm: loss,
    "gradient_first": lambda loss, norm: loss,
    "norm": lambda loss, norm: norm,
    "nothing": lambda loss, norm: 1.0,
}

NESTS = {
    "by itself": lambda inner: inner,
    "chain": lambda inner: optax.chain(optax.identity(), inner),
    "chain in a chain": lambda inner: optax.chain(optax.chain(inner), optax.ema(0.0)),
    "mask": lambda inner: optax.masked(inner, {"w": True, "b": True}),
    "partition": lambda inner: optax.partition(
        {"all": inner}, {"w": "all", "b": "all"}
    ),
    "hyperparameters": lambda inner: optax.inject_hyperparams(
        lambda scale: optax.chain(inner, optax.scale(scale))
    )(scale=1.0),
    "finite": lambda inner: optax.apply_if_finite(inner, 3),
}


@pytest.mark.parametrize("names", TOLD)
@pytest.mark.parametrize("nest", NESTS)
def test_what_takes_few_keywords_may_be_nested(names, nest):
    optimizer = NESTS[nest](taking(names))
    step = fl.make_train_step(objective, optimizer)
    state, info = step(fl.init_state(KEY, PARAMS, optimizer), DATA)
    told = TOLD[names](info.loss, optax.tree.norm(info.grads))
    for leaf, old, grad in zip(
        *map(jax.tree.leaves, (state.params, PARAMS, info.grads)), strict=True
    ):
        np.testing.assert_allclose(leaf, old - 0.1 * told * grad, rtol=1e-6)


def test_a_keyword_that_there_is_not_is_named():
    def update(updates, state, params=None, *, temperature):
        return updates, state

    needy = optax.GradientTransformationExtraArgs(lambda params: (), update)
    for optimizer in (needy, optax.chain(SGD, needy)):
        step = fl.make_train_step(objective, optimizer)
        with pytest.raises(
            TypeError, match="optimizer needs the keyword 'temperature'"
        ):
            step(fl.init_state(KEY, PARAMS, optimizer), DATA)


def test_an_error_of_the_optimizer_s_own_comes_through():
    def update(updates, state, params=None, **rest):
        raise TypeError("got an unexpected keyword argument 'else'")

    broken = optax.GradientTransformationExtraArgs(lambda params: (), update)
    with pytest.raises(TypeError, match="argument 'else'"):
        fl.make_train_step(objective, broken)(fl.init_state(KEY, PARAMS, broken), DATA)


SHARP = {
    "sam": contrib.sam(SGD, optax.chain(contrib.normalize(), optax.sgd(0.05))),
    "sophia": contrib.sophia(0.05, update_interval=2),
}


@pytest.mark.parametrize("optimizer", SHARP.values(), ids=SHARP)
@pytest.mark.slow
def test_a_run_of_them_is_mapped_and_stopped(optimizer):
    names = NEEDED["sophia"] if optimizer is SHARP["sophia"] else ()
    method = fl.gradients.autodiff
    step = fl.make_train_step(objective, optimizer)

    def run(scale):
        params = jax.tree.map(lambda leaf: scale * leaf, PARAMS)
        state = fl.init_state(KEY, params, optimizer)
        stop = fl.stopping.max_epochs(4)
        return fl.fit(step, state, DATA, epochs=6, stop=stop)

    runs = jax.vmap(run)(jnp.array([1.0, 2.0]))
    wanted = documented(optimizer, names, method, 4)[-1]
    for name, leaf in wanted.items():
        np.testing.assert_allclose(runs.state.params[name][0], leaf, rtol=1e-4)
    assert runs.epochs.tolist() == [4, 4]


def test_of_lookahead_the_fast_are_trained_and_the_slow_evaluated():
    optimizer = optax.lookahead(SGD, sync_period=3, slow_step_size=0.5)
    trained = documented(optimizer, (), fl.gradients.autodiff, 4)
    run = fl.fit(
        fl.make_train_step(objective, optimizer),
        fl.init_state(KEY, trained[0], optimizer),
        DATA,
        DATA,
        epochs=5,
        evaluate=lambda params, rows: objective(params, rows, None),
    )
    for part, losses in (
        ("fast", run.history.loss),
        ("slow", run.history.evaluation),
    ):
        wanted = [objective(getattr(one, part), DATA, None) for one in trained]
        np.testing.assert_allclose(losses, wanted, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_lookahead_with_one_set_of_parameters_is_refused():
    for optimizer in (
        optax.lookahead(SGD, 2, 0.5),
        optax.chain(optax.lookahead(SGD, 2, 0.5)),
    ):
        with pytest.raises(
            TypeError, match=r"params must be optax\.LookaheadParams.*init_synced"
        ):
            fl.init_state(KEY, PARAMS, optimizer)


OPTIMIZERS = {
    "uncalled": (optax.sgd, "got the function sgd, which is to be called first"),
    "a class": (optax.GradientTransformation, "got the class GradientTransformation"),
    "a name": ("sgd", "got 'sgd'"),
    "nothing": (None, "got None"),
    "parameters": (PARAMS, "got a dict"),
    "a model": (fl.models.linear, "got a Model"),
}


@pytest.mark.usefixtures("plain_annotations")
@pytest.mark.parametrize("given, got", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_what_is_no_optimizer_is_refused(given, got):
    message = "optimizer must be an optax.GradientTransformation, such as .*; " + got
    for make in (
        lambda: fl.make_train_step(objective, given),
        lambda: fl.init_state(KEY, PARAMS, given),
    ):
        with pytest.raises(TypeError, match=message):
            make()
