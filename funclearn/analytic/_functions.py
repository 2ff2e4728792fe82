"""The derivatives of the two textbook functions."""

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array

from funclearn._arrays import as_floats
from funclearn.analytic._models import tanh_slope

__all__ = ["sine_of_squares", "tanh_log_ratio"]


def sine_of_squares(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """The partial derivatives of z = sin(x² + y²).

        u     = x² + y²
        z     = sin(u)
        dz/du = cos(u)
        du/dx = 2x,  du/dy = 2y
        dz/dx = cos(x² + y²) · 2x
        dz/dy = cos(x² + y²) · 2y

    Args:
        x: any shape; the derivative is taken entry by entry.
        y: the same shape.

    Returns:
        dz/dx and dz/dy.

    References:
        Neuromatch Academy, Deep Learning, Gradient Descent and AutoGrad, section 1.1.
    """
    x, y = as_floats("x", x, ()), as_floats("y", y, ())
    slope = jnp.cos(x**2 + y**2)
    return slope * 2 * x, slope * 2 * y


def tanh_log_ratio(
    x: ArrayLike, y: ArrayLike, z: ArrayLike
) -> tuple[Array, Array, Array]:
    """The partial derivatives of f = tanh(ln(1 + z · 2x / sin y)).

    Forwards, with a name for every node of the computational graph:

        a = 2x
        b = sin(y)
        c = a / b
        d = z · c
        e = ln(1 + d)
        f = tanh(e)

    Backwards, one factor an edge:

        df/de = 1 - tanh²(e),  de/dd = 1 / (d + 1)
        dd/dc = z,             dd/dz = c
        dc/da = 1 / b,         dc/db = -a / b²
        da/dx = 2,             db/dy = cos(y)

        df/dx = (1 - tanh²(e)) · 1 / (d + 1) · z · 1 / b · 2
        df/dy = (1 - tanh²(e)) · 1 / (d + 1) · z · (-a / b²) · cos(y)
        df/dz = (1 - tanh²(e)) · 1 / (d + 1) · c

    Args:
        x: any shape; the derivative is taken entry by entry.
        y: the same shape, in radians; sin y must not be 0.
        z: the same shape; where 1 + d is not positive, f is not defined.

    Returns:
        df/dx, df/dy and df/dz.

    References:
        Neuromatch Academy, Deep Learning, Gradient Descent and AutoGrad, section 1.3,
        which leaves df/dz to the reader.
    """
    x, y, z = as_floats("x", x, ()), as_floats("y", y, ()), as_floats("z", z, ())
    a = 2 * x
    b = jnp.sin(y)
    c = a / b
    d = z * c
    e = jnp.log(1 + d)
    slope = tanh_slope(jnp.tanh(e)) / (d + 1)
    return slope * z / b * 2, slope * z * (-a / b**2) * jnp.cos(y), slope * c
