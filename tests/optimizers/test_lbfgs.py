"""L-BFGS beside PyTorch's recorded runs (tools/record_torch_lbfgs.py made the data)."""

import functools
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from benchmarks.marks import QUICK
from funclearn.optimizers._lbfgs import lbfgs
from funclearn.optimizers._lbfgs_memory import Memory

RECORDED = np.load(Path(__file__).with_name("lbfgs.npz"))
SETTINGS = json.loads(str(RECORDED["settings"]))
PROBLEMS = "thermometer", "quadratic", "network"
SHAPES = (2, 8), (8,), (8, 1), (1,)
settings = pytest.mark.parametrize("name", SETTINGS)


def tree(vector):
    """A vector of 33 numbers as the parameters of the network."""
    places = np.cumsum([np.prod(shape) for shape in SHAPES])[:-1]
    parts = zip(jnp.split(vector, places), SHAPES, strict=True)
    return tuple(part.reshape(shape) for part, shape in parts)


def vector(params):
    return jnp.concatenate([leaf.ravel() for leaf in params])


def padded(values):
    return np.pad(
        values, [(0, 0)] * (np.ndim(values) - 1) + [(0, 33 - values.shape[-1])]
    )


def objective(params, problem):
    """One of the three, of the first numbers of the network's parameters."""
    given = {name: jnp.asarray(RECORDED[name]) for name in RECORDED if "/" in name}

    def thermometer(params):
        w, b = params[0][0, :2]
        predictions = w * given["thermometer/inputs"] + b
        return jnp.mean((predictions - given["thermometer/targets"]) ** 2)

    def quadratic(params):
        x = params[0].ravel()[:6]
        return 0.5 * x @ (given["quadratic/matrix"] @ x)

    def network(params):
        hidden = jnp.tanh(given["network/inputs"] @ params[0] + params[1][None])
        predictions = hidden @ params[2] + params[3][None]
        return jnp.mean((predictions - given["network/targets"]) ** 2)

    return jax.lax.switch(problem, (thermometer, quadratic, network), params)


def make(name, rate):
    return lbfgs(lambda count: rate[0] * rate[1] ** count, **SETTINGS[name])


@functools.cache
def stepper(name):
    """One step of every lane: of problems, rates, parameters and states."""

    def step(lane):
        problem, rate, params, state = lane

        def value_fn(params):
            return objective(params, problem)

        value, grad = jax.value_and_grad(value_fn)(params)
        change, state = make(name, rate).update(
            grad, state, params, value=value, grad=grad, value_fn=value_fn
        )
        return optax.apply_updates(params, change), state

    # One after the other, which compiles in a third of the time.
    return jax.jit(lambda *lanes: jax.lax.map(step, lanes), compiler_options=QUICK)


RUNS = [(problem, index) for problem in range(3) for index in range(3)]


@settings
@pytest.mark.slow
def test_runs_are_as_near_to_pytorch_as_pytorch_is_to_itself(name, float64):
    """It multiplies roundings, PyTorch's own as well; the counts tell the branches."""
    problems = jnp.array([problem for problem, _ in RUNS], jnp.int32)
    rates = jnp.asarray(RECORDED["rates"][[index for _, index in RUNS]])
    starts = [padded(RECORDED[f"{PROBLEMS[problem]}/start"]) for problem, _ in RUNS]
    params = jax.vmap(tree)(jnp.array(starts))
    state: Any = jax.vmap(make(name, (1.0, 1.0)).init)(params)
    rows, counts = [], []
    for step in range(1, RECORDED["kept"][-1] + 1):
        params, state = stepper(name)(problems, rates, params, state)
        if step in RECORDED["kept"]:
            rows.append(jax.vmap(vector)(params))
            counts.append(jnp.stack([state.iterations, state.evaluations], axis=-1))
    rows, counts = np.stack(rows, axis=1), np.stack(counts, axis=1)
    place = list(SETTINGS).index(name)
    for lane, (problem, index) in enumerate(RUNS):
        wanted, numbers, itself = (
            RECORDED[f"{PROBLEMS[problem]}/{field}"][place, index]
            for field in ("params", "counts", "itself")
        )
        itself, wanted = np.maximum.accumulate(itself), padded(wanted)
        distance = np.max(abs(rows[lane] - wanted), axis=1)
        limit = (1e-12 + 20 * itself) * np.max(abs(wanted), axis=1)
        assert np.all(distance <= limit), (problem, index, distance / limit)
        same = itself < 1e-7
        np.testing.assert_array_equal(counts[lane][same], numbers[same])
    assert np.all(state.count == 200)


@pytest.mark.parametrize("place, name", [(0, "few"), (1, "search, few")])
@pytest.mark.slow
def test_an_update_from_any_state_of_pytorch_is_its_own(place, name, float64):
    kind: Any = type(make(name, (1.0, 1.0)).init(tree(jnp.zeros(33))))
    for problem, known in enumerate(PROBLEMS):

        def recorded(field, known=known):
            # As many lanes as runs, so that the compiled step is the same.
            rows = RECORDED[f"{known}/{field}"][place]
            return jnp.asarray(rows[np.resize(np.arange(len(rows)), len(RUNS))])

        before, direction, gradient, steps, differences, after = (
            jnp.asarray(padded(recorded(field)))
            for field in (
                "before",
                "direction",
                "gradient",
                "steps",
                "differences",
                "after",
            )
        )
        memory = Memory(steps, differences, recorded("inverses"), recorded("scale"))
        none = jnp.zeros(len(RUNS), jnp.int32)
        iterations = jnp.asarray(recorded("iterations"), jnp.int32)
        step = recorded("step")
        state = kind(none, iterations, none, direction, step, gradient, memory)
        rates = jnp.tile(jnp.array([0.1, 1.0]), (len(RUNS), 1))
        lanes = none + problem, rates, jax.vmap(tree)(before), state
        params, _ = stepper(name)(*lanes)
        distance = jnp.max(abs(jax.vmap(vector)(params) - after), axis=1)
        assert jnp.all(distance <= 1e-12 * jnp.max(abs(after), axis=1)), known


def valley(params, rows, key):
    del key
    x, y = params["x"], params["y"]
    return jnp.mean((1 - x) ** 2 + rows * (y - x**2) ** 2)


def in_valley(rate, start, steps, **how):
    """The state after a number of train steps."""
    optimizer = lbfgs(rate, history_size=2, **how)
    step = fl.make_train_step(valley, optimizer)
    params = {"x": start[0], "y": start[1]}
    state = fl.init_state(jax.random.key(0), params, optimizer)
    rows = jnp.array([8.0, 12.0])
    return jax.lax.fori_loop(0, steps, lambda _, state: step(state, rows)[0], state)


def end_of(state):
    return state.params["x"] + 2 * state.params["y"]


@pytest.mark.slow
def test_a_search_has_forward_mode_and_says_that_it_has_no_reverse(float64):
    def run(rate):
        start = jnp.array([-1.2, 1.0])
        state = in_valley(rate, start, 4, line_search_fn="strong_wolfe")
        return end_of(state), state

    @functools.partial(jax.jit, compiler_options=QUICK)
    def forward(rate):
        return jax.jvp(run, (rate,), (1.0,), has_aux=True)

    below, here, above = (forward(rate) for rate in (0.7 - 1e-7, 0.7, 0.7 + 1e-7))
    np.testing.assert_allclose(here[1], (above[0] - below[0]) / 2e-7, rtol=1e-4)
    state = here[2]
    assert state.step == state.opt_state.count == 4
    assert state.opt_state.evaluations > state.opt_state.iterations > 4
    assert valley(state.params, jnp.array([8.0, 12.0]), None) < 1e-9
    with pytest.raises(ValueError, match="has a line search"):
        jax.grad(lambda rate: run(rate)[0])(0.7)


@pytest.mark.slow
def test_without_a_search_a_run_has_both_derivatives_in_lanes_too(float64):
    """The last lane begins where the gradient is zero."""
    starts = jnp.array([[-1.2, 1.0], [-0.5, 0.5], [1.0, 1.0]])

    def run(rate, start):
        return end_of(in_valley(rate, start, 3, max_iter=3, tolerance_grad=-1.0))

    @functools.partial(jax.jit, compiler_options=QUICK)
    def slopes(rates):
        return jax.vmap(jax.value_and_grad(run, (0, 1)))(rates, starts)

    rates = jnp.array([0.2, 0.3, 0.4])
    _, (here, by_start) = slopes(rates)
    (above, _), (below, _) = slopes(rates + 1e-6), slopes(rates - 1e-6)
    np.testing.assert_allclose(here, (above - below) / 2e-6, rtol=1e-5, atol=1e-12)
    assert np.all(np.isfinite(by_start)) and here[2] == 0 and np.all(here[:2] != 0)


@pytest.mark.slow
def test_in_float32_the_first_updates_are_as_far_as_its_roundings():
    problems, rates = jnp.arange(3), jnp.tile(jnp.array([0.1, 1.0]), (3, 1))
    starts = [padded(RECORDED[f"{known}/start"]) for known in PROBLEMS]
    params = jax.vmap(tree)(jnp.array(starts, jnp.float32))
    state: Any = jax.vmap(make("one", (1.0, 1.0)).init)(params)
    place = list(SETTINGS).index("one")
    for row, step in enumerate([1, 2, 4, 6, 10]):
        while state.count[0] < step:
            params, state = stepper("one")(problems, rates, params, state)
        for problem, known in enumerate(PROBLEMS):
            wanted = padded(RECORDED[f"{known}/params"][place, 1, row])
            got = vector([leaf[problem] for leaf in params])
            distance = np.max(abs(np.asarray(got) - wanted)) / np.max(abs(wanted))
            assert distance < 1e-6, (known, step, distance)
    assert params[0].dtype == jnp.float32


def test_half_precision_is_moved_in_float32():
    optimizer = lbfgs(max_iter=6, history_size=3)
    halves = jnp.array([3.0, -2.0], jnp.float16), jnp.array(1e-3, jnp.bfloat16)

    def value_fn(params):
        return jnp.sum(params[0].astype(float) ** 2) + params[1].astype(float) ** 2

    @functools.partial(jax.jit, compiler_options=QUICK)
    def update(params):
        grads = jax.grad(value_fn)(params)
        return optimizer.update(
            grads, optimizer.init(params), params, value_fn=value_fn
        )

    change, state = update(halves)
    assert [leaf.dtype for leaf in change] == [jnp.float16, jnp.bfloat16]
    assert state.direction.dtype == jnp.float32
    assert value_fn(optax.apply_updates(halves, change)) < 1e-3
    change, _ = update(jax.tree.map(jnp.zeros_like, halves))
    assert all(np.all(leaf == 0) for leaf in change)


def test_the_gradient_is_that_of_a_method_where_there_is_one():
    optimizer, x = lbfgs(0.1, max_iter=3, history_size=1), jnp.array([1.0, 2.0])

    def half_square(x):
        return jnp.sum(x**2) / 2

    def moved(**keywords):
        keywords["value_fn"] = half_square
        return optimizer.update(x, optimizer.init(x), x, **keywords)[0]

    plain, with_loss, given, wrong = jax.jit(
        lambda: (
            moved(),
            moved(value=half_square(x)),
            moved(grad_fn=lambda x: x),
            moved(grad_fn=lambda x: -x),
        )
    )()
    np.testing.assert_allclose(with_loss, plain, rtol=1e-6)
    np.testing.assert_allclose(given, plain, rtol=1e-6)
    assert not np.allclose(wrong, plain)


def test_a_mask_hides_parameters_from_one_iteration_only():
    params = {"free": jnp.array([2.0]), "frozen": jnp.array([5.0])}
    mask = {"free": True, "frozen": False}

    def update(**how):
        optimizer: Any = optax.masked(lbfgs(**how), mask)
        return optimizer.update(
            params, optimizer.init(params), params, value_fn=lambda tree: 1.0
        )[0]

    change = update(lr=0.5, max_iter=1)
    np.testing.assert_allclose(change["free"], -0.5)  # of gradient 2, as of 1
    np.testing.assert_array_equal(change["frozen"], params["frozen"])
    with pytest.raises(ValueError, match="a mask hides"):
        update()
    nothing = optax.masked(lbfgs(max_iter=1), dict.fromkeys(mask, False))
    change, _ = nothing.update(params, nothing.init(params), params)
    assert change is params or change == params


REFUSED = {
    "lr": ({"lr": -1.0}, "lr must be at least 0"),
    "max_iter": ({"max_iter": 0}, "max_iter must be at least 1"),
    "max_eval": ({"max_eval": 0}, "max_eval must be at least 1"),
    "history_size": ({"history_size": 0}, "history_size must be at least 1"),
    "line_search_fn": ({"line_search_fn": "zoom"}, "line_search_fn must be None or"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_refuses_a_bad(name):
    arguments, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        lbfgs(**arguments)


def test_it_says_what_an_update_lacks():
    optimizer, x = lbfgs(), jnp.ones(2)
    with pytest.raises(ValueError, match="params must be given"):
        optimizer.update(x, optimizer.init(x))
    with pytest.raises(TypeError, match="needs the keyword value_fn"):
        optimizer.update(x, optimizer.init(x), x, value=1.0)
