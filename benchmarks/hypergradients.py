"""What derivatives of a whole run cost: `python -m benchmarks.hypergradients`.

Reverse mode with checkpoints stands beside plain reverse mode, in memory and time, and
forward mode beside both: for how many numbers it is cheaper.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

import funclearn as fl
from benchmarks._measure import Figure, median_ratio, seconds, show
from benchmarks._options import Options
from funclearn.hypergradients import Mode, checkpointed, hypergradient

TURNS = 5
LONG, SHORT = 5000, 500
KEY = jax.random.key(0)
MIB = 2**20

TRAIN, VALIDATION = (fl.data.noisy_sine(jax.random.key(seed), 32) for seed in (0, 1))
READINGS, _ = fl.data.standardise(fl.data.thermometer())


def run_of(
    model: fl.Model,
    train: fl.Dataset,
    validation: fl.Dataset,
    epochs: int,
    make: Callable[[Any], Any],
) -> Callable[..., Any]:
    """A run of initial parameters, and of rates of which each has its share of epochs.

    Returns:
        `(params, rates) -> validation loss`.
    """
    objective = fl.make_objective(model, fl.losses.mse)
    evaluate = fl.make_evaluation(model, fl.losses.mse)

    def run(params: Any, rates: Any) -> Any:
        optimizer = make(lambda count: rates[count * len(rates) // epochs])
        state = fl.init_state(KEY, params, optimizer)
        step = fl.make_train_step(objective, optimizer)
        ran = fl.fit(step, state, train, epochs=epochs)
        return evaluate(ran.state.params, validation)

    return run


def with_momentum(rate: Any) -> Any:
    """The optimizer of the wide net."""
    return optax.sgd(rate, 0.9)


def wide(epochs: int) -> Callable[..., Any]:
    """A run of the wide net."""
    return run_of(fl.models.wide_net, TRAIN, VALIDATION, epochs, with_momentum)


def compiled(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """A program, and the MiB that it allocates beside arguments and results."""
    program: Any = jax.jit(function).lower(*arguments).compile()
    return program, program.memory_analysis().temp_size_in_bytes / MIB


def of_reverse_mode() -> Iterator[Figure]:
    """Reverse mode through the wide net, by parameters and rate."""
    arguments = fl.models.wide_net.init(KEY), jnp.full(1, 0.003)
    for epochs in (SHORT, LONG):
        run = wide(epochs)
        grad = jax.value_and_grad(run, (0, 1))
        cut = jax.value_and_grad(checkpointed(run), (0, 1))
        plain, most = compiled(grad, *arguments)
        program, least = compiled(cut, *arguments)
        alone, _ = compiled(run, *arguments)
        name = f"wide net, {epochs} epochs"
        yield Figure(f"{name}: plain reverse mode", most, "MiB")
        yield Figure(f"{name}: with checkpoints", least, "MiB", 1024)
        taken = seconds(
            {
                "run": lambda alone=alone: alone(*arguments),
                "plain": lambda plain=plain: plain(*arguments),
                "checkpoints": lambda program=program: program(*arguments),
            },
            TURNS,
        )
        ratio = median_ratio(taken, "checkpoints", "plain")
        yield Figure(f"{name}: with checkpoints", ratio, "x", 3.0, beside="plain")
        ratio = median_ratio(taken, "checkpoints", "run")
        yield Figure(f"{name}: with checkpoints", ratio, "x", beside="the run")
        value, same = alone(*arguments), program(*arguments)[0]
        yield Figure(f"{name}: values differ by", float(abs(value - same)), "", 0.0)


def slope_of(run: Callable[..., Any], params: Any, mode: Mode) -> Callable[..., Any]:
    """The derivative by the rates, compiled."""
    slope = hypergradient(run, "rates", mode=mode, growth=False)
    return jax.jit(lambda rates: slope(rates=rates, params=params)["rates"])


def of_modes() -> Iterator[Figure]:
    """For how many numbers forward mode is cheaper."""
    adam = optax.inject_hyperparams(optax.adam, static_args=("eps_root",))

    def with_adam(rate: Any) -> Any:
        return adam(rate, eps_root=1e-8)

    sine, network = (TRAIN, VALIDATION), fl.models.mlp((1, 16, 16, 1))
    line, twice = fl.models.linear, (READINGS, READINGS)
    modes: tuple[Mode, ...] = ("forward", "reverse")
    for name, model, (train, validation), epochs, make, rate in (
        ("thermometer", line, twice, 2000, optax.sgd, 0.01),
        ("with Adam", line, twice, 1000, with_adam, 0.01),
        ("1-16-16-1", network, sine, SHORT, optax.sgd, 0.01),
        ("wide net", fl.models.wide_net, sine, SHORT, with_momentum, 0.003),
    ):
        run = run_of(model, train, validation, epochs, make)
        params = model.init(KEY)
        for count in (1, 2, 4, 8):
            rates = jnp.full(count, rate)
            functions: dict[str, Callable[..., Any]] = {}
            functions |= {
                "run": jax.jit(lambda rates, run=run, p=params: run(p, rates))
            }
            for mode in modes:
                functions[mode] = slope_of(run, params, mode)
            taken = seconds(
                {
                    key: lambda one=one, rates=rates: one(rates)
                    for key, one in functions.items()
                },
                TURNS,
            )
            ratio = median_ratio(taken, "forward", "reverse")
            beside = f"reverse; {median_ratio(taken, 'forward', 'run'):.1f} runs"
            yield Figure(f"{name}: forward, by {count}", ratio, "x", beside=beside)


def of_trust() -> Iterator[Figure]:
    """What it costs to measure the growth and to compare with differences."""
    run, params = wide(SHORT), fl.models.wide_net.init(KEY)
    slope = {
        name: hypergradient(run, "rates", check=check, growth=growth)
        for name, check, growth in (
            ("derivative", False, False),
            ("growth", False, True),
            ("check", True, False),
        )
    }
    calls = {
        name: lambda one=one: one(rates=jnp.full(1, 0.003), params=params).value
        for name, one in slope.items()
    }
    taken = seconds(calls, 3)
    for name in ("growth", "check"):
        ratio = median_ratio(taken, name, "derivative")
        yield Figure(f"wide net: with {name}", ratio, "x", beside="without")


def main() -> None:
    """Prints the figures."""
    options = Options(prog="python -m benchmarks.hypergradients", description=__doc__)
    options.parse_args()
    show("Hypergradients", [*of_reverse_mode(), *of_modes(), *of_trust()])


if __name__ == "__main__":
    main()
