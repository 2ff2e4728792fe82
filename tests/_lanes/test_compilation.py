"""How a block is compiled, and how many lanes make one: nothing ends the process."""

import os
import subprocess
import sys
import textwrap
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from benchmarks import marks
from funclearn import _xla, sweeps
from funclearn._lanes import _compilation as compilation
from funclearn._lanes import _small as small
from funclearn._lanes._stages import cut
from funclearn.sweeps import sweep
from tests.runs import KEY, START, readings

ON_A_CPU = pytest.mark.skipif(
    jax.default_backend() != "cpu", reason="only asked on a CPU"
)


# Each run makes its own start, from literals: XLA then knows the loop's arguments.
RUNS = {
    "a line": "sweeps.sweep(make(linear, line), {'learning_rate': rates}).result",
    "a network": "sweeps.sweep(make(net, column), {'learning_rate': rates}).result",
    "a stopping rule": """
        sweeps.sweep(
            make(linear, line, validation=line, stop=stopping.patience(3)),
            {'learning_rate': rates},
        ).result
    """,
}

SCRIPT = """
import jax, jax.numpy as jnp, optax
import funclearn as fl
from funclearn import stopping, sweeps, validation

linear, net = fl.models.linear, fl.models.mlp((1, 4, 1))
line = fl.data.thermometer()
column = fl.data.Dataset(*(x[:, None] for x in line))
rates = jnp.logspace(-5, -4, 5)

def make(model, data, validation=None, stop=None):
    objective = fl.make_objective(model, fl.losses.mse)
    evaluate = fl.make_evaluation(model, fl.losses.mse)
    how = {} if validation is None else {"evaluate": evaluate, "stop": stop}

    def run(learning_rate):
        optimizer = optax.sgd(learning_rate)
        params = model.init(jax.random.key(0))
        state = fl.init_state(jax.random.key(1), params, optimizer)
        step = fl.make_train_step(objective, optimizer)
        return fl.fit(step, state, data, validation, epochs=30, **how).state.params

    return run
"""


def ran(script, *, seconds=300, **environment):
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@ON_A_CPU
@pytest.mark.slow
def test_a_run_that_makes_its_own_start_does_not_end_the_process():
    script = SCRIPT
    for name, run in RUNS.items():
        call = textwrap.dedent(run).strip()
        script += f"\njax.block_until_ready({call})\nprint({name!r}, flush=True)"
    child = ran(script, FUNCLEARN_TRIAL="1")
    assert child.stdout.splitlines() == [*RUNS], child.stderr[-2000:]
    assert child.returncode == 0, child.stderr[-2000:]


@ON_A_CPU
@pytest.mark.slow
def test_cross_validation_of_such_a_run_does_not_end_the_process():
    script = f"""{SCRIPT}
held_out = fl.data.folds(jax.random.key(3), line, 3)

def run(train, held_out, key):
    return make(linear, train)(1e-4)

evaluate = fl.make_evaluation(linear, fl.losses.mse)
print(validation.cross_validate(
    jax.random.key(2), run, line, held_out, evaluate=evaluate
).summary())
"""
    child = ran(script, FUNCLEARN_TRIAL="1")
    assert child.returncode == 0, child.stderr[-2000:]


@ON_A_CPU
@pytest.mark.slow
def test_random_programs_do_not_end_the_process_and_agree():
    told = marks.outcomes(0, 40)
    assert len(told) == 40
    assert not [one for one in told if one.died or one.apart > marks.ROUNDING]
    assert sum(one.whole for one in told) > 20


def test_what_is_dropped_need_not_be_possible():
    def run(x):
        def halve(_, x):
            jnp.argmin(jax.lax.complex(x, x)[None])  # which JAX cannot lower
            return x / 2

        return jax.lax.fori_loop(0, 3, halve, x)

    values = jnp.arange(4.0)
    np.testing.assert_array_equal(sweeps.sweep(run, {"x": values}).result, values / 8)


@ON_A_CPU
@pytest.mark.slow
def test_an_unused_argument_would_end_it():
    """The reason for all this: where XLA has mended it, the precautions can go."""
    script = """
import jax, jax.numpy as jnp
from funclearn import _jaxprs, _xla
def loop(x, unused):
    return jax.lax.fori_loop(0, 50, lambda _, x: x * 1.0001, x)
def program(x):
    return _jaxprs.marked(loop, _xla.WHOLE)(x, jnp.arange(5))
jax.jit(program, keep_unused=True)(jnp.ones(4))
"""
    assert ran(script).returncode != 0


@pytest.mark.slow
def test_lanes_may_draw_and_sort_before_they_loop():
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    optimizer = optax.sgd(1e-2)
    step = fl.make_train_step(objective, optimizer)
    rows = readings()

    def run(key):
        train, validation = fl.data.split(key, rows)
        state = fl.init_state(key, START, optimizer)
        params = fl.fit(step, state, train, epochs=50).state.params
        return objective(params, validation, key)

    keys = jax.random.split(KEY, 5)
    np.testing.assert_allclose(
        sweep(run, {"key": keys}).result, [run(key) for key in keys], rtol=1e-5
    )


class Loop(NamedTuple):
    """A loop, and in what blocks it is run: alone, in several lanes whole."""

    body: Any
    size: int
    lanes: int
    whole: bool


MATRIX = jnp.asarray(np.eye(48, dtype=np.float32))

LOOPS = {
    "short sums": Loop(lambda x: x - x.sum() / 99, 11, 128, True),
    "a value of 1 KiB": Loop(jnp.tanh, 256, 16, True),
    "more than fits": Loop(jnp.tanh, 4096, 1, True),
    "more than one core's": Loop(jnp.tanh, 2**17, 1, False),
    "a matrix product": Loop(lambda x: jnp.outer(x, x) @ MATRIX[0], 48, 1, True),
    "large matrices": Loop(lambda x: (jnp.outer(x, x) @ MATRIX)[0], 48, 1, False),
    "a sort": Loop(jnp.sort, 11, 128, False),
}


@pytest.mark.parametrize("name", LOOPS)
def test_block_and_program_follow_from_what_the_loop_computes(name):
    loop = LOOPS[name]

    def run(x):
        return jax.lax.fori_loop(0, 3, lambda _, x: loop.body(x), x)

    closed = jax.make_jaxpr(run)(jnp.linspace(0, 1, loop.size))
    lanes = compilation.lanes_in_block(closed, 1000)
    assert lanes == loop.lanes
    stages = cut(closed, lanes).stages
    assert any(stage.small for stage in stages) == loop.whole


def convolve(x):
    kernel = x[:2, :2][None, None]
    made = jax.lax.conv_general_dilated(x[None, None], kernel, (1, 1), "SAME")
    return made[0, 0]


@pytest.mark.parametrize(
    ("body", "shape", "lanes"),
    [
        (convolve, (32, 32), 1),  # four lanes would fit
        (lambda x: x @ x, (64, 64), 1),
        (lambda x: x[jnp.argsort(x[:, 0])], (64, 16), 1),  # rows by indices of its own
        (lambda x: x / 2, (2,), 128),
    ],
)
def test_lanes_too_large_to_fill_a_vector_run_one_by_one(body, shape, lanes):
    def run(start):
        return jax.lax.fori_loop(0, 2, lambda _, x: body(x) / 8, start)

    starts = jax.random.uniform(KEY, (3, *shape))
    closed = jax.jit(run).trace(starts[0]).jaxpr
    assert compilation.lanes_in_block(closed, 1000) == lanes
    chosen = sweep(run, {"start": starts}).result
    alone = jnp.stack([jax.jit(run)(start) for start in starts])
    np.testing.assert_allclose(chosen, alone, rtol=1e-5, atol=1e-6)
    if lanes == 1:
        np.testing.assert_array_equal(chosen, alone)
        mapped = sweep(run, {"start": starts}, block_size=4).result
        np.testing.assert_allclose(mapped, alone, rtol=1e-5, atol=1e-6)


def test_results_of_a_block_have_a_limit():
    def run(x):
        return jax.lax.fori_loop(0, 3, lambda _, x: x + 1, x) * jnp.ones(2**22)

    assert compilation.lanes_in_block(jax.make_jaxpr(run)(1.0), 1000) == 8


@pytest.mark.parametrize(("n_lanes", "lanes"), [(1, 1), (5, 8), (10**9, 2**25)])
def test_accelerators_take_all_lanes_that_fit(n_lanes, lanes, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    closed = jax.make_jaxpr(lambda x: x + 1)(1.0)
    assert compilation.lanes_in_block(closed, n_lanes) == lanes


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (_xla, "OPTIONS", {"xla_cpu_no_such_option": 1}),
        (small, "_TRIED", small._TRIED | {"sort"}),
    ],
)
def test_compiles_plainly_what_xla_refuses(module, name, value, monkeypatch):
    monkeypatch.setattr(_xla, "may_ask", lambda: True)
    monkeypatch.setattr(module, name, value)

    def run(start):
        return jax.lax.fori_loop(0, 3, lambda _, x: jnp.sort(x)[::-1] + 1, start)

    starts = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]], np.float32)
    expected = np.sort(starts, axis=1)[:, ::-1] + 3
    np.testing.assert_array_equal(sweep(run, {"start": starts}).result, expected)


def _loop(x):
    return jax.lax.fori_loop(0, 5, lambda _, x: x * 0.9 + 0.1, x)


def _until_large(row, lane):
    def goes_on(carry):
        return (carry[0] < 9) & (carry[1][0] < 2 + lane)

    def step(carry):
        count, row = carry
        return count + 1, row.at[count % 4].set(row[0] + 0.5)

    return jax.lax.while_loop(goes_on, step, (0, row))[1]


ROW = jnp.zeros(4)
WRITES = {
    # Whether the loop can be compiled whole all the same, of one lane and of several.
    "after the loop": (lambda x, i: ROW.at[i].set(_loop(x)), True, True),
    "before it": (lambda x, i: _loop(ROW.at[i].set(x)), True, True),
    "of rows": (lambda x, i: jnp.zeros((4, 2)).at[i].set(_loop(x)), True, True),
    "to two places": (
        lambda x, i: _loop(ROW.at[jnp.array([1, 2])].set(x)),
        True,
        True,
    ),
    "to one place of all": (
        lambda x, i: jax.lax.fori_loop(
            0, 5, lambda t, r: r.at[t % 4].set(r[i]), ROW + x
        ),
        True,
        True,
    ),
    "to one of each": (
        lambda x, i: jax.lax.fori_loop(
            0, 5, lambda _, r: r.at[i].set(r[i] / 2), ROW + x
        ),
        True,
        False,
    ),
    "while it goes on": (lambda x, i: _until_large(ROW + x, i), True, False),
}


@ON_A_CPU
@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("name", WRITES)
def test_nothing_is_asked_of_xla_that_it_refuses(name, lanes, monkeypatch):
    """A write of lanes to places of their own, which a whole loop cannot hold."""
    function, *whole = WRITES[name]
    seen = []
    block = compilation._block

    def watched(program, size, device):
        seen.append(any(stage.small for stage in program.stages))
        return block(program, size, device)

    monkeypatch.setattr(_xla, "may_ask", lambda: True)
    monkeypatch.setattr(compilation, "_block", watched)
    values = {"x": jnp.linspace(0, 1, 3), "i": jnp.arange(4)}
    found = sweep(function, values, block_size=lanes).result
    each = jax.vmap(jax.vmap(function, (None, 0)), (0, None))
    np.testing.assert_allclose(found, each(*values.values()), rtol=1e-6)
    assert seen == [whole[lanes > 1]]
