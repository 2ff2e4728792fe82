"""Random programs in child processes: compared, traced into graphs, swept.

A program is a chain of operations (see `_operations`), each as it is, in a `jit`, a
`checkpoint`, a branch or a loop. JAX's own gradient of it must not be called wrong, the
same with its largest entry 1 % off must not be called right, the graph's adjoints are
JAX's gradient, and a sweep gives what a loop over the jitted program gives.

Every second child has 64-bit types enabled, and every eighth program is compared at
order 2.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks._children import in_children, tell
from benchmarks.hostile._operations import OPERATIONS, SLOW
from benchmarks.hostile._outcome import Outcome
from funclearn import graphs
from funclearn.gradients import Agreement, compare
from funclearn.sweeps import sweep

TO_A_CHILD = 50
LANES = 3
ERROR = 0.01
ROUNDING = 64.0  # units in the last place of the largest value
SLOW_SHARE = 0.01

Operation = Callable[[jax.Array, jax.Array], jax.Array]

Answer = tuple[bool | None, str]
"""Whether it was right, None where nothing could be told; what it was."""


class Program(NamedTuple):
    """A function of three numbers, and what it is called with.

    Attributes:
        function: `(params, batch) -> scalar`.
        params: `(lanes, 3)`.
        batch: `(3, 3)`.
        order: of the derivatives to compare.
        text: how it was made.
    """

    function: Operation
    params: jax.Array
    batch: jax.Array
    order: int
    text: str


def in_branch(operation: Operation) -> Operation:
    """Takes an operation where the data say so, and a sine elsewhere."""
    return lambda x, b: lax.cond(
        b[0, 0] > 1.0, operation, lambda x, b: jnp.sin(x), x, b
    )


def in_loop(operation: Operation) -> Operation:
    """Applies an operation twice, with other data the second time."""

    def step(x: jax.Array, b: jax.Array) -> tuple[jax.Array, None]:
        return jnp.arcsinh(operation(x, b)).astype(x.dtype), None

    return lambda x, b: lax.scan(step, x, jnp.stack([b, b[::-1]]))[0]


def mapped(operation: Operation) -> Operation:
    """Applies an operation to two vectors at once."""
    return lambda x, b: jax.vmap(operation, (0, None))(jnp.stack([x, 0.5 * x]), b).sum(
        0
    )


WRAPPERS: dict[str, Callable[[Operation], Operation]] = {
    "jit": jax.jit,
    "checkpoint": jax.checkpoint,
    "branch": in_branch,
    "loop": in_loop,
    "vmap": mapped,
}


def draw(seed: int, number: int) -> Program:
    """Draws a program."""
    rng = np.random.default_rng((seed, number))
    names, steps = [], []
    for _ in range(rng.integers(1, 3)):
        name = rng.choice([*(SLOW if rng.random() < SLOW_SHARE else OPERATIONS)])
        wrapper = rng.choice([*WRAPPERS]) if rng.random() < 0.4 else None
        operation = {**OPERATIONS, **SLOW}[name]
        steps.append(operation if wrapper is None else WRAPPERS[wrapper](operation))
        names.append(name if wrapper is None else f"{wrapper}({name})")
    weights = rng.normal(size=3)

    def function(params: jax.Array, batch: jax.Array) -> jax.Array:
        x = params
        for step in steps:
            x = jnp.arcsinh(step(x, batch))
        return jnp.sum(x * weights.astype(x.dtype))

    batch = rng.choice([0.3, 0.5, 0.75, 0.9, 1.0, 1.25, 1.5, 1.7, 2.5], size=(3, 3))
    order = 2 if number % 8 == 7 else 1
    params, batch = map(jnp.asarray, (rng.normal(size=(LANES, 3)), batch))
    return Program(function, params, batch, order, " . ".join(names[::-1]))


def compared(program: Program) -> Iterator[Answer]:
    """Whether JAX's own gradient is called right, and one that is not is not."""
    params, batch = program.params[0], program.batch
    largest = jnp.argmax(jnp.abs(jax.grad(program.function)(params, batch)))

    def wrong(params: jax.Array, batch: jax.Array) -> jax.Array:
        grads = jax.grad(program.function)(params, batch)
        return grads.at[largest].multiply(1 + ERROR)

    report = compare(
        program.function, params, batch, against=wrong, order=program.order
    )
    ours, (theirs,) = report.autodiff, report.closed_forms
    assert ours is not None
    yield told(ours.verdict, right=True)
    if np.any(ours.values != theirs.values):
        yield told(theirs.verdict, right=False)


def traced(program: Program) -> Iterator[Answer]:
    """Whether the graph can be written, and its adjoints are the gradient."""
    params, batch = program.params[0], program.batch
    graph = graphs.trace(lambda params: program.function(params, batch), params)
    gradient = jax.grad(program.function)(params, batch)
    scale = jnp.max(jnp.abs(gradient))
    apart = jnp.max(jnp.abs(graph.nodes[0].adjoint - gradient))
    apart = float(apart / jnp.where(scale > 0, scale, 1.0))
    yield (
        bool(graphs.to_text(graph)) and apart < ERROR / 10,
        f"adjoints {apart:.1g} off",
    )


def swept(program: Program) -> Iterator[Answer]:
    """Whether a sweep gives what a loop over the jitted program gives."""

    def run(params: jax.Array) -> jax.Array:
        return program.function(params, program.batch)

    found = sweep(run, {"params": program.params}).result
    one_by_one = jnp.stack([*map(jax.jit(run), program.params)])
    scale = jnp.maximum(1.0, jnp.max(jnp.abs(one_by_one)))
    units = jnp.max(jnp.abs(found - one_by_one)) / scale / jnp.finfo(scale.dtype).eps
    yield bool(units < ROUNDING), f"sweep {float(units):.1f} units off"


def told(verdict: Agreement, *, right: bool) -> Answer:
    """What a verdict is worth on a gradient of which one knows whether it is right."""
    worst = Agreement.DISAGREES if right else Agreement.AGREES
    what = "right" if right else "wrong"
    if verdict is Agreement.CANNOT_TELL:
        return None if right else True, f"{what} gradient: {verdict}"
    return verdict is not worst, f"{what} gradient: {verdict}"


def child(start: int, stop: int) -> None:
    """Judges programs; an exception is an answer, and a wrong one."""
    warnings.simplefilter("ignore")
    jax.config.update("jax_enable_x64", os.environ["FUNCLEARN_X64"] == "1")
    tell(lambda number: one(int(os.environ["FUNCLEARN_SEED"]), number), start, stop)


def one(seed: int, number: int) -> dict[str, Any]:
    """What came of a program: whether all answers are right, and those that are not."""
    program = draw(seed, number)
    answers: list[Answer] = []
    for question in (compared, traced, swept):
        try:
            answers += question(program)
        except Exception as error:
            said = f"{question.__name__}: {type(error).__name__}: {error}"
            answers.append((False, said[:300]))
    poor = [said for right, said in answers if not right]
    right = all(right is not False for right, _ in answers) and (not poor or None)
    if number % 10 == 9:
        jax.clear_caches()
    return {"right": right, "said": f"{program.text}: {'; '.join(poor)}"}


def cases(seed: int, n: int) -> Iterator[Outcome]:
    """Random programs, some of them in each child process."""

    def batch(start: int) -> list[dict[str, Any]]:
        x64 = str(start // TO_A_CHILD % 2)
        settings = {"FUNCLEARN_SEED": str(seed), "FUNCLEARN_X64": x64}
        stop = min(start + TO_A_CHILD, n)
        return [*in_children("benchmarks.hostile.programs", start, stop, **settings)]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(batch, range(0, n, TO_A_CHILD)):
            for case in found:
                told = f"seed {seed}, program {case['case']}: {case.get('said', '')}"
                if "died" in case:
                    yield Outcome(False, f"{told} (ended with {case['died']})")
                else:
                    yield Outcome(case["right"], told)
