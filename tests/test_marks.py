"""Nothing ends the process: what is asked of XLA is tried, or left alone."""

import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import marks
from funclearn import _xla, sweeps
from funclearn._sweeps.stages import cut

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
@pytest.mark.parametrize("name", ["a line", "a network", "a stopping rule"])
def test_a_run_that_makes_its_own_start_does_not_end_the_process(name):
    call = textwrap.dedent(RUNS[name]).strip()
    script = f"{SCRIPT}\nprint(jax.block_until_ready({call}) is not None)"
    child = ran(script, FUNCLEARN_TRIAL="1")
    assert child.returncode == 0, child.stderr[-2000:]
    assert child.stdout.split()[-1] == "True"


@ON_A_CPU
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


def test_a_large_constant_keeps_a_loop_from_being_compiled_whole():
    def run(start, length):
        table = jnp.pad(jnp.ones(1), (0, length))
        return jax.lax.fori_loop(0, 3, lambda trip, x: x + table[trip], start)

    def small(length):
        closed = jax.make_jaxpr(lambda x: run(x, length))(1.0)
        return any(stage.small for stage in cut(closed, 4).stages)

    assert small(10)
    assert not small(5000)


def test_what_is_not_tried_is_cut_out():
    def run(x):
        start = jnp.sort(x)  # calls a library
        return jax.lax.fori_loop(0, 3, lambda _, x: x * 2, start), jnp.argsort(x)

    closed = jax.make_jaxpr(run)(jnp.ones(3))
    stages = cut(closed, 4).stages
    assert sorted(stage.small for stage in stages)[-1]
    assert not all(stage.small for stage in stages)
    one = cut(closed, 4, whole=False).stages
    assert [stage.small for stage in one] == [False]


@pytest.fixture
def unasked(monkeypatch, tmp_path):
    """A process that has not asked yet, with an empty cache."""
    for name in ("FUNCLEARN_PLAIN", "FUNCLEARN_TRIAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    is_trusted = _xla._is_trusted
    is_trusted.cache_clear()
    yield tmp_path / "funclearn"
    is_trusted.cache_clear()


ENDS = {
    "passes": ("", True, "passed"),
    "finds a difference": ("import sys; sys.exit(3)", False, "failed"),
    "is ended": ("import os; os.abort()", False, "failed"),
    "cannot be made": ("import no_such_module", False, None),
}


@pytest.mark.parametrize(("script", "trusted", "kept"), ENDS.values(), ids=ENDS)
def test_the_trial_decides_and_is_kept(unasked, monkeypatch, script, trusted, kept):
    monkeypatch.setattr(_xla, "_TRIAL", script)
    assert _xla.may_ask() is trusted
    answers = [path.read_text() for path in unasked.glob("*")]
    assert answers == ([kept] if kept else [])
    # Another process reads the answer, and tries only where there is none.
    _xla._is_trusted.cache_clear()
    monkeypatch.setattr(_xla, "_TRIAL", "import no_such_module")
    assert _xla.may_ask() is trusted


def test_an_answer_is_for_one_version_and_one_processor(unasked, monkeypatch):
    names = {_xla._name()}
    monkeypatch.setattr(_xla, "_processor", lambda: "another")
    names.add(_xla._name())
    monkeypatch.setattr(_xla, "JAXLIB", "99.0")
    names.add(_xla._name())
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=AVX")
    names.add(_xla._name())
    assert len(names) == 4


def test_a_cache_that_cannot_be_written_costs_the_trial_alone(unasked, monkeypatch):
    unasked.write_text("a file where the folder should be")
    monkeypatch.setattr(_xla, "_TRIAL", "")
    assert _xla.may_ask()


def test_plain_asks_nothing(unasked, monkeypatch):
    monkeypatch.setenv("FUNCLEARN_PLAIN", "1")
    monkeypatch.setattr(_xla, "_is_trusted", lambda: pytest.fail("asked"))
    assert not _xla.may_ask()
    assert not _xla.may_keep_apart()


def test_a_new_version_is_tried_before_calls_are_kept_apart(unasked, monkeypatch):
    monkeypatch.setattr(_xla, "_TRIAL", "import os; os.abort()")
    monkeypatch.setattr(_xla, "_TESTED", frozenset())
    assert not _xla.may_keep_apart()


def test_accelerators_are_asked_nothing(unasked, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert not _xla.may_ask()
    assert not _xla.may_keep_apart()


@ON_A_CPU
def test_the_trial_itself_passes():
    script = "from funclearn._sweeps.trial import main; main()"
    child = ran(script, FUNCLEARN_TRIAL="1")
    assert child.returncode == 0, child.stderr[-2000:]


def test_the_trial_sees_a_difference():
    from funclearn._sweeps import trial

    one = np.array([1.0, np.nan, 2.0])
    assert trial._agree(one, one + 1e-6)
    assert not trial._agree(one, one + 1e-2)
