"""Operations on vectors of three numbers, with a derivative almost everywhere.

They are what users differentiate: literals of every type, branches, loops, mapped
loops, rules of their own, linear algebra, special functions, orders, indices that are
computed, random numbers. Each takes a vector of moderate numbers and data that do not
depend on it, `(3, 3)` with entries around one.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import jax.scipy.sparse.linalg
import jax.scipy.special as special
import numpy as np
from jax import lax
from jax.experimental.ode import odeint
from jaxtyping import Array

__all__ = ["OPERATIONS", "SLOW"]

_MATRIX = np.array([[2.0, 0.5, 0.0], [0.5, 3.0, 0.25], [0.0, 0.25, 1.5]], np.float32)


def _positive(x: Array) -> Array:
    return jnp.exp(0.3 * jnp.tanh(x))


def _inside(x: Array) -> Array:
    """Between -0.8 and 0.8."""
    return 0.8 * jnp.tanh(x)


def _matrix(x: Array) -> Array:
    """Symmetric, with positive eigenvalues that lie apart."""
    return jnp.asarray(_MATRIX) + 0.1 * jnp.outer(jnp.tanh(x), jnp.tanh(x))


@jax.custom_jvp
def _sine(x: Array, doubled: bool) -> Array:
    return jnp.sin(jnp.where(doubled, 2.0, 1.0) * x)


@_sine.defjvp
def _(
    primals: tuple[Array, bool], tangents: tuple[Array, object]
) -> tuple[Array, Array]:
    x, doubled = primals
    factor = jnp.where(doubled, 2.0, 1.0)
    return _sine(x, doubled), factor * jnp.cos(factor * x) * tangents[0]


@jax.custom_vjp
def _cube(x: Array) -> Array:
    return x**3


_cube.defvjp(lambda x: (x**3, x), lambda x, g: (3 * x**2 * g,))


def _root(y: Array) -> Array:
    """Newton's square root, until nothing changes or the steps are done."""

    @jax.custom_jvp
    def root(y: Array) -> Array:
        return lax.while_loop(
            lambda c: (jnp.abs(c[0] - c[1]) > 0) & (c[2] < 40),
            lambda c: (0.5 * (c[0] + y / c[0]), c[0], c[2] + 1),
            (0.5 * (1 + y), 0 * y, 0),
        )[0]

    root.defjvp(lambda p, t: (root(*p), t[0] / (2 * root(*p))))
    return root(y)


def _fixed_point(x: Array, data: Array) -> Array:
    """The solution of y = tanh(x + y / 4), differentiated implicitly."""

    def solve(f: Callable[[Array], Array], start: Array) -> Array:
        return lax.fori_loop(0, 40, lambda _, y: y - f(y) / 0.9, start)

    def tangent(g: Callable[[Array], Array], y: Array) -> Array:
        return jnp.linalg.solve(jax.jacobian(g)(y), y)

    return lax.custom_root(
        lambda y: y - jnp.tanh(x + 0.25 * y), data[0], solve, tangent
    )


def _scanned(x: Array, data: Array) -> Array:
    def step(carry: tuple[Array, Array, int], row: Array) -> Any:
        total, flag, count = carry
        total = jnp.where(flag, total * row, total + row)
        return (total, ~flag & True, count + 1), total

    (total, _, count), rows = lax.scan(step, (x, jnp.array(False), 0), data)
    return total + rows.sum(0) / count


def _steps_of_time(x: Array, data: Array) -> Array:
    """As many steps of 0.1 as rounding has below one."""
    steps, time = lax.while_loop(
        lambda c: c[1] < 1.0, lambda c: (c[0] + 1, c[1] + 0.1), (0, 0.0)
    )
    return x * (1 + steps) / (1 + time) + data[0]


def _loop_in_loop(x: Array, data: Array) -> Array:
    def inner(y: Array, row: Array) -> Array:
        return lax.fori_loop(0, 2, lambda i, z: jnp.sin(z) * row + i, y)

    return lax.fori_loop(0, 3, lambda i, y: inner(y, jnp.asarray(data)[i]), x)


def _flagged(x: Array, data: Array) -> Array:
    """A loop that a flag ends; scanned, since it is differentiated in reverse."""

    def step(carry: tuple[Array, Array], row: Array) -> Any:
        y, done = carry
        y = jnp.where(done, y, jnp.sin(y + row))
        return (y, done | (jnp.sum(row) > 3.0)), None

    return lax.scan(step, (x, jnp.array(False)), data)[0][0]


def _recorded(x: Array, data: Array) -> Array:
    """Branches by data, by an index, and by a number of Python's."""
    y = lax.cond(data[0, 0] > 1.0, jnp.sin, lambda y: y * 2, x)
    y = lax.switch(jnp.int32(data[1, 0] * 2), [jnp.cos, jnp.tanh, jnp.arctan], y)
    return lax.cond(True, lambda: y, lambda: -y)


def _drawn(x: Array, data: Array) -> Array:
    key = jax.random.key(3)
    mask = jax.random.bernoulli(key, 0.7, x.shape)
    places = jax.random.permutation(key, 3)
    noise = jax.random.normal(jax.random.fold_in(key, 1), x.shape)
    return jnp.where(mask, x, 0.1 * x)[places] * noise + data[0]


def _solved(x: Array, data: Array) -> Array:
    return lax.custom_linear_solve(
        lambda y: _matrix(x) @ y,
        data[0],
        lambda _, y: jnp.linalg.solve(_matrix(x), y),
        symmetric=True,
    )


def _kept_together(x: Array, data: Array) -> Array:
    """Some lanes of a loop end before the others."""

    def lane(y: Array, limit: Array) -> Array:
        def step(carry: tuple[Array, Array], _: None) -> Any:
            z, n = carry
            return (jnp.where(n < limit, jnp.sin(z) + y, z), n + 1.0), None

        return lax.scan(step, (y, jnp.float32(0)), None, length=4)[0][0]

    return jax.vmap(lane)(x, 2 * data[0])


def _expanded(x: Array, data: Array) -> Array:
    """A series, as many terms of it in every lane as its own data say."""

    def count(limit: Array) -> Array:
        start = jnp.array(0)
        return lax.while_loop(lambda n: n * 0.5 < limit, lambda n: n + 1, start)

    return jnp.sin(x) * (1 + lax.stop_gradient(jax.vmap(count)(data[0])))


# By what is special about them.
LITERALS = {
    "mask & True": lambda x, b: jnp.where((b[0] > 1) & True, x, 2 * x),
    "select": lambda x, b: jnp.select([x > b[0], x < -b[0]], [x, 2 * x], jnp.sin(x)),
    "piecewise": lambda x, b: jnp.piecewise(
        x, [b[0] > 1, b[0] > 2], [jnp.sin, jnp.tanh, lambda y: y**2]
    ),
    "logical": lambda x, b: jnp.where(jnp.logical_xor(b[0] > 1, False), x, x**2),
    "any": lambda x, b: x * jnp.any(b > 1, where=True) + jnp.all(b[0] > -1) * x,
    "a bool as a number": lambda x, b: x * True + (b[0] > 1) * x,
    "integers": lambda x, b: x * 2 + jnp.arange(3) // 2 + jnp.uint8(3) * x - 7 % 4,
    "scalars of NumPy": lambda x, b: x * np.float32(0.1) + np.int64(2) - np.bool_(True),
    "half precision": lambda x, b: x * jnp.bfloat16(1.5) + jnp.float16(0.25) * b[0],
    "a rule with a flag": lambda x, b: _sine(x, True) + _sine(b[0], False),
    "select_n": lambda x, b: lax.select_n(jnp.int32(b[0] > 1) + 1, x, 2 * x, x**2),
    "nonfinite literals": lambda x, b: jnp.where(b[0] > -jnp.inf, x, jnp.nan),
}
CONTROL = {
    "scan": _scanned,
    "steps of time": _steps_of_time,
    "loop in loop": _loop_in_loop,
    "flag": _flagged,
    "branches": _recorded,
    "mapped branches": lambda x, b: jax.vmap(
        lambda y, c: lax.cond(c > 1.0, jnp.sin, jnp.tanh, y)
    )(x, b[0]),
    "mapped switch": lambda x, b: jax.vmap(
        lambda y, c: lax.switch(jnp.int32(c), [jnp.sin, jnp.tanh, jnp.square], y)
    )(x, b[0]),
    "mapped loop": lambda x, b: jax.vmap(_root)(_positive(x)),
    "loop mapped twice": lambda x, b: jax.vmap(jax.vmap(_root))(
        _positive(x + b[:2])
    ).sum(0),
    "lanes that end": _kept_together,
    "counts in lanes": _expanded,
    "loop in a branch": lambda x, b: lax.cond(
        b[0, 0] > 1, lambda y: jax.vmap(_root)(_positive(y)), jnp.sin, x
    ),
    "mapped loop in a scan": lambda x, b: lax.scan(
        lambda y, row: (jax.vmap(_root)(_positive(y)) * row, None), x, b
    )[0],
    "checkpoint": jax.checkpoint(lambda x, b: jnp.sin(x) * b[0] + x**2),
    "jit in jit": lambda x, b: jax.jit(lambda y: jax.jit(jnp.sin)(y) * 2)(x),
    "a rule": lambda x, b: _cube(x) * b[0],
    "mapped rule": lambda x, b: jax.vmap(_cube)(x) + jax.vmap(jax.nn.relu)(x),
    "map": lambda x, b: lax.map(lambda y: jnp.sin(y) * 2, x),
    "associative scan": lambda x, b: lax.associative_scan(jnp.multiply, _positive(x)),
    "fixed point": _fixed_point,
    "derivative inside": lambda x, b: jax.vmap(jax.grad(lambda y: jnp.sin(y) ** 2))(x),
    "jvp inside": lambda x, b: jax.jvp(jnp.tanh, (x,), (b[0],))[1],
    "stop_gradient": lambda x, b: x * lax.stop_gradient(b[0]) + jnp.sin(x),
    "remat in a scan": lambda x, b: lax.scan(
        jax.checkpoint(lambda y, row: (jnp.sin(y) + row, None)), x, b
    )[0],
}
ELEMENTS = {
    "trigonometric": lambda x, b: jnp.arctan2(jnp.sin(x), 2 + jnp.cos(x)) + jnp.sinc(x),
    "hyperbolic": lambda x, b: jnp.arcsinh(x) + jnp.arctanh(_inside(x)) + jnp.cosh(x),
    "powers": lambda x, b: x**3 + _positive(x) ** 1.7 + _positive(x) ** -2 + 2.0**x,
    "roots": lambda x, b: (
        jnp.sqrt(_positive(x)) + lax.rsqrt(_positive(x)) + jnp.cbrt(x)
    ),
    "erf": lambda x, b: lax.erf(x) + lax.erfc(x) * b[0],
    "erf_inv": lambda x, b: lax.erf_inv(_inside(x)),
    "lgamma": lambda x, b: special.gammaln(1 + _positive(x)),
    "digamma": lambda x, b: special.digamma(1 + _positive(x)),
    "igamma": lambda x, b: special.gammainc(1 + b[0], _positive(x)),
    "bessel": lambda x, b: special.i0e(x) + special.i1e(x),
    "logistic": lambda x, b: jax.nn.sigmoid(x) + jax.nn.softplus(x) + jax.nn.gelu(x),
    "clip": lambda x, b: jnp.clip(x, -b[0], 2.5 * b[0]) + lax.clamp(-3.0, x, 3.0),
    "where": lambda x, b: jnp.where(x > 0, x, jnp.expm1(x)),
    "safe root": lambda x, b: jnp.sqrt(jnp.where(b[0] > 1, jnp.abs(x) + 1, 1.0)),
    "edge of a domain": lambda x, b: x * jnp.sqrt(1 - jnp.array([1.0, 0.5, 0.25]) ** 2),
    "arc of one": lambda x, b: x + jnp.arccos(b[0] / b[0]) + jnp.log(b[0] / b[0]),
    "precision": lambda x, b: lax.reduce_precision(x, 8, 10) + x.astype(jnp.bfloat16),
    "bits of data": lambda x, b: (
        x * (lax.bitcast_convert_type(b[0], jnp.int32) % 3 + 1)
    ),
    "remainder of data": lambda x, b: x * (b[0] % 0.5) + x * jnp.fmod(b[1], 0.25),
    "complex": lambda x, b: jnp.abs(jnp.exp(1j * x) + 2 * b[0]) + jnp.angle(1j + x),
    "real and imaginary": lambda x, b: (
        jnp.real((x + 1j * b[0]) ** 2) + jnp.imag(1j * x)
    ),
    "logs": lambda x, b: jnp.log1p(_positive(x)) + jnp.logaddexp(x, b[0]),
    "xlogy": lambda x, b: special.xlogy(jnp.arange(3.0), _positive(x)),
    "special": lambda x, b: special.ndtri(0.5 + 0.4 * jnp.tanh(x)) + special.expit(x),
    "gamma": lambda x, b: special.gamma(1.3 + 0.5 * jnp.tanh(x)),
    "betainc": lambda x, b: special.betainc(1 + b[0], 2.0, 0.5 + 0.4 * jnp.tanh(x)),
    "polygamma": lambda x, b: special.polygamma(1, 1 + _positive(x)),
    "nan_to_num": lambda x, b: jnp.nan_to_num(x) + jnp.where(jnp.isnan(x), 0.0, x),
    "straight through": lambda x, b: x + lax.stop_gradient(jnp.round(b[0]) - b[0]),
    "barrier": lambda x, b: lax.optimization_barrier(jnp.sin(x)),
}
ORDERS = {
    "sort": lambda x, b: jnp.sort(x + b[0]),
    "sort by data": lambda x, b: lax.sort_key_val(b[0] * 0.1, jnp.sin(x))[1],
    "sort of several": lambda x, b: lax.sort((jnp.int32(b[0]), b[1], x), num_keys=2)[2],
    "argsort of data": lambda x, b: x[jnp.argsort(b[0] * 0.3)] ** 2,
    "argsort": lambda x, b: x[jnp.argsort(-x)] * b[0],
    "top_k": lambda x, b: jnp.concatenate([lax.top_k(x + b[0], 2)[0], x[:1]]),
    "top_k of data": lambda x, b: x[lax.top_k(b[0], 3)[1]],
    "median": lambda x, b: x + jnp.median(x * b[0]),
    "median of data": lambda x, b: x * jnp.median(jnp.abs(b), axis=0),
    "percentiles": lambda x, b: jnp.percentile(x, jnp.array([25.0, 40.0, 70.0])),
    "argmax": lambda x, b: x[jnp.argmax(x * b[0])] + x,
    "maximum": lambda x, b: jnp.maximum(x, b[0]) + jnp.max(x) - jnp.min(b),
    "cumulative": lambda x, b: jnp.cumsum(x) + jnp.cumprod(_positive(x)),
    "cumulative maximum": lambda x, b: lax.cummax(x) + lax.cumlogsumexp(x),
    "searchsorted": lambda x, b: x[jnp.searchsorted(jnp.arange(3.0), b[0] / 2) % 3],
    "interp": lambda x, b: jnp.interp(
        x, jnp.linspace(-9, 9, 19), jnp.arange(19.0) ** 2
    ),
    "digitize": lambda x, b: x * jnp.digitize(b[0], jnp.linspace(0, 3, 7)),
    "unique": lambda x, b: x * jnp.unique(jnp.round(b[0]), size=3, fill_value=1),
    "histogram": lambda x, b: x * jnp.histogram(b, bins=3)[0],
    "norms": lambda x, b: x / (1 + jnp.linalg.norm(x)) + jnp.std(x) + jnp.var(b),
}
INDICES = {
    "linspace as integers": lambda x, b: x[jnp.linspace(0, 2, 3).astype(int)] * b[0],
    "sevenths": lambda x, b: jnp.tile(x, 3)[(jnp.arange(3) / 7 * 7).astype(int)] ** 2,
    "floor of a quotient": lambda x, b: x[
        jnp.floor(jnp.arange(3) * 0.1 / 0.1).astype(int)
    ],
    "equal numbers": lambda x, b: jnp.where(b[0] * 2 == b[0] + b[0], x, x**2),
    "a share": lambda x, b: jnp.where(b[0] / jnp.sum(b[0]) >= 0.25, x, 0.5 * x),
    "buckets": lambda x, b: (
        jax.nn.one_hot(jnp.floor(b[0] / 0.5).astype(int) % 3, 3) @ x
    ),
    "gather that fills": lambda x, b: x.at[jnp.array([0, 5, 2])].get(
        mode="fill", fill_value=2.0
    ),
    "gather that clips": lambda x, b: x.at[jnp.array([0, 5, -1])].get(mode="clip"),
    "scatter": lambda x, b: x.at[jnp.array([0, 0, 2])].add(b[0]).at[1].multiply(2.0),
    "scatter of extremes": lambda x, b: (
        x.at[0].max(b[0, 0]).at[jnp.array([1])].min(x[2])
    ),
    "segments": lambda x, b: jax.ops.segment_sum(x * b[0], jnp.array([0, 2, 0]), 3),
    "dynamic slices": lambda x, b: lax.dynamic_update_slice(
        x, lax.dynamic_slice(x, (jnp.int32(b[0, 0]),), (2,)), (0,)
    ),
    "roll and pad": lambda x, b: lax.pad(jnp.roll(x, 1), 0.5, [(1, -1, 0)]),
    "split": lambda x, b: jnp.concatenate([*jnp.split(x, 3)[::-1]]),
    "take_along_axis": lambda x, b: jnp.take_along_axis(x, jnp.int32(b[0]) % 3, 0),
    "nonzero": lambda x, b: x[jnp.nonzero(b[0] > 1, size=3)[0]],
    "drawn": _drawn,
    "draws": lambda x, b: (
        x
        + jax.random.uniform(jax.random.key(1), (3,))
        + jnp.mean(jax.random.gamma(jax.random.key(2), b[0]))
    ),
    "bits": lambda x, b: x * (jax.random.bits(jax.random.key(2), (3,)) % 5),
    "choice": lambda x, b: jax.random.choice(
        jax.random.key(4), x, (3,), p=b[0] / b[0].sum()
    ),
    "categorical": lambda x, b: x[jax.random.categorical(jax.random.key(4), b)],
    "meshgrid": lambda x, b: jnp.sum(
        jnp.meshgrid(x, b[0])[0] * jnp.indices((3, 3))[0], 0
    ),
}
ALGEBRA = {
    "dot": lambda x, b: (
        b @ x + jnp.dot(x, b, preferred_element_type=jnp.float32, precision="highest")
    ),
    "einsum": lambda x, b: jnp.einsum("i,ij,jk->k", x, b, _matrix(x)),
    "convolution": lambda x, b: jnp.convolve(x, b[0], mode="same"),
    "convolution of images": lambda x, b: lax.conv_general_dilated(
        jnp.outer(x, x)[None, None], b[None, None], (1, 1), "SAME"
    )[0, 0].sum(0),
    "windows": lambda x, b: (
        lax.reduce_window(x, 0.0, lax.add, (2,), (1,), "SAME")
        + lax.reduce_window(x, -jnp.inf, lax.max, (2,), (1,), "SAME")
    ),
    "solve": lambda x, b: jnp.linalg.solve(_matrix(x), b[0]),
    "triangular": lambda x, b: jax.scipy.linalg.solve_triangular(_matrix(x), b[0]),
    "custom solve": _solved,
    "cholesky": lambda x, b: jnp.linalg.cholesky(_matrix(x)) @ b[0],
    "eigenvalues": lambda x, b: jnp.linalg.eigvalsh(_matrix(x)),
    "eigenvectors": lambda x, b: jnp.linalg.eigh(_matrix(x))[1][:, 0] ** 2,
    "singular values": lambda x, b: jnp.linalg.svd(_matrix(x), compute_uv=False),
    "qr": lambda x, b: jnp.abs(jnp.diag(jnp.linalg.qr(_matrix(x))[1])),
    "lu": lambda x, b: jax.scipy.linalg.lu_solve(
        jax.scipy.linalg.lu_factor(_matrix(x)), b[0]
    ),
    "lu of data": lambda x, b: jax.scipy.linalg.lu_solve(
        jax.scipy.linalg.lu_factor(jnp.asarray(_MATRIX[::-1])), x
    ),
    "determinant": lambda x, b: x * jnp.linalg.slogdet(_matrix(x))[1],
    "inverse": lambda x, b: jnp.linalg.inv(_matrix(x)) @ x,
    "pinv": lambda x, b: jnp.linalg.pinv(_matrix(x)) @ b[0],
    "lstsq": lambda x, b: jnp.linalg.lstsq(_matrix(x), b[0])[0],
    "expm": lambda x, b: jax.scipy.linalg.expm(0.1 * _matrix(x)) @ b[0],
    "fft": lambda x, b: jnp.abs(jnp.fft.fft(x)) + jnp.fft.irfft(jnp.fft.rfft(x) * 2, 3),
    "conjugate gradients": lambda x, b: jax.scipy.sparse.linalg.cg(_matrix(x), b[0])[0],
    "logsumexp": lambda x, b: x + special.logsumexp(x, b=b[0]) + jax.nn.log_softmax(x),
    "products": lambda x, b: x * jnp.prod(_positive(x)) + jnp.cross(x, b[0]),
}
SLOW = {
    "mapped gradients": lambda x, b: jax.vmap(
        lambda y: jax.scipy.sparse.linalg.cg(jnp.eye(2) * (3 + jnp.tanh(y)), b[0, :2])[
            0
        ][0]
    )(x),
    "odeint": lambda x, b: odeint(lambda y, t: -y * t, x, jnp.linspace(0.0, 1.0, 3))[
        -1
    ],
    "mapped odeint": lambda x, b: jax.vmap(
        lambda w: odeint(lambda y, t, q: -q * y, 1.0, jnp.linspace(0.0, 1.0, 3), w)[-1]
    )(jnp.tanh(x)),
    "expi": lambda x, b: special.expi(0.6 + 0.3 * jnp.tanh(x)),
}
"""Operations whose loops take long to compile."""

OPERATIONS = LITERALS | CONTROL | ELEMENTS | ORDERS | INDICES | ALGEBRA
