"""What `fit` and its stopping rules cost: `python -m benchmarks.overhead`.

The yardstick for `fit` is a `jax.lax.scan` over the same update, written by hand and
compiled; for a rule, the same run without it.
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import funclearn as fl
from benchmarks._measure import Figure, median_ratio, seconds, show
from benchmarks._options import Options


class Problem(NamedTuple):
    """A model, where it starts, and a run of some milliseconds."""

    model: fl.Model
    params: Any
    data: fl.Dataset
    epochs: int


def problems() -> dict[str, Problem]:
    """The smallest model and one for which arithmetic counts."""
    line = fl.models.LinearParams(jnp.ones(()), jnp.zeros(()))
    readings, _ = fl.data.standardise(fl.data.thermometer())
    net = fl.models.wide_net
    sine = fl.data.noisy_sine(jax.random.key(0))
    return {
        "thermometer": Problem(fl.models.linear, line, readings, 5000),
        "wide net": Problem(net, net.init(jax.random.key(1)), sine, 1000),
    }


def rules() -> dict[str, fl.stopping.Rule]:
    """Rules that watch and never fire, so that all runs are equally long."""
    stopping = fl.stopping
    singles = {
        "target": stopping.target(-1.0),
        "patience": stopping.patience(10**6),
        "getting_worse": stopping.getting_worse(10**6),
        "diverged": stopping.diverged(),
        "gradient_norm": stopping.gradient_norm(0.0),
    }
    return singles | {"patience | diverged": singles["patience"] | singles["diverged"]}


def fit_against_scan(name: str, problem: Problem) -> Iterator[Figure]:
    """How many times as long `fit` takes as the loop that it stands for."""
    optimizer = optax.sgd(1e-2)
    objective = fl.make_objective(problem.model, fl.losses.mse)
    step = fl.make_train_step(objective, optimizer)
    state = fl.init_state(jax.random.key(2), problem.params, optimizer)

    def loss(params: Any, data: fl.Dataset) -> jax.Array:
        return jnp.mean((problem.model.apply(params, data.inputs) - data.targets) ** 2)

    @jax.jit
    def scan(params: Any, opt_state: Any, data: fl.Dataset) -> Any:
        def update(carry: Any, _: None) -> Any:
            params, opt_state = carry
            value, grads = jax.value_and_grad(loss)(params, data)
            updates, opt_state = optimizer.update(grads, opt_state, params)
            return (optax.apply_updates(params, updates), opt_state), value

        return jax.lax.scan(update, (params, opt_state), length=problem.epochs)

    fit = functools.partial(fl.fit, step, state, problem.data, epochs=problem.epochs)
    runs = {
        "scan": lambda: scan(problem.params, state.opt_state, problem.data),
        "fit": lambda: fit()[:2],
    }
    watched = {
        rule: lambda stop=stop: fit(stop=stop)[:2] for rule, stop in rules().items()
    }
    taken = seconds(runs | watched, turns=51)
    ratio = median_ratio(taken, "fit", "scan")
    yield Figure(f"{name}: fit", ratio, target=1.1, beside="a hand-written scan")
    for rule in watched:
        ratio = median_ratio(taken, rule, "fit")
        yield Figure(f"{name}: stop={rule}", ratio, target=1.1, beside="fit without")

    def last_of_scan(params: Any) -> Any:
        return scan(params, state.opt_state, problem.data)[1][-1]

    def last_of_fit(params: Any) -> Any:
        start = state._replace(params=params)
        return fl.fit(step, start, problem.data, epochs=problem.epochs).final.loss

    slopes = {
        way: functools.partial(jax.jit(jax.grad(last)), problem.params)
        for way, last in (("scan", last_of_scan), ("fit", last_of_fit))
    }
    ratio = median_ratio(seconds(slopes, turns=21), "fit", "scan")
    yield Figure(f"{name}: jax.grad of fit", ratio, beside="of the scan")


def main() -> None:
    """Prints the figures."""
    Options(prog="python -m benchmarks.overhead", description=__doc__).parse_args()
    figures = [
        figure
        for name, problem in problems().items()
        for figure in fit_against_scan(name, problem)
    ]
    show("Overhead", figures)


if __name__ == "__main__":
    main()
