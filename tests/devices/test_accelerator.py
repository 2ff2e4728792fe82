"""What is asked of an accelerator, whatever it is, and of a CPU as well.

Curves are held to tolerances of float32, against NumPy's in float64 and what PyTorch
recorded; what is drawn, and what blocks make the same on any number of devices, to the
bit. `tools/check-accelerator` runs this file where there is one, with matrix products
in float32 throughout (JAX_DEFAULT_MATMUL_PRECISION=highest).
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from benchmarks import torch_parity, torch_runs
from tests.devices.settings import COUNTS, DATA, KEY, begin, check_close, placed
from tests.runs import bits

STEPS = 10
RULES = {
    "sgd": optax.sgd(0.1),
    "momentum": optax.sgd(0.05, momentum=0.9),
    "adam": optax.adam(0.1),
}


def by_numpy(rule, start):
    """Losses of an affine model by hand, in float64."""
    inputs, targets = (np.asarray(rows, np.float64) for rows in DATA[:2])
    columns = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
    params, losses = np.asarray(start, np.float64), []
    first, second = np.zeros_like(params), np.zeros_like(params)
    for step in range(1, STEPS + 1):
        errors = columns @ params - targets
        losses.append(np.mean(errors**2))
        grads = 2 * columns.T @ errors / len(errors)
        if rule == "sgd":
            params = params - 0.1 * grads
        elif rule == "momentum":
            first = 0.9 * first + grads
            params = params - 0.05 * first
        else:
            first = 0.9 * first + 0.1 * grads
            second = 0.999 * second + 0.001 * grads**2
            mean, square = first / (1 - 0.9**step), second / (1 - 0.999**step)
            params = params - 0.1 * mean / (np.sqrt(square) + 1e-8)
    return losses


@pytest.mark.parametrize("rule", RULES)
def test_curves_are_those_of_numpy(rule):
    step, state = begin(RULES[rule])
    wanted = by_numpy(rule, [*state.params.weight, state.params.bias])
    for n in (None, COUNTS[-1]):
        there, data = placed(n, state, DATA)
        check_close(fl.fit(step, there, data, epochs=STEPS).history.loss, wanted)


def test_optimizers_go_pytorchs_way():
    """For all recorded steps in float32, as the documentation states."""
    (stated,) = re.findall(r"float32 is at most (\S+),", str(fl.optimizers.__doc__))
    file, names = torch_runs.recorded(), ("sgd", "adam", "rmsprop")
    runs = [next(run for run in file.runs if run.name == name) for name in names]
    entries = [torch_runs.Entry(run, torch_runs.ours(run), jnp.float32) for run in runs]
    with jax.enable_x64(True):
        courses, _ = torch_runs.train(entries, list(file.kept))
    assert max(torch_parity.distances(entries, courses).values()) < float(stated)


def drawn(state, batch):
    """Notes the rows of a batch, and numbers drawn from the key of the run."""
    key = jax.random.fold_in(state.key, state.step)
    noise = jax.random.normal(key, (64,)), jax.random.uniform(key, (64,))
    info = fl.StepInfo(jnp.float32(0), (batch.targets, *noise))
    return state._replace(step=state.step + 1), info


@pytest.mark.slow
def test_what_is_drawn_is_what_a_cpu_draws():
    def ran(n):
        data = fl.Dataset(DATA.inputs, np.arange(len(DATA.targets)))
        state, data = placed(n, begin()[1], data)
        run = fl.fit(
            drawn,
            state,
            data,
            epochs=3,
            batch_size=8,
            record=lambda state, info, evaluation: info.grads,
        )
        return jax.device_get(run.history)

    with jax.default_device(jax.devices("cpu")[0]):
        *wanted, normal, uniform = ran(None)
    for n in (None, COUNTS[-1]):
        *got, close, same = ran(n)
        assert bits((got, same)) == bits((wanted, uniform))
        # Its inverse error function is made of others on other platforms.
        np.testing.assert_allclose(close, normal, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_blocks_make_the_same_bits_on_any_number_of_devices():
    step, state = begin(optax.adam(0.01), fl.models.mlp((3, 8, 1)), blocks=8)
    data = DATA._replace(targets=DATA.targets[:, None])

    def ran(n):
        there, rows = placed(n, state, data)
        run = fl.fit(step, there, rows, epochs=5)
        return bits((run.state, run.history))

    wanted = ran(None)
    for n in {1, COUNTS[-1]}:
        assert ran(n) == wanted


@pytest.mark.slow
def test_a_sweep_is_its_runs_one_by_one():
    model = fl.models.affine(3)
    objective = fl.make_objective(model, fl.losses.mse)

    def run(learning_rate):
        optimizer = optax.sgd(learning_rate)
        state = fl.init_state(KEY, model.init(KEY), optimizer)
        step = fl.make_train_step(objective, optimizer)
        return fl.fit(step, state, DATA, epochs=STEPS).history.loss

    rates = jnp.array([0.01, 0.05, 0.1])
    swept = fl.sweeps.sweep(run, {"learning_rate": rates}).result
    for losses, rate in zip(swept, rates, strict=True):
        check_close(losses, run(rate))


def test_a_run_that_goes_on_ends_in_the_same_bits(tmp_path):
    step, state = begin(optax.adam(0.01))
    there, data = placed(COUNTS[-1], state, DATA)

    def ran(epochs, folder=None):
        options = {"batch_size": 5, "resume": folder is not None, "progress": False}
        return fl.running.run(
            step, there, data, epochs=epochs, folder=folder, **options
        )

    ran(2, tmp_path)
    run, whole = ran(4, tmp_path), ran(4)
    assert bits((run.state, run.history)) == bits((whole.state, whole.history))
