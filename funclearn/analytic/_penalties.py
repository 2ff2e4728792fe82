"""The gradients of penalties."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from funclearn._checks import check_floating, check_not_negative
from funclearn._signatures import with_key
from funclearn._types import Batch, Params, ScalarLike

__all__ = ["l1", "l2", "penalised"]


def l1(strength: ScalarLike) -> Callable[[Params], Params]:
    """The gradient of the penalty `losses.l1(strength)`.

        R     = λ Σ|p|
        dR/dp = λ sign(p)       and 0, one of the subgradients, at the kink p = 0

    Args:
        strength: λ, not negative.

    Returns:
        `params -> grads`, to be added to another gradient by `penalised`.

    Raises:
        ValueError: if `strength` is negative.

    References:
        Goodfellow, Bengio, Courville, Deep Learning, 2016, section 7.1.2.
    """
    return _penalty_gradient(strength, jnp.sign)


def l2(strength: ScalarLike) -> Callable[[Params], Params]:
    """The gradient of the penalty `losses.l2(strength)`.

        R     = λ Σp²
        dR/dp = 2 λ p

    Args:
        strength: λ, not negative.

    Returns:
        `params -> grads`, to be added to another gradient by `penalised`.

    Raises:
        ValueError: if `strength` is negative.

    References:
        Goodfellow, Bengio, Courville, Deep Learning, 2016, section 7.1.1.
    """
    return _penalty_gradient(strength, lambda leaf: 2 * leaf)


def penalised(
    closed_form: Callable[..., Params], *penalties: Callable[[Params], Params]
) -> Callable[..., Params]:
    """Adds the gradients of penalties to that of a loss.

        d(L + R₁ + …)/dp = dL/dp + dR₁/dp + …

    Args:
        closed_form: `(params, batch) -> grads` or `(params, batch, key) -> grads`.
        penalties: `params -> grads`, as `l1` and `l2` return them.

    Returns:
        `(params, batch, key=None) -> grads`, a closed form in its turn. That of the
        elastic net is `penalised(linear_mse, l1(0.1), l2(0.01))`.
    """
    gradient = with_key(closed_form)

    def penalised_gradient(
        params: Params, batch: Batch, key: PRNGKeyArray | None = None
    ) -> Params:
        terms = [penalty(params) for penalty in penalties]
        return jax.tree.map(
            lambda *parts: sum(parts), gradient(params, batch, key), *terms
        )

    return penalised_gradient


def _penalty_gradient(
    strength: ScalarLike, slope: Callable[[Array], Array]
) -> Callable[[Params], Params]:
    check_not_negative("strength", strength)

    def gradient(params: Params) -> Params:
        check_floating("params", params)
        return jax.tree.map(lambda leaf: strength * slope(leaf), params)

    return gradient
