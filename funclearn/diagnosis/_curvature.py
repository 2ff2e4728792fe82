"""How strongly a loss bends, and which learning rates it therefore allows.

Near a point the loss is a quadratic, and gradient descent shrinks its part along a
direction of curvature λ by the factor 1 - ηλ a step. It is stable where every factor
lies between -1 and 1, so the largest curvature sets the largest learning rate, and the
smallest one the number of steps: about λ_max / λ_min times as many.

    η < 2 / λ_max                          gradient descent
    η < 2 (1 + m) / λ_max                  with momentum m
    η < 2 (1 + m) / (1 + 2 m) / λ_max      with Nesterov's momentum m
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray

from funclearn._checks import check_floating, integer_at_least, is_static_number
from funclearn._notes import bound, trainable
from funclearn._types import Batch, Objective, Params, Scalar, ScalarLike

__all__ = ["Stability", "check_momentum", "stability"]

Vector = Float[Array, " n"]
Curvatures = Float[Array | np.ndarray, "..."]  # one, or one a lane of a mapped call
Product: TypeAlias = Callable[[Vector], Vector]
"""The Hessian times a vector."""

Ends: TypeAlias = tuple[Scalar, Scalar, Scalar]
"""The largest and the smallest curvature, and how far off they may be."""


class Stability(NamedTuple):
    """The curvatures of an objective at one point.

    Attributes:
        largest: the largest eigenvalue of the Hessian.
        smallest: the smallest one; negative at a saddle or on a hill.
        error: an eigenvalue lies within this distance of either, rounding included.
        input_scale: root mean square of every input column, what to divide it by; for
            a line and the mean squared error the scale of the smallest condition
            number. None for a batch whose `inputs` are not one floating-point array.
    """

    largest: Curvatures
    smallest: Curvatures
    error: Curvatures
    input_scale: Float[Array, "..."] | None

    @property
    def condition(self) -> Curvatures:
        """The condition number; infinite if the smallest curvature may be zero."""
        positive = self.smallest > self.error
        ratio = self.largest / jnp.where(positive, self.smallest, 1.0)
        return jnp.where(positive, ratio, jnp.inf)

    def limit(
        self, momentum: ScalarLike = 0.0, *, nesterov: bool = False
    ) -> Curvatures:
        """The largest stable learning rate; infinite where nothing curves upwards.

        Args:
            momentum: m, between 0 and 1.
            nesterov: whether the momentum is Nesterov's.

        Raises:
            TypeError: if `momentum` is not a number.
            ValueError: if it is not between 0 and 1.
        """
        check_momentum(momentum)
        factor = 2 * (1 + momentum)
        if nesterov:
            factor = factor / (1 + 2 * momentum)
        return factor / jnp.maximum(self.largest, 0.0)


def stability(
    objective: Objective,
    params: Params,
    batch: Batch,
    key: PRNGKeyArray | None = None,
    *,
    products: int = 64,
) -> Stability:
    """The largest and the smallest curvature, from Hessian-vector products.

    Up to `products` parameters the whole Hessian is made; beyond, Lanczos' method with
    full re-orthogonalisation finds both ends of its spectrum. It is a pure function,
    to be compiled or mapped. Rates for Adam and its like do not follow from it. Where
    some parameters are frozen, give the free ones as `params` and an objective that
    puts the others in, since those would count too.

    Args:
        objective: `(params, batch, key) -> scalar`, twice differentiable.
        params: where to look; any pytree of floating-point arrays.
        batch: the data, usually all of the training data.
        key: given to the objective. One that draws is judged by a single draw: with
            None always by the same.
        products: the largest number of Hessian-vector products.

    Raises:
        TypeError: if a parameter is not floating-point, or all have fewer than 32 bits.
        ValueError: if there are no parameters, or `products` is less than 1.

    References:
        Golub and Van Loan, Matrix Computations, 4th edition, section 10.3.
        Goh, Why momentum really works, 2017.

    Example:
        >>> def objective(params, batch, key):
        ...     return 3 * params["a"] ** 2 + params["b"] ** 2  # curvatures 6 and 2
        >>> params = {"a": 1.0, "b": 1.0}
        >>> found = fl.diagnosis.stability(objective, params, jnp.zeros(1))
        >>> print(f"{found.largest:.3f} {found.limit():.3f}")  # 2 / 6
        6.000 0.333
    """
    objective, params = bound(objective, params), trainable(params)
    check_floating("params", params)
    products = integer_at_least("products", products, 1)
    key = jax.random.key(0) if key is None else key
    point, unravel = ravel_pytree(params)
    if not point.size:
        raise ValueError(f"params must hold at least one number; got {params!r}.")
    if jnp.finfo(point.dtype).bits < 32:
        raise TypeError(
            "params must be of single or double precision, for eigenvalues exist in "
            f"these alone; got {point.dtype}."
        )
    slope = jax.grad(lambda point: objective(unravel(point), batch, key))

    def product(vector: Vector) -> Vector:
        return jax.jvp(slope, (point,), (vector,))[1]

    # Products in less than the point's own precision would not stay orthogonal.
    with jax.default_matmul_precision("highest"):
        ends = (_dense if point.size <= products else _lanczos)(
            product, point, products
        )
    inputs = getattr(batch, "inputs", None)
    return Stability(*ends, _root_mean_square(inputs))


def check_momentum(momentum: object) -> None:
    """Refuses a momentum that is no number between 0 and 1.

    Raises:
        TypeError: if it is not a number.
        ValueError: if it is known and not between 0 and 1.
    """
    if is_static_number(momentum):
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum must be between 0 and 1; got {momentum}.")
    elif isinstance(momentum, bool) or not hasattr(momentum, "dtype"):
        raise TypeError(f"momentum must be a number; got {momentum!r}.")


def _dense(product: Product, point: Vector, _: int) -> Ends:
    hessian = jax.vmap(product)(jnp.eye(point.size, dtype=point.dtype))
    curvatures = jnp.linalg.eigvalsh(hessian)
    # The error of a symmetric eigenvalue solver grows with the number of rows.
    rounding = point.size * jnp.finfo(point.dtype).eps
    return curvatures[-1], curvatures[0], rounding * jnp.max(jnp.abs(curvatures))


_Carry: TypeAlias = tuple[Float[Array, "steps n"], Vector, Scalar]


def _lanczos(product: Product, point: Vector, steps: int) -> Ends:
    epsilon = jnp.finfo(point.dtype).eps

    def step(carry: _Carry, row: Array) -> tuple[_Carry, tuple[Scalar, Scalar]]:
        basis, vector, scale = carry
        basis = basis.at[row].set(vector)
        image = product(vector)
        diagonal = vector @ image
        scale = jnp.maximum(scale, _norm(image))
        for _ in range(2):  # once leaves rounding errors that grow
            image -= (basis @ image) @ basis
        length = _norm(image)
        # What is left below rounding is no direction: the rest stays zero.
        left = length > point.size**0.5 * epsilon * scale
        vector = jnp.where(left, image / jnp.where(left, length, 1.0), 0.0)
        return (basis, vector, scale), (diagonal, jnp.where(left, length, 0.0))

    start = _spread(point)
    carry = jnp.zeros((steps, point.size), point.dtype), start, jnp.zeros_like(start[0])
    (basis, _, scale), (diagonal, lengths) = jax.lax.scan(
        step, carry, jnp.arange(steps)
    )
    # Rows that were not reached get a value from within the spectrum.
    reached = jnp.any(basis != 0, axis=1)
    tridiagonal = (
        jnp.diag(jnp.where(reached, diagonal, diagonal[0]))
        + jnp.diag(lengths[:-1], 1)
        + jnp.diag(lengths[:-1], -1)
    )
    curvatures, vectors = jnp.linalg.eigh(tridiagonal)
    residuals = lengths[-1] * jnp.abs(vectors[-1, jnp.array([0, -1])])
    error = jnp.max(residuals) + steps * epsilon * scale
    return curvatures[-1], curvatures[0], error


def _norm(vector: Vector) -> Scalar:
    """Euclidean norm; no square leaves the range of the dtype."""
    reach = jnp.max(jnp.abs(vector))
    return reach * jnp.linalg.norm(vector / jnp.where(reach > 0, reach, 1.0))


def _spread(point: Vector) -> Vector:
    """A fixed direction with a part along whatever eigenvector a problem may have."""
    # Fractions of multiples of the golden ratio, in 32-bit integers.
    multiples = jnp.arange(1, point.size + 1, dtype=jnp.uint32) * jnp.uint32(2654435769)
    direction = multiples.astype(point.dtype) / 2.0**32 - 0.5
    return direction / jnp.linalg.norm(direction)


def _root_mean_square(inputs: object) -> Array | None:
    if not isinstance(inputs, jax.Array | np.ndarray):
        return None
    if not jnp.issubdtype(inputs.dtype, jnp.floating):
        return None
    # Columns are brought to 1 first: their squares could leave the dtype's range.
    reach = jnp.max(jnp.abs(jnp.asarray(inputs)), axis=0, keepdims=True)
    reach = jnp.where(reach > 0, reach, 1.0)
    size = reach[0] * jnp.sqrt(jnp.mean(jnp.square(inputs / reach), axis=0))
    return jnp.where(size > 0, size, 1.0)
