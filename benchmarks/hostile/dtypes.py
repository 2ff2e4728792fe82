"""Every model, loss and scaler, of every dtype, against NumPy's float64."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import funclearn as fl
from benchmarks.hostile._outcome import Outcome

ROWS = 6
# One shape a function: what compiles once a dtype serves all of its cases.
INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
FLOATS = ("float16", "bfloat16", "float32", "float64")
DTYPES = ("bool", *INTEGERS, *FLOATS, "complex64")
Values = np.ndarray


class Case(NamedTuple):
    """What is called, and what NumPy makes of the same numbers.

    Attributes:
        call: of one or two arrays, what the library returns.
        right: of the same numbers, the value, and the size of the largest number that
            must be rounded on the way to it.
        pair: whether the second array is used.
        coarse: whether a result is as exact as what is computed in between.
    """

    call: Callable[[Any, Any], Any]
    right: Callable[[Values, Values], tuple[Any, Any]]
    pair: bool = False
    coarse: bool = False


def huber(errors: Values) -> Values:
    """The Huber loss of every error, of delta 1."""
    size = np.abs(errors)
    return np.where(size <= 1, size**2 / 2, size - 0.5)


def spread(column: Values) -> tuple[Values, Values]:
    """Mean and deviation, 1 where it is 0, less the first value, which is kept out."""
    offsets = column - column[0]
    scale = offsets.std()
    return offsets.mean(), np.where(scale == 0, 1, scale)


def standardised(column: Values, _: Values) -> tuple[Values, Values]:
    """A column by its own mean and deviation."""
    return scaled_anew(column, column)


def scaled_anew(x: Values, y: Values) -> tuple[Values, Values]:
    """The second column by the numbers of the first."""
    shift, scale = spread(x)
    value = (y - x[0] - shift) / scale
    return value, np.abs(value) + np.abs(shift) / scale + 1


WEIGHT, BIAS = np.float32(0.5), np.float32(-0.25)
LINE = fl.models.LinearParams(jnp.asarray(WEIGHT), jnp.asarray(BIAS))
CURVE = np.array([0.5, -0.25, 0.125], np.float32)
PLANE = np.array([0.5, -2.0], np.float32)


def line(x: Values, _: Values) -> tuple[Values, Values]:
    """A line, and the size of its terms."""
    return WEIGHT * x + BIAS, np.abs(WEIGHT * x) + 1


def neuron(x: Values, _: Values) -> tuple[Values, Values]:
    """A neuron; an error of its argument counts by the slope."""
    value = np.tanh(WEIGHT * x + BIAS)
    return value, (1 - value**2) * (np.abs(WEIGHT * x) + 1) + 1


def curve(x: Values, _: Values) -> tuple[Values, Values]:
    """A parabola, and the size of its terms."""
    powers = np.vander(x, 3, increasing=True)
    return powers @ CURVE, np.abs(powers) @ np.abs(CURVE)


def plane(x: Values, _: Values) -> tuple[Values, Values]:
    """A plane over pairs of entries, and the size of its terms."""
    return x.reshape(-1, 2) @ PLANE + BIAS, np.abs(x.reshape(-1, 2)) @ np.abs(PLANE) + 1


def mean(entries: Callable[[Values], Values]) -> Callable[..., tuple[Any, Any]]:
    """The mean of a function of the errors."""

    def right(x: Values, y: Values) -> tuple[Any, Any]:
        value = entries(x - y).mean()
        return value, value

    return right


def gradient(model: fl.Model, params: Any) -> Callable[[Any, Any], Any]:
    """The gradient of a model's mean squared error by autodiff."""
    objective = fl.make_objective(model, fl.losses.mse)

    def grads(x: Any, y: Any) -> Any:
        leaves = jax.tree.leaves(
            jax.grad(objective)(params, fl.Dataset(x, y), jax.random.key(0))
        )
        return jnp.concatenate([jnp.ravel(leaf) for leaf in leaves])

    return grads


def curve_gradient(x: Values, y: Values) -> tuple[Values, Values]:
    """The gradient of a parabola's mean squared error."""
    powers = np.vander(x, 3, increasing=True)
    size = np.abs(powers) @ np.abs(CURVE) + np.abs(y)
    slopes = 2 * (powers @ CURVE - y) / ROWS
    return slopes @ powers, 2 * size / ROWS @ np.abs(powers)


def scale_anew(x: Any, y: Any) -> Any:
    """The targets by the numbers of the inputs."""
    _, scaler = fl.data.standardise(fl.Dataset(x, x))
    return scaler(fl.Dataset(y, x)).inputs


def there_and_back(x: Any, _: Any) -> Any:
    """Targets that are standardised and brought back."""
    scaled, scaler = fl.data.standardise(fl.Dataset(x, x), targets=True)
    return scaler.unscale_predictions(scaled.targets)


def rows_of(x: Any, _: Any) -> Any:
    """The rows of a split, in their old order."""
    parts = fl.data.split(jax.random.key(0), fl.Dataset(x, x), 0.5)
    order = np.asarray(jax.random.permutation(jax.random.key(0), ROWS))
    rows = np.concatenate([np.asarray(part.inputs) for part in parts])
    return rows[np.argsort(order)]


def same(x: Values, _: Values) -> tuple[Values, Values]:
    """The column itself."""
    return x, np.abs(x - x[0]).max() + np.abs(x - x[0])


LABELS = np.array([2, 0], np.int8)


def classes(x: Values, _: Values) -> tuple[Values, Values]:
    """The cross-entropy of two rows of three logits, and the size of the largest."""
    logits = x.reshape(2, 3) - x.reshape(2, 3).max(axis=1, keepdims=True)
    chosen = np.take_along_axis(logits, LABELS[:, None], axis=1)[:, 0]
    value = (np.log(np.exp(logits).sum(axis=1)) - chosen).mean()
    return value, np.abs(x).max() + 1


def unscaled_line(x: Any, _: Any) -> Any:
    """A line of scaled data in their unit, applied to them."""
    _, scaler = fl.data.standardise(fl.Dataset(x, x), targets=True)
    line = scaler.unscale(LINE._replace(weight=jnp.float32(1), bias=jnp.float32(0)))
    return fl.models.linear.apply(line, x)


CASES = {
    "linear": Case(lambda x, _: fl.models.linear.apply(LINE, x), line),
    "neuron": Case(lambda x, _: fl.models.neuron.apply(LINE, x), neuron),
    "polynomial": Case(
        lambda x, _: fl.models.polynomial(2).apply(
            fl.models.PolynomialParams(jnp.asarray(CURVE)), x
        ),
        curve,
    ),
    "affine": Case(
        lambda x, _: fl.models.affine(2).apply(
            fl.models.LinearParams(jnp.asarray(PLANE), jnp.asarray(BIAS)),
            x.reshape(-1, 2),
        ),
        plane,
    ),
    "mse": Case(fl.losses.mse, mean(np.square), pair=True),
    "mae": Case(fl.losses.mae, mean(np.abs), pair=True),
    "huber": Case(fl.losses.huber, mean(huber), pair=True),
    "gradient": Case(
        gradient(
            fl.models.polynomial(2), fl.models.PolynomialParams(jnp.asarray(CURVE))
        ),
        curve_gradient,
        pair=True,
    ),
    "closed form": Case(
        lambda x, y: (
            fl.analytic.polynomial_mse(
                fl.models.PolynomialParams(jnp.asarray(CURVE)), fl.Dataset(x, y)
            ).coefficients
        ),
        curve_gradient,
        pair=True,
    ),
    "standardise": Case(
        lambda x, _: fl.data.standardise(fl.Dataset(x, x))[0].inputs,
        standardised,
    ),
    "scaler": Case(scale_anew, scaled_anew, pair=True),
    "there and back": Case(there_and_back, same, coarse=True),
    "cross-entropy": Case(
        lambda x, _: fl.losses.cross_entropy(x.reshape(2, 3), LABELS), classes
    ),
    "unscaled line": Case(unscaled_line, same, coarse=True),
    "split": Case(rows_of, same),
}


def some_values(random: np.random.Generator, dtype: Any) -> Values:
    """Numbers of a dtype: small ones, ones near its ends, or ones far from zero."""
    kind = random.choice(["small", "ends", "far"])
    if dtype == np.bool_:
        return random.random(ROWS) < 0.5
    if jnp.issubdtype(dtype, jnp.integer):
        limits = np.iinfo(dtype)
        low, high = int(limits.min), int(limits.max)
        if kind == "small":
            low, high = max(low, -20), 20
        elif kind == "far":
            low = int(high * 0.7)
            high = min(high, low + int(random.choice([10, 3000])))
        return random.integers(low, high, ROWS, dtype, endpoint=True)
    if dtype == np.complex64:
        return (random.normal(size=ROWS) + 1j * random.normal(size=ROWS)).astype(dtype)
    far = {"small": 0, "ends": 0, "far": 200 if jnp.finfo(dtype).bits == 16 else 1.7e9}
    unit = {"small": 2.0, "ends": 120.0, "far": 60 if dtype == np.float64 else 8.0}
    return (far[kind] + unit[kind] * random.normal(size=ROWS)).astype(dtype)


def one_case(random: np.random.Generator) -> Outcome:
    """A random function of random numbers of random dtypes."""
    name = str(random.choice(list(CASES)))
    case = CASES[name]
    arrays = [
        some_values(random, jnp.dtype(str(random.choice(DTYPES))))
        for _ in range(1 + case.pair)
    ]
    if case.pair and arrays[0].dtype.kind in "iu" and random.random() < 0.5:
        # Neighbours, which floats would merge.
        one = np.ones((), arrays[0].dtype)
        last = arrays[0] == np.iinfo(arrays[0].dtype).max
        arrays[1] = np.where(last, arrays[0] - one, arrays[0] + one)
    # JAX's arrays are scaled in their own precision, in which some are far from 0.
    of_jax = random.random() < 0.5 and name not in SCALERS
    # A mean is a float64 and rounds what is scaled to float64 by more than its digits.
    wide = bool(random.random() < 0.25) and name not in SCALERS
    with jax.enable_x64(wide):
        given = [
            jnp.asarray(array) if of_jax and array.dtype.itemsize < 8 else array
            for array in arrays
        ]
        called = f"{name}, 64 bits {wide}, of " + ", ".join(
            f"{type(array).__module__.split('.')[0]} {array.dtype} {array.tolist()}"
            for array in given
        )
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings(
                    "ignore", "(dataset|batch|inputs|targets|logits)"
                )
                value = np.asarray(case.call(given[0], given[-1]))
        except (TypeError, ValueError) as refusal:
            return Outcome(_may_refuse(arrays, str(refusal)), f"{called}: {refusal}")
        between = float(jnp.finfo(jnp.result_type(*given, float)).eps)
    right = _is_right(case, arrays, value, between if case.coarse else 0.0)
    return Outcome(right, f"{called}: {value.dtype} {value.tolist()}")


SCALERS = ("standardise", "scaler", "there and back", "unscaled line")


def _may_refuse(arrays: list[Values], refusal: str) -> bool:
    if "must be real numbers; got complex" in refusal:
        return any(array.dtype.kind == "c" for array in arrays)
    large = [a for a in arrays if a.dtype.kind in "iu" and a.dtype.itemsize == 8]
    size = max((abs(int(value)) for array in large for value in array), default=0)
    if "must fit into JAX's int32" in refusal or "JAX's uint32" in refusal:
        return size >= 2**31
    return "whose mean float64 can hold" in refusal and size > 2**53


def _is_right(case: Case, arrays: list[Values], value: Values, coarse: float) -> bool:
    if arrays[0].dtype.kind == "c":
        return value.dtype.kind == "c" and np.array_equal(value, arrays[0])
    # Where there is one, a longer float holds every integer of 64 bits.
    numbers = [
        array.astype(np.longdouble if array.dtype.kind in "iu" else np.float64)
        for array in arrays
    ]
    with np.errstate(all="ignore"):
        right, size = case.right(numbers[0], numbers[-1])
    if value.dtype.kind in "biu":
        return np.array_equal(value.astype(np.longdouble), right)
    limits = jnp.finfo(value.dtype)
    bound = 16 * max(float(limits.eps), coarse) * np.asarray(size)
    overflows = ROWS * np.abs(size) > float(limits.max)
    error = np.abs(value.astype(np.longdouble) - right)
    return bool(np.all((error <= bound) | overflows))


def cases(seed: int, n: int) -> Iterator[Outcome]:
    """Random cases, of a seed each."""
    for number in range(n):
        yield one_case(np.random.default_rng((seed, number)))
