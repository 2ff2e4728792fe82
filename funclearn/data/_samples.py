"""The sources' own data."""

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from funclearn._checks import check_key, integer_at_least
from funclearn.data._dataset import Dataset

__all__ = ["noisy_sine", "thermometer"]


def thermometer() -> Dataset:
    """Eleven readings of a thermometer in an unknown unit, and the degrees Celsius.

    Returns:
        Inputs `(11,)`, the readings, and targets `(11,)` in °C.

    References:
        Stevens, Antiga, Viehmann, Deep Learning with PyTorch, 2020, section 5.2.

    Example:
        >>> readings, celsius = fl.data.thermometer()
        >>> print(readings.shape, f"{readings[0]:.1f} reads {celsius[0]:.1f} °C")
        (11,) 35.7 reads 0.5 °C
    """
    readings = [35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4]
    celsius = [0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0]
    return Dataset(jnp.asarray(readings), jnp.asarray(celsius))


def noisy_sine(key: PRNGKeyArray, n_samples: int = 32, noise: float = 0.25) -> Dataset:
    """One period of a sine with normal noise, y = sin(πx) + noise · ε.

    Args:
        key: draws the noise.
        n_samples: number of inputs, evenly spaced over [-1, 1].
        noise: standard deviation of the noise.

    Returns:
        Inputs and targets, both `(n_samples, 1)`.

    Raises:
        ValueError: if `n_samples` is less than 1.

    References:
        Neuromatch Academy, Gradient Descent and AutoGrad, section 3.1.

    Example:
        >>> data = fl.data.noisy_sine(jax.random.key(0), n_samples=5, noise=0.0)
        >>> print(data.inputs.ravel())
        [-1.  -0.5  0.   0.5  1. ]
        >>> print(np.abs(np.round(data.targets.ravel(), 3)))
        [0. 1. 0. 1. 0.]
    """
    check_key("key", key)
    n_samples = integer_at_least("n_samples", n_samples, 1)
    inputs = jnp.linspace(-1.0, 1.0, n_samples)[:, None]
    errors = jax.random.normal(key, inputs.shape, inputs.dtype)
    return Dataset(inputs, jnp.sin(jnp.pi * inputs) + noise * errors)
