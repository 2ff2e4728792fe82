"""That no program ends the process: `python -m benchmarks.marks [--programs N]`.

On a CPU, sweeps have XLA compile small loops whole, which XLA does not document. Here
random programs are compiled so and as plainly as can be, run, and compared, in child
processes: many to a child, and those after one that died in a new child.
"""

import contextlib
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxlib.version import __version__ as jaxlib_version

from benchmarks._children import in_children, tell
from benchmarks._measure import Figure, show
from benchmarks._options import Options, count, seed
from benchmarks._programs import Program, draw
from funclearn._lanes import compile_block, cut

TO_A_CHILD = 200
LANES = [1, 4, 16]
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
ROUNDING = 100.0  # units in the last place of the largest value


class Outcome(NamedTuple):
    """How a program went.

    Attributes:
        seed: what it was drawn from.
        whole: whether a loop of it was compiled whole.
        apart: the largest difference to the plain program.
        died: the exit status of the process that it ended, or 0; 1 after an exception.
    """

    seed: int
    whole: bool = False
    apart: float = 0.0
    died: int = 0


def one(seed: int) -> Outcome:
    """Compiles and runs one program both ways."""
    lanes = LANES[seed % len(LANES)]
    program, lowered = accepted(seed, lanes)
    lane = {
        name: jax.ShapeDtypeStruct(x.shape[1:], x.dtype)
        for name, x in program.values.items()
    }
    closed = jax.jit(program.function).trace(**lane).jaxpr
    inputs = jax.tree.leaves(program.values)
    results = compile_block(closed, lanes)(closed.consts, inputs)
    if not any(stage.small for stage in cut(closed, lanes).stages):
        jax.block_until_ready(results)
        return Outcome(seed)
    plain = lowered.compile(QUICK)(program.values)
    apart = max(map(difference, results, plain), default=0.0)
    if apart > ROUNDING:
        # A rounding may decide between two integers: once more without the haste.
        plain = compile_block(closed, lanes, whole=False)(closed.consts, inputs)
        apart = max(map(difference, results, plain), default=0.0)
    return Outcome(seed, True, apart)


def accepted(seed: int, lanes: int) -> tuple[Program, Any]:
    """Draws until there is a program that JAX itself can map over lanes, and lower."""
    for attempt in itertools.count():
        program = draw([seed, attempt], lanes)

        def mapped(values: Any, function: Any = program.function) -> Any:
            return jax.tree.leaves(jax.vmap(lambda lane: function(**lane))(values))

        with contextlib.suppress(Exception):
            return program, jax.jit(mapped).lower(program.values)
    raise AssertionError


def difference(one: Any, other: Any) -> float:
    """The largest difference, in units of the last place of the largest value."""
    if jax.numpy.issubdtype(one.dtype, jax.dtypes.prng_key):
        one, other = map(jax.random.key_data, (one, other))
    first, second = np.asarray(one), np.asarray(other)
    if not jax.numpy.issubdtype(one.dtype, jax.numpy.inexact):
        return 0.0 if np.array_equal(first, second) else np.inf
    unit = float(jax.numpy.finfo(one.dtype).eps)
    wide = np.complex128 if np.iscomplexobj(first) else np.float64
    first, second = first.astype(wide), second.astype(wide)
    if not np.array_equal(np.isfinite(first), np.isfinite(second)):
        return np.inf
    finite = np.isfinite(first)
    largest = np.max(np.abs(second[finite]), initial=0.0)
    apart = np.max(np.abs(first[finite] - second[finite]), initial=0.0)
    return float(apart / (largest * unit)) if apart else 0.0


def child(start: int, stop: int) -> None:
    """Runs programs in a child."""

    def case(seed: int) -> dict[str, Any]:
        if seed % 50 == 0:
            jax.clear_caches()
        return one(seed)._asdict()

    tell(case, start, stop)


def outcomes(start: int, stop: int) -> list[Outcome]:
    """Runs programs in children; where one dies, the rest in a new one."""
    told = in_children("benchmarks.marks", start, stop, FUNCLEARN_TRIAL="1")
    return [
        Outcome(case["case"], died=case["died"])
        if case.keys() == {"case", "died", "said"}
        else Outcome(*(case[name] for name in Outcome._fields))
        for case in told
    ]


def main() -> None:
    """Runs all programs and prints what came of them."""
    parser = Options(prog="python -m benchmarks.marks", description=__doc__)
    parser.add_argument("--programs", type=count, default=10_000)
    parser.add_argument("--first", type=seed, default=0, help="the first one's seed")
    asked = parser.parse_args()
    first, stop = asked.first, asked.first + asked.programs
    starts = range(first, stop, TO_A_CHILD)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = pool.map(lambda at: outcomes(at, min(at + TO_A_CHILD, stop)), starts)
        told = [one for part in parts for one in part]
    print(*(one for one in told if one.died or one.apart > ROUNDING), sep="\n")
    figures = [
        Figure("programs", len(told), ""),
        Figure("compiled whole", sum(one.whole for one in told), ""),
        Figure("aborts", sum(one.died not in (0, 1) for one in told), "", 0),
        Figure("exceptions", sum(one.died == 1 for one in told), "", 0),
        Figure("differences", sum(one.apart > ROUNDING for one in told), "", 0),
        Figure("largest rounding", max(one.apart for one in told), "units"),
    ]
    show(f"Loops compiled whole, jaxlib {jaxlib_version}", figures)


if __name__ == "__main__":
    main()
