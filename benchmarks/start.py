"""What a new process, new steps and new sweeps cost: `python -m benchmarks.start`.

The yardstick for the import are the two packages that a user of this one imports
anyway; for the README's example a program without this package that does the same; for
new steps and swept functions nothing: they leave nothing behind.
"""

import functools
import gc
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax

import funclearn as fl
from benchmarks._measure import Figure, median_ratio, seconds, show
from benchmarks._options import Options

README = Path(__file__).parents[1] / "README.md"
MIB = 2**20

BARE = """
import jax, jax.numpy as jnp, optax

split_key, init_key = jax.random.split(jax.random.key(0))
readings = jnp.array([35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4])
celsius = jnp.array([0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0])


@jax.jit
def prepare(key, x, y):
    order = jax.random.permutation(key, x.size)
    train, rest = order[:-2], order[-2:]
    mean, deviation = jnp.mean(x[train]), jnp.std(x[train])
    x = (x - mean) / deviation
    return (x[train], y[train]), (x[rest], y[rest])


def loss(params, data):
    return jnp.mean((params["w"] * data[0] + params["b"] - data[1]) ** 2)


@jax.jit
def init(key):
    w, b = jax.random.uniform(key, (2,), minval=-1.0)
    return {"w": w, "b": b}


def run(learning_rate, params, train, validation):
    optimizer = optax.sgd(learning_rate)

    def epoch(carry, _):
        params, state = carry
        judged = loss(params, validation)
        value, grads = jax.value_and_grad(loss)(params, train)
        updates, state = optimizer.update(grads, state, params)
        return (optax.apply_updates(params, updates), state), (value, judged)

    start = params, optimizer.init(params)
    return jax.lax.scan(epoch, start, length=5000)


def last(learning_rate, *data):
    return run(learning_rate, *data)[1][1][-1]


train, validation = prepare(split_key, readings, celsius)
data = init(init_key), train, validation
one = jax.jit(run)(1e-2, *data)
rates = jnp.logspace(-4, -2, 100)
many = jax.vmap(jax.jit(run), (0, None, None, None))(rates, *data)
slope = jax.grad(jax.jit(last))(1e-3, *data)
"""


def process(code: str) -> None:
    """Runs Python in a process of its own."""
    subprocess.run([sys.executable, "-c", code], check=True)


def slower(ours: str, theirs: str, turns: int) -> float:
    """How many times as long our process takes."""
    ways: dict[str, Callable[[], None]] = {
        "ours": functools.partial(process, ours),
        "theirs": functools.partial(process, theirs),
    }
    return median_ratio(seconds(ways, turns), "ours", "theirs")


def importing() -> Figure:
    """How many times as long a process takes that also imports this package."""
    theirs = "import jax, optax"
    ratio = slower(f"{theirs}, funclearn", theirs, turns=15)
    return Figure("import funclearn", ratio, target=1.1, beside=theirs)


def of_the_readme() -> Figure:
    """How many times as long the README's first training example takes."""
    text = README.read_text("utf-8")
    section = text.split("## Import the training step")[1]
    match = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    if match is None:
        raise ValueError(f"{README} has no example where it imports the training step.")
    ratio = slower(match[1], BARE, turns=11)
    return Figure("the README's example", ratio, target=1.6, beside="bare JAX")


def resident() -> int:
    """Bytes of memory that this process holds at most so far."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def kept_by(learn: Callable[[float], Any], what: str) -> Figure:
    """How much memory 100 calls keep, each of functions of its own."""
    # The first calls fill caches that are bounded.
    for turn in range(20):
        learn(1e-3 + 1e-5 * turn)
        gc.collect()
    before = resident()
    for turn in range(100):
        learn(1e-2 + 1e-5 * turn)
        gc.collect()
    kept = (resident() - before) / MIB
    return Figure(f"100 new {what} keep", kept, "MiB", 20.0, beside="none kept")


def of_new_functions() -> Iterator[Figure]:
    """How much memory 100 new steps keep, and 100 new functions that are swept."""
    train, _ = fl.data.standardise(fl.data.thermometer())
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    params = fl.models.LinearParams(jnp.ones(()), jnp.zeros(()))

    def fit(rate: Any) -> fl.Run:
        optimizer = optax.sgd(rate)
        state = fl.init_state(jax.random.key(0), params, optimizer)
        step = fl.make_train_step(objective, optimizer)
        return fl.fit(step, state, train, epochs=100)

    def learn(rate: float) -> None:
        jax.block_until_ready(fit(rate).final)

    def sweep(rate: float) -> None:
        # As large an array as a user's data, which the function closes over.
        data = jnp.full(MIB // 4, rate)
        factors = jnp.linspace(0.5, 1.0, 8)
        swept = fl.sweeps.sweep(
            lambda factor: (fit(factor * rate).final.loss, data[3] + factor),
            {"factor": factors},
        )
        jax.block_until_ready(swept.result)

    yield kept_by(learn, "steps")
    yield kept_by(sweep, "swept functions")


def main() -> None:
    """Prints the figures."""
    Options(prog="python -m benchmarks.start", description=__doc__).parse_args()
    show("Starting", [*of_new_functions(), importing(), of_the_readme()])


if __name__ == "__main__":
    main()
