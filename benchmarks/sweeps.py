"""How fast sweeps are, and how exact: `python -m benchmarks.sweeps`.

The yardstick is one `jax.jit(jax.vmap(run))` over the same lanes. A model-step is one
update of one lane; with a stopping rule those count that were made before it fired.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from benchmarks._measure import Figure, median_ratio, seconds, show
from benchmarks._options import Options
from funclearn.sweeps import sweep

TURNS = 11
EPOCHS = 5000
RATES = jnp.logspace(-4, -1.6, 1000)
KEY = jax.random.key(0)
LINE = fl.models.LinearParams(jnp.ones(()), jnp.zeros(()))
READINGS, _ = fl.data.standardise(fl.data.thermometer())

line_loss = fl.make_objective(fl.models.linear, fl.losses.mse)


def nothing(*_: Any) -> None:
    """Records nothing."""


def fit_line(optimizer: Any, epochs: int = EPOCHS, **how: Any) -> fl.Run:
    """Fits the line to the thermometer."""
    state = fl.init_state(KEY, LINE, optimizer)
    step = fl.make_train_step(line_loss, optimizer)
    return fl.fit(step, state, READINGS, epochs=epochs, **how)


def final(learning_rate: Any, epochs: int = EPOCHS) -> Any:
    """The final parameters and their loss."""
    params = fit_line(optax.sgd(learning_rate), epochs, record=nothing).state.params
    return params, line_loss(params, READINGS, KEY)


def last_row(learning_rate: Any, epochs: int = EPOCHS) -> Any:
    """The final parameters and the last loss of a history that nobody reads."""
    run = fit_line(optax.sgd(learning_rate), epochs)
    return run.state.params, run.final.loss


def whole_history(learning_rate: Any, epochs: int = EPOCHS) -> Any:
    """The final parameters and the loss of every epoch."""
    run = fit_line(optax.sgd(learning_rate), epochs)
    return run.state.params, run.history.loss


def stopped(learning_rate: Any) -> Any:
    """The final parameters, their loss and the number of epochs."""
    rule = fl.stopping.relative_change(1e-5) | fl.stopping.diverged()
    run = fit_line(optax.sgd(learning_rate), record=nothing, stop=rule)
    params = run.state.params
    return params, line_loss(params, READINGS, KEY), run.epochs


def split(key: Any) -> Any:
    """Training and validation loss with 9 random readings, after 3000 epochs."""
    train, validation = fl.data.split(key, READINGS)
    optimizer = optax.sgd(1e-2)
    state = fl.init_state(key, LINE, optimizer)
    step = fl.make_train_step(line_loss, optimizer)
    run = fl.fit(step, state, train, epochs=3000, record=nothing)
    return tuple(line_loss(run.state.params, rows, key) for rows in (train, validation))


def make_network_run(model: fl.Model, epochs: int, **how: Any) -> Callable[..., Any]:
    """Makes `run(learning_rate)`, which fits a network to a noisy sine."""
    data = fl.data.noisy_sine(jax.random.key(1))
    objective = fl.make_objective(model, fl.losses.mse)
    params = model.init(jax.random.key(2))

    def run(learning_rate: Any) -> Any:
        optimizer = optax.sgd(learning_rate)
        step = fl.make_train_step(objective, optimizer)
        state = fl.init_state(KEY, params, optimizer)
        run = fl.fit(step, state, data, epochs=epochs, **how)
        return run.state.params, run.history.loss, run.epochs

    return run


def switched(optimizer: Any, learning_rate: Any) -> Any:
    """Like `named`, the optimizer being a number that `jax.lax.switch` looks at."""
    choices = [optax.sgd(learning_rate), optax.adam(learning_rate)]

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        def use(chosen: int) -> Any:
            new, own = choices[chosen].update(updates, state[chosen], params)
            return new, (*state[:chosen], own, *state[chosen + 1 :])

        return jax.lax.switch(optimizer, [lambda: use(0), lambda: use(1)])

    def init(params: Any) -> Any:
        return tuple(choice.init(params) for choice in choices)

    both = optax.GradientTransformation(init, update)
    return fit_line(both, record=nothing).state.params


def named(optimizer: str, learning_rate: Any) -> Any:
    """The final parameters with an optimizer that is chosen by its name."""
    return fit_line(
        getattr(optax, optimizer)(learning_rate), record=nothing
    ).state.params


def timed(run: Callable[..., Any], name: str, values: Any) -> dict[str, np.ndarray]:
    """Times a sweep over one argument beside one vmap."""
    at_once = jax.jit(jax.vmap(lambda value: run(**{name: value})))
    return seconds(
        {
            "sweep": lambda: sweep(run, {name: values}).result,
            "vmap": lambda: at_once(values),
        },
        TURNS,
    )


def of_the_thermometer() -> Iterator[Figure]:
    """Nanoseconds a model-step of 1,000 learning rates and 5000 epochs."""
    executed = int(jnp.sum(sweep(stopped, {"learning_rate": RATES}).result[2]))
    planned = len(RATES) * EPOCHS
    for name, run, steps, target in (
        ("final states and losses", final, planned, 1.0),
        ("final states and last rows", last_row, planned, 1.0),
        ("whole history", whole_history, planned, 2.0),
        ("with a stopping rule", stopped, executed, 2.0),
    ):
        taken = timed(run, "learning_rate", RATES)
        ours, theirs = (np.median(taken[way]) / steps * 1e9 for way in taken)
        beside = f"one vmap {theirs:.3g} ns"
        yield Figure(f"1,000 rates, {name}", ours, "ns", target, beside=beside)


def of_histories() -> Iterator[Figure]:
    """How many times as long a sweep takes that returns more than the final state.

    The rows of 4,096 epochs take a power of two of bytes, which are hard on a cache.
    """
    for epochs in (EPOCHS, 4096):
        runs = {
            name: functools.partial(run, epochs=epochs)
            for name, run in (
                ("state", final),
                ("last row", last_row),
                ("history", whole_history),
            )
        }
        taken = seconds(
            {
                name: lambda run=run: sweep(run, {"learning_rate": RATES}).result
                for name, run in runs.items()
            },
            TURNS,
        )
        for name, target in (("last row", 1.4), ("history", 2.0)):
            # The shortest times, since a busy machine lengthens some of them only.
            ratio = float(np.min(taken[name]) / np.min(taken["state"]))
            what = f"{epochs:,} epochs, state and {name}"
            yield Figure(what, ratio, "x", target, beside="state")


def of_networks() -> Iterator[Figure]:
    """How many times faster than one vmap other models are."""
    rates = jnp.logspace(-4, -2, 200)
    for name, model, epochs, target in (
        ("1-512-1", fl.models.wide_net, 100, 2.5),
        ("1-8-1", fl.models.mlp((1, 8, 1)), 1000, None),
        ("1-16-16-1", fl.models.mlp((1, 16, 16, 1)), 200, None),
    ):
        taken = timed(make_network_run(model, epochs), "learning_rate", rates)
        faster = median_ratio(taken, "vmap", "sweep")
        yield Figure(
            f"200 lanes of the {name} net", faster, "x", target, True, "one vmap"
        )


def of_splits() -> Figure:
    """Seconds for 10,000 random splits."""
    keys = jax.random.split(KEY, 10_000)
    taken = timed(split, "key", keys)
    beside = f"one vmap {np.median(taken['vmap']):.2g} s"
    name = "10,000 splits x 3000 epochs"
    return Figure(name, float(np.median(taken["sweep"])), "s", 0.25, beside=beside)


def of_optimizers() -> Figure:
    """How many times as long a switch takes as one program for each optimizer."""
    rates = RATES[:500]
    numbers = {"optimizer": [0, 1], "learning_rate": rates}
    names = {"optimizer": ["sgd", "adam"], "learning_rate": rates}
    ways = {
        "switch": lambda: sweep(switched, numbers).result,
        "names": lambda: sweep(named, names, static_argnames=["optimizer"]).result,
    }
    slower = median_ratio(seconds(ways, TURNS), "switch", "names")
    return Figure("2 optimizers by lax.switch", slower, beside="a program for each")


def of_bits() -> Iterator[Figure]:
    """How a lane that stops by itself differs from the same run by itself."""
    net, rule = fl.models.mlp((1, 8, 1)), fl.stopping.relative_change(1e-3)
    runs = {"line": stopped, "net": make_network_run(net, 1000, stop=rule)}
    for name, run in runs.items():
        rates = RATES[::10]
        swept = sweep(run, {"learning_rate": rates}).result

        def swept_alone(rate: Any, run: Callable[..., Any] = run) -> Any:
            lane = sweep(run, {"learning_rate": rate[None]})
            return lane.at(learning_rate=0).result

        # A lane has the same bits in every sweep; more is not promised.
        for beside, one_run, target in (
            ("a sweep of one lane", swept_alone, 0.0),
            ("jit(run)", jax.jit(run), None),
        ):
            alone = jax.tree.map(lambda *lanes: np.stack(lanes), *map(one_run, rates))
            pairs = list(
                zip(jax.tree.leaves(swept), jax.tree.leaves(alone), strict=True)
            )
            unequal = [
                any(
                    one[lane].tobytes() != other[lane].tobytes() for one, other in pairs
                )
                for lane in range(len(rates))
            ]
            *results, epochs = [np.abs(one - other) for one, other in pairs]
            change = max(
                np.nanmax(result / np.nanmax(np.abs(other)))
                for result, (_, other) in zip(results, pairs, strict=False)
            )
            yield Figure(
                f"{name}: unequal lanes of 100", sum(unequal), "", target, beside=beside
            )
            yield Figure(
                "  largest difference to the largest value", change, "", beside=beside
            )
            yield Figure(
                "  largest difference in epochs", np.max(epochs), "", beside=beside
            )


WHY_BITS_DIFFER = """\
In a loop over many lanes XLA rounds other products before it adds them than in a loop
over one. Where a stop hangs on a change as small as that, it falls on another epoch."""


def main() -> None:
    """Prints the figures."""
    Options(prog="python -m benchmarks.sweeps", description=__doc__).parse_args()
    show("Sweeps", [*of_the_thermometer(), *of_histories(), *of_networks()])
    show("Splits and optimizers", [of_splits(), of_optimizers()])
    show("Lanes that stop by themselves", list(of_bits()), WHY_BITS_DIFFER)


if __name__ == "__main__":
    main()
