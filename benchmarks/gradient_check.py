"""How far gradient checks can be trusted: `python -m benchmarks.gradient_check`.

Random problems are put to `funclearn.gradients.compare` and to
`jax.test_util.check_grads`, each with the right gradient by a closed form and with one
that is wrong by 0.1 % in a single coordinate. The models are lines, polynomials of
degree 3, softmax regression and tanh networks with 8 and 64 hidden neurons; the inputs
are scaled, or raw: any scale from 0.1 to 80 and any offset of up to twice that.

The wrong coordinate is drawn from those whose derivative is not zero: more than a
millionth of the largest, float32 having little more than six digits. The last column
leaves nothing out: it counts every derivative, down to the smallest.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

import funclearn as fl
from benchmarks._options import Options, count

ERROR = 1e-3
N_ROWS = 16
NEGLIGIBLE = 1e-6


class Batch(NamedTuple):
    """Data, and what to multiply the gradient with to make it wrong."""

    inputs: np.ndarray
    targets: np.ndarray
    factors: Any


class Family(NamedTuple):
    """A kind of problem: one objective and closed form, compiled once."""

    objective: Callable[[Any, Batch], jax.Array]
    closed_form: Callable[[Any, Batch], Any]
    draw: Callable[[np.random.Generator, float, float], tuple[Any, Any, Any]]
    custom: Callable[[Any, Batch], jax.Array]


class Case(NamedTuple):
    """What was found on one problem.

    Attributes:
        rejected: whether the right gradient was rejected.
        caught: whether the wrong one was.
        decided: whether all of the right one was seen well enough for a yes; None
            where that is not asked.
        claimed: whether the report on the right one says that the error at the
            coordinate would be seen; None where nothing says so.
        seen: the same for every derivative that is not exactly zero.
    """

    rejected: bool
    caught: bool
    decided: bool | None = None
    claimed: bool | None = None
    seen: np.ndarray | None = None


def _family(predict: Any, loss: Any, closed_form: Any, draw: Any) -> Family:
    def objective(params, batch):
        return loss(predict(params, batch.inputs), batch.targets)

    def tampered(params, batch):
        grads = closed_form(params, batch)
        return jax.tree.map(jnp.multiply, grads, batch.factors)

    @jax.custom_vjp
    def custom(params, batch):
        return objective(params, batch)

    def forward(params, batch):
        return objective(params, batch), tampered(params, batch)

    def backward(grads, cotangent):
        return jax.tree.map(lambda grad: grad * cotangent, grads), None

    custom.defvjp(forward, backward)
    return Family(objective, tampered, draw, jax.jit(custom))


def _draw_line(generator, scale, offset):
    inputs = offset + scale * generator.normal(size=N_ROWS)
    slope, intercept, *params = generator.normal(size=4)
    targets = slope * inputs + 5 * intercept + generator.normal(size=N_ROWS)
    return fl.models.LinearParams(*params), inputs, targets


def _draw_polynomial(generator, scale, offset):
    _, inputs, targets = _draw_line(generator, scale, offset)
    return fl.models.PolynomialParams(generator.normal(size=4)), inputs, targets


def _draw_softmax(generator, scale, offset):
    params = fl.analytic.SoftmaxParams(
        generator.normal(size=(4, 3)), generator.normal(size=3)
    )
    inputs = offset + scale * generator.normal(size=(N_ROWS, 4))
    return params, inputs, generator.integers(0, 3, N_ROWS).astype(np.int32)


def _draw_network(hidden):
    def draw(generator, scale, offset):
        def uniform(*shape, fan_in):
            return generator.uniform(-1, 1, shape) / np.sqrt(fan_in)

        params = fl.models.WideNetParams(
            uniform(1, hidden, fan_in=1),
            uniform(hidden, fan_in=1),
            uniform(hidden, 1, fan_in=hidden),
            uniform(1, fan_in=hidden),
        )
        inputs = offset + scale * generator.normal(size=(N_ROWS, 1))
        return params, inputs, generator.normal(size=(N_ROWS, 1))

    return draw


def _logits(params, inputs):
    return inputs @ params.weight + params.bias[None, :]


mse, analytic = fl.losses.mse, fl.analytic
_NETWORK = (fl.models.wide_net.apply, mse, analytic.wide_net_mse)
FAMILIES = {
    "line": _family(fl.models.linear.apply, mse, analytic.linear_mse, _draw_line),
    "polynomial": _family(
        fl.models.polynomial(3).apply, mse, analytic.polynomial_mse, _draw_polynomial
    ),
    "softmax": _family(
        _logits,
        fl.losses.cross_entropy,
        analytic.softmax_cross_entropy,
        _draw_softmax,
    ),
    "tanh, 8 neurons": _family(*_NETWORK, _draw_network(8)),
    "tanh, 64 neurons": _family(*_NETWORK, _draw_network(64)),
}


def draw(family: Family, seed: int, *, raw: bool, dtype: Any) -> tuple[Any, Batch]:
    """Draws the parameters and the data of a problem, with the right gradient."""
    generator = np.random.default_rng(seed)
    scale = 10 ** generator.uniform(-1, np.log10(80)) if raw else 1.0
    offset = scale * generator.uniform(-2, 2) if raw else 0.0
    params, *data = family.draw(generator, scale, offset)
    batch = Batch(*data, factors=jax.tree.map(np.ones_like, params))

    def cast(leaf: Any) -> np.ndarray:
        leaf = np.asarray(leaf)
        return leaf.astype(dtype) if leaf.dtype == np.float64 else leaf

    return jax.tree.map(cast, (params, batch))


def make_wrong(batch: Batch, coordinate: int) -> Batch:
    """Makes the gradient wrong in one coordinate of the flattened parameters."""
    leaves, structure = jax.tree.flatten(batch.factors)
    flat = np.concatenate([leaf.ravel() for leaf in leaves])
    flat[coordinate] += ERROR
    parts = np.split(flat, np.cumsum([leaf.size for leaf in leaves])[:-1])
    shaped = [part.reshape(x.shape) for part, x in zip(parts, leaves, strict=True)]
    return batch._replace(factors=structure.unflatten(shaped))


def examine(family: Family, seed: int, **how: Any) -> dict[str, Case]:
    """Puts one problem to both checks."""
    params, batch = draw(family, seed, **how)
    case, wrong_batch = by_compare(family, seed, params, batch)
    return {
        "compare": case,
        "check_grads": Case(
            rejected=not accepted_by_check_grads(family, params, batch),
            caught=not accepted_by_check_grads(family, params, wrong_batch),
        ),
    }


def by_compare(
    family: Family, seed: int, params: Any, batch: Batch
) -> tuple[Case, Batch]:
    """Puts one problem to `compare`; returns also the batch of its wrong gradient."""
    right = fl.gradients.compare(
        family.objective, params, batch, against=family.closed_form
    )
    sizes = np.abs(right.closed_forms[0].values)
    sees = right.closed_forms[0].caught <= ERROR * sizes
    chance = np.random.default_rng(seed)
    coordinate = int(chance.choice(np.nonzero(sizes > NEGLIGIBLE * sizes.max())[0]))
    wrong_batch = make_wrong(batch, coordinate)
    wrong = fl.gradients.compare(
        family.objective, params, wrong_batch, against=family.closed_form
    )
    case = Case(
        rejected=right.verdict == "disagrees",
        caught=bool(wrong.closed_forms[0].disagrees[coordinate]),
        decided=right.verdict == "agrees",
        claimed=bool(sees[coordinate]),
        seen=sees[sizes > 0],
    )
    return case, wrong_batch


def accepted_by_check_grads(family: Family, params: Any, batch: Batch) -> bool:
    """Whether `jax.test_util.check_grads` finds nothing wrong, with its defaults."""
    try:
        check_grads(
            lambda params: family.custom(params, batch), (params,), 1, modes=("rev",)
        )
    except AssertionError:
        return False
    return True


def describe(precision: str, check: str, cases: Sequence[Case]) -> Iterator[str]:
    """Says in lines of text what was found on many problems."""
    total = len(cases)
    yield f"{precision}, {check}, {total} problems"
    yield f"  right gradients rejected          {sum(case.rejected for case in cases)}"
    yield f"  wrong gradients caught            {_share(case.caught for case in cases)}"
    seen = [case.seen for case in cases if case.seen is not None]
    if seen:
        claimed = [case for case in cases if case.claimed]
        parts = {
            f"says that it could see {ERROR:.1%}": (case.claimed for case in cases),
            "  and caught it, where it says so": (case.caught for case in claimed),
            "  of all that are not exactly 0": np.concatenate(seen),
            "  in every coordinate at once": (case.decided for case in cases),
        }
        for name, found in parts.items():
            yield f"  {name:<34}{_share(found)}"


def _share(found: Iterable[Any]) -> str:
    found = list(found)
    return f"{sum(found)} of {len(found)}, {sum(found) / len(found):.2%}"


def survey(problems: int, precision: str) -> dict[str, list[Case]]:
    """Examines problems of every family, raw and scaled, in equal numbers.

    Returns:
        check -> cases.
    """
    each = -(-problems // (len(FAMILIES) * 2))
    found: dict[str, list[Case]] = {"compare": [], "check_grads": []}
    with jax.enable_x64(precision == "float64"):
        for family, raw in itertools.product(FAMILIES.values(), (False, True)):
            for seed in range(each):
                cases = examine(family, seed, raw=raw, dtype=precision)
                for check, case in cases.items():
                    found[check].append(case)
    return found


def seconds_for_the_wide_net(repetitions: int = 5) -> float:
    """The time to check all parameters of the 1-512-1 network, once compiled."""
    objective = fl.make_objective(fl.models.wide_net, fl.losses.mse)
    params = fl.models.wide_net.init(jax.random.key(0))
    data = fl.data.noisy_sine(jax.random.key(1))
    seconds = []
    for _ in range(1 + repetitions):
        started = time.perf_counter()
        fl.gradients.compare(objective, params, data, against=fl.analytic.wide_net_mse)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))


def main() -> None:
    """Prints the figures."""
    parser = Options(prog="python -m benchmarks.gradient_check", description=__doc__)
    parser.add_argument(
        "--problems", type=count, default=1000, help="of each precision"
    )
    problems = parser.parse_args().problems
    for precision in ("float32", "float64"):
        for check, cases in survey(problems, precision).items():
            print(*describe(precision, check, cases), "", sep="\n")
    print(f"1537 parameters of the wide net: {seconds_for_the_wide_net():.2f} s")


if __name__ == "__main__":
    main()
