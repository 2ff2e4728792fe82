"""The table of speeds: `python -m benchmarks`.

Every row is a program, timed in turn with others that do the same. Those with PyTorch
need it: the interpreter that `FUNCLEARN_TORCH` names, or else this one.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

import funclearn as fl
from benchmarks import images, sweeps
from benchmarks._loops import Loops
from benchmarks._processes import TORCH, Torch, started
from benchmarks._rows import Beside, Row, clocked
from funclearn.sweeps import sweep

__all__ = ["OURS", "rows"]

KEY, EPOCHS, RATE = jax.random.key(0), 5000, 1e-2
NET = fl.models.wide_net
NET_EPOCHS = 1847
SINE = fl.data.noisy_sine(jax.random.key(1))

TRAINED = """
import jax, optax, funclearn as fl
train, _ = fl.data.standardise(fl.data.thermometer())
optimizer = optax.sgd(1e-2)
step = fl.make_train_step(fl.make_objective(fl.models.linear, fl.losses.mse), optimizer)
params = fl.models.linear.init(jax.random.key(0))
state = fl.init_state(jax.random.key(1), params, optimizer)
print(fl.fit(step, state, train, epochs=5000).final.loss)
"""
BARE = """
import jax, jax.numpy as jnp, optax
x = jnp.array([35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4])
y = jnp.array([0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0])
optimizer = optax.sgd(1e-2)


@jax.jit
def run(key, x, y):
    x = (x - jnp.mean(x)) / jnp.std(x)
    params = tuple(jax.random.uniform(key, (2,), minval=-1.0))

    def loss(params):
        return jnp.mean((params[0] * x + params[1] - y) ** 2)

    def step(carry, _):
        params, state = carry
        value, grads = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(grads, state)
        return (optax.apply_updates(params, updates), state), value

    return jax.lax.scan(step, (params, optimizer.init(params)), length=5000)[1][-1]


print(run(jax.random.key(0), x, y))
"""
EAGER = "from benchmarks._torch_child import thermometer; thermometer()"


def trained(model: fl.Model, params: Any, data: Any, epochs: int) -> Callable[[], Any]:
    """Makes a call of `fit`."""
    optimizer = optax.sgd(RATE)
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(KEY, params, optimizer)
    return lambda: fl.fit(step, state, data, epochs=epochs)[:3]


def by_hand(model: fl.Model, params: Any, data: Any, epochs: int) -> dict[str, Beside]:
    """The same update in a Python loop and in a scan."""
    optimizer = optax.sgd(RATE)

    def loss(params: Any, data: Any) -> Any:
        return jnp.mean((model.apply(params, data.inputs) - data.targets) ** 2)

    def update(carry: Any, data: Any) -> Any:
        params, opt_state = carry
        value, grads = jax.value_and_grad(loss)(params, data)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), value

    jitted, start = jax.jit(update), (params, optimizer.init(params))

    @jax.jit
    def scan(start: Any, data: Any) -> Any:
        return jax.lax.scan(lambda carry, _: update(carry, data), start, length=epochs)

    def loop() -> Any:
        carry, losses = start, []
        for _ in range(epochs):
            carry, value = jitted(carry, data)
            losses.append(value)
        return carry, losses

    return {
        "Python loop, jitted step": Beside(clocked(loop)),
        "lax.scan by hand": Beside(clocked(lambda: scan(start, data))),
    }


def swept(run: Callable[..., Any]) -> Callable[[], Any]:
    """Makes a call that sweeps over the 1,000 rates."""
    return lambda: sweep(run, {"learning_rate": sweeps.RATES}).result


def with_last_loss(learning_rate: Any) -> Any:
    """The final parameters and the last entry of the history."""
    params, losses = sweeps.whole_history(learning_rate)
    return params, losses[-1]


def split_often() -> Callable[[], Any]:
    """Makes a call of 10,000 splits."""
    keys = jax.random.split(KEY, 10_000)
    return lambda: sweep(sweeps.split, {"key": keys}).result


def checked() -> Callable[[], Any]:
    """Makes a call that checks all parameters of the wide net."""
    objective, params = fl.make_objective(NET, fl.losses.mse), NET.init(KEY)
    of = objective, params, SINE
    return lambda: fl.gradients.compare(*of, against=fl.analytic.wide_net_mse)


def new_rates() -> None:
    """Trains with 100 learning rates, each in a step of its own."""
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    for number in range(100):
        optimizer = optax.sgd(1e-3 + 1e-5 * number)
        step = fl.make_train_step(objective, optimizer)
        state = fl.init_state(KEY, sweeps.LINE, optimizer)
        jax.block_until_ready(fl.fit(step, state, sweeps.READINGS, epochs=100)[:3])


def new_scans() -> None:
    """The same with bare JAX."""
    for number in range(100):
        optimizer = optax.sgd(1e-3 + 1e-5 * number)

        def step(carry: Any, _: None, optimizer: Any = optimizer) -> Any:
            params, state = carry
            slope = jax.value_and_grad(sweeps.line_loss)
            value, grads = slope(params, sweeps.READINGS, KEY)
            updates, state = optimizer.update(grads, state)
            return (optax.apply_updates(params, updates), state), value

        run = jax.jit(functools.partial(jax.lax.scan, step, length=100))
        jax.block_until_ready(run((sweeps.LINE, optimizer.init(sweeps.LINE))))


def differences() -> Callable[[], Any]:
    """Makes a call of as many central differences, one after the other."""
    objective, params = fl.make_objective(NET, fl.losses.mse), NET.init(KEY)
    flat, unflatten = ravel_pytree(params)

    @jax.jit
    def one(flat: Any, at: Any) -> Any:
        def loss(step: float) -> Any:
            return objective(unflatten(flat.at[at].add(step)), SINE, KEY)

        return (loss(1e-2) - loss(-1e-2)) / 2e-2

    return lambda: [one(flat, at) for at in range(flat.size)]


OURS: dict[str, Callable[[], Callable[[], Any]]] = {
    "thermometer": lambda: trained(
        fl.models.linear, sweeps.LINE, sweeps.READINGS, EPOCHS
    ),
    "wide net": lambda: trained(NET, NET.init(KEY), SINE, NET_EPOCHS),
    "images": lambda: images.fitting(
        images.network(images.PIXELS, images.HIDDEN, images.CLASSES),
        images.OPTIMIZERS["sgd"],
        images.images(),
    ),
    "sweep": lambda: swept(sweeps.final),
    "sweep, last row": lambda: swept(sweeps.last_row),
    "sweep, last loss": lambda: swept(with_last_loss),
    "sweep, history": lambda: swept(sweeps.whole_history),
    "sweep, stopping": lambda: swept(sweeps.stopped),
    "splits": split_often,
    "check": checked,
    "new rates": lambda: new_rates,
}
"""What the rows time of this library, by a short name."""


def rows(torch: Torch, loops: Loops | None) -> Iterator[Row]:
    """All rows; those in C only where it could be compiled."""
    ours = {name: functools.cache(make) for name, make in OURS.items()}

    def way(name: str) -> Callable[[], float]:
        return lambda: clocked(ours[name]())()

    def in_c(
        at_least: float, function: Callable[[Loops], Any], tanh: str = ""
    ) -> dict[str, Beside]:
        if loops is None:
            return {}
        run = functools.partial(function, loops)
        return {f"C, one thread{tanh}": Beside(clocked(run), at_least)}

    def net_in_c(loops: Loops, libm: bool = False) -> Any:
        return loops.wide_net(SINE[:2], params, NET_EPOCHS, RATE, libm=libm)

    line, readings = sweeps.LINE, sweeps.READINGS
    yield Row(
        "thermometer, 5000 epochs",
        way("thermometer"),
        {
            "PyTorch eager": Beside(torch.way("thermometer"), 3000),
            "torch.compile": Beside(torch.way("thermometer compiled")),
            **by_hand(fl.models.linear, line, readings, EPOCHS),
            **in_c(1 / 2, lambda c: c.line(readings[:2], line, EPOCHS, RATE)),
        },
    )
    params, products = NET.init(KEY), images.products_of_epoch()
    yield Row(
        "1-512-1 net, 1847 epochs",
        way("wide net"),
        {
            "PyTorch eager": Beside(torch.way("wide net"), 15),
            "torch.compile": Beside(torch.way("wide net compiled")),
            **by_hand(NET, params, SINE, NET_EPOCHS),
            **in_c(1 / 1.4, net_in_c, ", tanh to 1e-4"),
            **in_c(1 / 1.4, functools.partial(net_in_c, libm=True), ", tanh of libm"),
        },
        turns=7,
    )
    yield Row(
        "60,000 x 784-256-10, one epoch",
        way("images"),
        {
            "PyTorch, tensor indexing": Beside(torch.way("images by indexing"), 1.3),
            "PyTorch, DataLoader": Beside(torch.way("images by DataLoader")),
            "its matrix products alone": Beside(clocked(products), 0.8),
        },
        turns=7,
    )
    yield from of_sweeps(way, loops)
    at_once = jax.jit(jax.vmap(sweeps.split))
    keys = jax.random.split(KEY, 10_000)
    yield Row(
        "10,000 splits x 3000 epochs",
        way("splits"),
        {"one vmap": Beside(clocked(lambda: at_once(keys)))},
        turns=7,
    )
    yield Row(
        "check of 1537 gradients",
        way("check"),
        {"as many jitted differences": Beside(clocked(differences()))},
        turns=7,
    )
    yield Row(
        "100 new learning rates x 100 epochs",
        way("new rates"),
        {
            "a new jitted scan each": Beside(clocked(new_scans)),
            "PyTorch eager": Beside(torch.way("new rates")),
        },
        turns=5,
    )
    yield Row(
        "new process, thermometer trained",
        started(sys.executable, TRAINED),
        {
            "bare JAX": Beside(started(sys.executable, BARE), 1 / 1.6),
            "PyTorch eager": Beside(started(TORCH, EAGER)),
        },
    )


def of_sweeps(
    way: Callable[[str], Callable[[], float]], loops: Loops | None
) -> Iterator[Row]:
    """The rows of 1,000 learning rates."""
    name, line, readings = "1,000 rates x 5000 epochs", sweeps.LINE, sweeps.READINGS
    in_c = {}
    if loops is not None:
        for threads in sorted({1, os.cpu_count() or 1}):
            run = functools.partial(
                loops.sweep, readings[:2], line, EPOCHS, sweeps.RATES, threads
            )
            target = 1 / 2.5 if threads > 1 else None
            in_c[f"C, threads: {threads}"] = Beside(clocked(run), target)
    for what, key, run, more in (
        ("", "sweep", sweeps.final, in_c),
        (", with a stopping rule", "sweep, stopping", sweeps.stopped, {}),
    ):
        at_once = jax.jit(jax.vmap(run))
        vmap = Beside(clocked(functools.partial(at_once, sweeps.RATES)))
        yield Row(name + what, way(key), {"one vmap": vmap, **more}, turns=7)
    for what, key, target in (
        ("run.final", "sweep, last row", 1 / 1.4),
        ("run.history.loss[-1]", "sweep, last loss", None),
        ("the whole history", "sweep, history", 1 / 2),
    ):
        yield Row(
            f"{name}, with {what}",
            way(key),
            {"the states alone": Beside(way("sweep"), target)},
        )
