"""Random programs with loops: what a swept run could hold, and much that none does.

A program is drawn from its seed alone. Its operations are those of JAX within loops,
on arrays of all dtypes; values are arguments, captured arrays, literals, and constants
that XLA can compute beforehand, small and large; loops are nested, have several
results, and leave arguments unused. What JAX refuses for its operands is left out.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name

__all__ = ["Program", "draw"]

SHAPES = [(), (), (1,), (3,), (3,), (5,), (2, 3), (3, 3), (1, 4), (17,), (2, 2, 2)]
FLOATS = ["float32"] * 6 + ["float64", "float16", "bfloat16"]
OTHERS = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 complex64 complex128"
RARE = "int4 uint4 float8_e4m3fn float8_e5m2".split()
DTYPES = [*FLOATS * 2, *OTHERS.split(), *"int32 uint32 bool".split()]
MOST_TRIPS = 4


class Program(NamedTuple):
    """A function of named arrays, and values for a number of lanes."""

    function: Callable[..., Any]
    values: dict[str, Any]


UNARY = """abs acos acosh asin asinh atan atanh bitwise_not cbrt ceil clz conj cos cosh
digamma erf erf_inv erfc exp exp2 expm1 floor imag is_finite lgamma log log1p logistic
neg population_count real round rsqrt sign sin sinh sqrt square tan tanh""".split()
BINARY = """add atan2 bitwise_and bitwise_or bitwise_xor complex div eq ge gt le lt max
min mul ne nextafter pow rem shift_left shift_right_arithmetic shift_right_logical
sub""".split()
WILD_UNARY, WILD_BINARY = ["bessel_i0e", "bessel_i1e"], ["igamma", "igammac", "zeta"]
REDUCTIONS = "sum prod max min any all argmax argmin mean std ptp nansum".split()
SCANS = "cumsum cumprod cummax cummin cumlogsumexp".split()
MATRICES = "cholesky qr svd eigh lu".split()


@jax.custom_jvp
def _with_rule(x: Any) -> Any:
    return jnp.sin(x)


_with_rule.defjvp(lambda primals, tangents: (_with_rule(*primals), tangents[0]))


@jax.custom_batching.custom_vmap
def _together(x: Any) -> Any:
    return x * 2


@_together.def_vmap
def _together_vmap(axis_size: int, batched: Any, x: Any) -> tuple[Any, bool]:
    del axis_size
    return _together(x), batched[0]


class _Drawing:
    """Draws a program while JAX traces it: the same seed draws the same one."""

    def __init__(self, seed: Sequence[int]) -> None:
        self.rng = np.random.default_rng(seed)
        # Most programs have no operation at which a loop is left alone as a matter of
        # course, or few would be compiled whole.
        self.wild = self.chance(0.15)
        self.captured = [self.array(self.shape()) for _ in range(2)]
        self.captured.append(self.array((self.rng.choice([700, 1500, 3000]),)))

    def choose(self, choices: Sequence[Any]) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def shape(self) -> tuple[int, ...]:
        return self.choose(SHAPES)

    def dtype(self) -> Any:
        chosen = self.choose(RARE if self.wild and self.chance(0.1) else DTYPES)
        # What JAX makes of it, without the warning that 64 bits are not enabled.
        return jax.dtypes.canonicalize_dtype(chosen)

    def array(self, shape: tuple[int, ...], dtype: Any = None) -> np.ndarray:
        dtype = self.dtype() if dtype is None else dtype
        numbers = self.rng.normal(size=shape)
        if not jnp.issubdtype(dtype, jnp.inexact):
            numbers = 2 * np.abs(numbers) + 1
        elif jnp.issubdtype(dtype, jnp.complexfloating):
            numbers = numbers + 1j * self.rng.normal(size=shape)
        return np.asarray(numbers).astype(dtype)

    def value(self, known: list[Any]) -> Any:
        """A value at hand, captured, written down, or computed from nothing."""
        if known and self.chance(0.7):
            return self.choose(known)
        shape, dtype = self.shape(), self.dtype()
        match self.rng.integers(8):
            case 0:
                return jnp.linspace(0, 1, 3)
            case 1:
                return jnp.full(shape, self.choose([0, 1, 2, -1, 3]), dtype)
            case 2:
                return jnp.asarray(self.array(shape, dtype))
            case 3:
                return lax.iota(jnp.int32, self.choose([1, 4, 3000]))
            case 4:
                length = self.choose([2, 2, 2, 5000])
                return jnp.pad(jnp.ones(1, dtype), (0, length))
            case 5:
                # Random numbers are slow to compile, so few programs have them.
                if self.chance(0.15):
                    return jax.random.normal(jax.random.key(1), shape)
                return jnp.asarray(self.choose(self.captured))
            case 6:
                return jnp.eye(3, dtype=dtype)
        return jnp.asarray(self.choose([0, 1, 2.0, -0.5, 3]))

    def operation(self, known: list[Any]) -> Any:
        """One operation on values at hand."""
        x, y = self.value(known), self.value(known)
        kinds = [
            self.elementwise,
            self.elementwise,
            self.elementwise,
            self.reduction,
            self.movement,
            self.indexing,
            self.product,
            self.call,
            self.call,
            self.random if self.chance(0.2) else self.movement,
        ]
        return self.choose([*kinds, *[self.unusual] * 3 * self.wild])(x, y)

    def elementwise(self, x: Any, y: Any) -> Any:
        match self.rng.integers(6):
            case 0 | 1:
                return getattr(lax, self.choose(UNARY))(x)
            case 2 | 3:
                return getattr(lax, self.choose(BINARY))(x, like(y, x))
            case 4:
                return lax.select(x > 0, x, like(y, x))
        chosen = [
            lambda: lax.clamp(-x, x, x),
            lambda: lax.integer_pow(x, self.choose([2, 3, -1, 0])),
            lambda: lax.reduce_precision(x, 5, 4),
            lambda: x.astype(self.dtype()),
            lambda: jnp.where(jnp.isnan(x), like(y, x), x),
            lambda: lax.bitcast_convert_type(x, jnp.uint32),
            lambda: x + y,
        ]
        return self.choose(chosen)()

    def reduction(self, x: Any, _: Any) -> Any:
        if self.chance(0.3):
            name = self.choose(SCANS)
            if name == "cumlogsumexp":
                x = x.astype(float)  # JAX accepts integers, and fails later
            return getattr(lax, name)(x, reverse=self.chance(0.5))
        axis = self.choose([None, 0, -1])
        return getattr(jnp, self.choose(REDUCTIONS))(x, axis=axis)

    def movement(self, x: Any, y: Any) -> Any:
        chosen = [
            lambda: x.T,
            lambda: x.reshape(-1),
            lambda: jnp.concatenate([x, like(y, x)]),
            lambda: x[::-1],
            lambda: x[..., :1],
            lambda: lax.pad(x, x.ravel()[0], [(1, self.choose([0, 0, 2, 2, 900]), 0)]),
            lambda: jnp.expand_dims(x, 0),
            lambda: jnp.squeeze(x),
            lambda: jnp.broadcast_to(x, (2, *x.shape)),
            lambda: jnp.tile(x, 2),
            lambda: jnp.roll(x, 1),
            lambda: lax.optimization_barrier(x),
        ]
        return self.choose(chosen)()

    def indexing(self, x: Any, y: Any) -> Any:
        place = jnp.abs(jnp.real(y).ravel()[0]).astype(jnp.int32) % 3
        places = jnp.asarray([0, 2, 1, 2])
        chosen = [
            lambda: x[place],
            lambda: x[places],
            lambda: x.at[place].set(x.ravel()[0]),
            lambda: x.at[places].set(x.ravel()[0]),
            lambda: lax.dynamic_slice_in_dim(x, place, 1),
            lambda: lax.dynamic_update_slice_in_dim(x, x[:1], place, 0),
            lambda: jnp.take_along_axis(x, places[: x.shape[0]], 0),
        ]
        return self.choose(chosen)()

    def product(self, x: Any, y: Any) -> Any:
        chosen = [
            lambda: jnp.dot(x, like(y, x)),
            lambda: jnp.outer(x, x),
            lambda: jnp.einsum("ij,kj->ik", x, x),
            lambda: x.reshape(-1, 1) @ x.reshape(1, -1),
            lambda: jnp.vdot(x, x),
            lambda: lax.dot_general(x, x, (((0,), (0,)), ((), ()))),
        ]
        return self.choose(chosen)()

    def random(self, x: Any, y: Any) -> Any:
        number = jnp.abs(jnp.real(y).ravel()[0]).astype(jnp.int32)
        key = jax.random.fold_in(jax.random.key(self.choose([0, 7])), number)
        chosen = [
            lambda: jax.random.normal(key, x.shape),
            lambda: jax.random.uniform(jax.random.split(key)[1], x.shape),
            lambda: jax.random.bits(key, x.shape),
            lambda: jax.random.bernoulli(key, 0.5, x.shape),
            lambda: jax.random.key_data(key),
            lambda: jax.random.randint(key, x.shape, 0, 5),
        ]
        return self.choose(chosen)()

    def call(self, x: Any, y: Any) -> Any:
        positive = jnp.real(x).ravel()[0] > 0
        chosen = [
            lambda: jax.jit(lambda a, b: a * 2 + jnp.sum(b))(x, y),
            lambda: jax.checkpoint(lambda a: jnp.sin(a) * 2)(x),
            lambda: _with_rule(x),
            lambda: _together(x),
            lambda: jax.nn.relu(x),
            lambda: jax.nn.logsumexp(x),
            lambda: lax.cond(positive, lambda a: a * 2, lambda a: a, x),
            lambda: lax.switch(jnp.int32(positive), [jnp.sin, jnp.cos], x),
            lambda: lax.cond(True, lambda: x, lambda: -x),
            lambda: jax.vmap(lambda a: a * jnp.sum(y))(x),
            lambda: jax.grad(lambda a: jnp.sum(jnp.tanh(a) * a))(x),
            lambda: checkpoint_name(x, "named"),
            lambda: jax.vmap(lambda a: lax.psum(a, "i"), axis_name="i")(x),
        ]
        return self.choose(chosen)()

    def unusual(self, x: Any, y: Any) -> Any:
        square = jnp.eye(3) + 0.1 * jnp.resize(jnp.real(x), (3, 3))
        chosen = [
            lambda: getattr(lax.linalg, self.choose(MATRICES))(square)[0],
            lambda: jnp.linalg.solve(square, square[0]),
            lambda: lax.linalg.triangular_solve(square, square, left_side=True),
            lambda: jnp.abs(jnp.fft.fft(x)),
            lambda: lax.betainc(like(1, x), like(1, x), x),
            lambda: getattr(lax, self.choose(WILD_UNARY))(x),
            lambda: getattr(lax, self.choose(WILD_BINARY))(x, like(y, x)),
            lambda: lax.polygamma(like(1, x), x),
            lambda: lax.reduce(x, like(1, x)[(0,) * x.ndim], lax.max, (0,)),
            lambda: lax.reduce_window(x, 0.0, lax.add, (2,), (1,), "SAME"),
            lambda: x.at[jnp.asarray([0, 2, 1, 2])].add(1),
            lambda: x.at[jnp.asarray([0, 2, 1, 2])].mul(x.ravel()[0]),
            lambda: x.at[0].max(x.ravel()[-1]),
            lambda: jnp.sort(x),
            lambda: jnp.argsort(x),
            lambda: lax.top_k(x, 2)[1],
            lambda: jnp.nonzero(x, size=3)[0],
            lambda: jnp.convolve(x, like(y, x)[:2], mode="same"),
            lambda: jax.random.permutation(jax.random.key(1), x),
            lambda: jax.random.gamma(jax.random.key(2), jnp.abs(like(x, jnp.ones(())))),
            lambda: x.astype(self.choose(RARE)),
        ]
        return self.choose(chosen)()

    def operations(self, known: list[Any], count: int) -> list[Any]:
        """The values at hand after some operations."""
        known = list(known)
        while count:
            try:
                made = self.operation(known)
                size = jnp.size(made)
            except (TypeError, ValueError, IndexError, NotImplementedError, KeyError):
                made, size = None, 0
            count -= 1
            if 0 < size <= 6000:
                known.append(jnp.asarray(made))
        return known

    def loop(self, known: list[Any], depth: int) -> list[Any]:
        """A loop that carries some values and reads others."""
        carry = [self.value(known) for _ in range(self.rng.integers(1, 4))]
        seen = [self.value(known) for _ in range(self.rng.integers(0, 3))]
        trips = int(self.rng.integers(1, MOST_TRIPS + 1))
        state = self.rng.bit_generator.state

        def body(carry: list[Any], row: list[Any]) -> tuple[list[Any], list[Any]]:
            # JAX may trace a body more than once.
            self.rng.bit_generator.state = state
            at_hand = [*carry, *seen, *row]
            if depth and self.chance(0.2):
                at_hand += self.loop(at_hand, depth - 1)
            made = self.operations(at_hand, int(self.rng.integers(1, 3)))
            new = [
                old if self.chance(0.15) else like(self.value(made), old)
                for old in carry
            ]
            return new, [self.value(made) for _ in range(2)]

        kind = self.rng.integers(4)
        if kind == 0:
            ended = lax.fori_loop(0, trips, lambda i, c: body(c, [i])[0], carry)
        elif kind == 1:
            ended = lax.while_loop(
                lambda c: c[0] < trips,
                lambda c: [c[0] + 1, *body(c[1:], [c[0]])[0]],
                [jnp.int32(0), *carry],
            )
        elif kind == 2:
            limit = like(jnp.abs(self.value(known)), jnp.ones(())) + 2
            ended = lax.while_loop(
                lambda c: (c[0] < MOST_TRIPS) & (c[0] < limit),
                lambda c: [c[0] + 1, *body(c[1:], [])[0]],
                [jnp.int32(0), *carry],
            )
        else:
            rows = [jnp.arange(trips), jnp.asarray(self.array((trips, 3)))]
            reverse = self.chance(0.3)
            ended, stacked = lax.scan(body, carry, rows, reverse=reverse)
            ended = [*ended, *stacked]
        self.rng = np.random.default_rng([*map(int, self.rng.integers(2**31, size=2))])
        return list(ended)


def like(value: Any, other: Any) -> Any:
    """Brings a value to the shape and dtype of another."""
    value = jnp.asarray(value)
    if not jnp.issubdtype(other.dtype, jnp.complexfloating):
        value = jnp.real(value) if jnp.iscomplexobj(value) else value
    if value.shape != other.shape:
        value = value.ravel()[:1].sum() if value.size > 1 else value.reshape(())
    return jnp.broadcast_to(value, other.shape).astype(other.dtype)


def draw(seed: Sequence[int], lanes: int) -> Program:
    """Draws a program.

    Args:
        seed: what it is drawn from, numbers.
        lanes: number of values of each argument.
    """
    inputs = _Drawing(seed)
    count = int(inputs.rng.integers(1, 4))
    kinds = [(inputs.shape(), inputs.dtype()) for _ in range(count)]
    values: dict[str, Any] = {
        f"x{place}": inputs.array((lanes, *shape), dtype)
        for place, (shape, dtype) in enumerate(kinds)
    }
    if inputs.chance(0.1):
        values["key"] = jax.random.split(jax.random.key(seed[0]), lanes)

    def function(**arguments: Any) -> Any:
        drawing = _Drawing(seed)
        known = [arguments[name] for name in values if name != "key"]
        if "key" in arguments:
            known.append(jax.random.uniform(arguments["key"], (3,)))
        known = drawing.operations(known, int(drawing.rng.integers(0, 2)))
        known += drawing.loop(known, depth=2)
        known = drawing.operations(known, int(drawing.rng.integers(0, 2)))
        return known[-4:], drawing.value(known)

    return Program(function, values)
