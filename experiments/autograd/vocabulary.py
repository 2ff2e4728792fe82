"""What stands for the words of PyTorch's autograd, computed."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.extend.core import Literal, Var

from experiments.autograd.chapter import loss, model
from funclearn.models import LinearParams


def detached_loss(params: LinearParams, t_u: jax.Array, t_c: jax.Array) -> jax.Array:
    """The same number, but w counts as a constant."""
    weight = jax.lax.stop_gradient(params.weight)
    return loss(params._replace(weight=weight), t_u, t_c)


def operations(function: Callable[..., object], *at: object) -> list[tuple[str, bool]]:
    """The program of a function of `(params, t_u, t_c)`, as its jaxpr has it.

    Returns:
        Every operation in words, and whether it depends on the parameters.
    """
    jaxpr = jax.make_jaxpr(function)(*at).jaxpr
    inputs = zip(jaxpr.invars, ("w", "b", "t_u", "t_c"), strict=True)
    names: dict[Var, str] = dict(inputs)
    reached = set(jaxpr.invars[:2])
    rows = []
    for number, equation in enumerate(jaxpr.eqns, start=1):
        reads = [x for x in equation.invars if not isinstance(x, Literal)]
        if not reached.isdisjoint(reads):
            reached.update(equation.outvars)
        (result,) = equation.outvars
        names[result] = f"v{number}"
        operands = ", ".join(
            str(x.val) if isinstance(x, Literal) else names[x] for x in equation.invars
        )
        text = f"v{number} = {equation.primitive}({operands})"
        rows.append((text, result in reached))
    return rows


# How PyTorch names the function that it hangs on the result of an operation.
OPERATIONS: dict[str, tuple[str, Callable[..., jax.Array]]] = {
    "c = a + b": ("AddBackward0", lambda a, b: a + b),
    "c = a * b": ("MulBackward0", lambda a, b: a * b),
    "c = torch.sin(a)": ("SinBackward0", lambda a, b: jnp.sin(a)),
}


def grad_fns(a: float, b: float) -> list[tuple[str, str, str, tuple[float, ...]]]:
    """What JAX has for `c.grad_fn`, where c is the result of one operation.

    Returns:
        Every operation, its `grad_fn`, what the jaxpr records, and what its transpose
        makes of an incoming 1: the derivatives by a and b.
    """
    rows = []
    for source, (grad_fn, function) in OPERATIONS.items():
        (equation,) = jax.make_jaxpr(function)(a, b).eqns
        value, pull_back = jax.vjp(function, a, b)
        pulled_back = tuple(map(float, pull_back(jnp.ones_like(value))))
        rows.append((source, grad_fn, str(equation.primitive), pulled_back))
    return rows


def scaled_program(
    params: LinearParams, t_u: jax.Array, t_c: jax.Array, scale: float
) -> list[tuple[str, bool]]:
    """The operations of the loss of scaled readings."""

    def scaled_loss(params: LinearParams, t_u: jax.Array, t_c: jax.Array) -> jax.Array:
        return loss(params, t_u / scale, t_c)

    return operations(scaled_loss, params, t_u, t_c)


def vocabulary(
    params: LinearParams, t_u: jax.Array, t_c: jax.Array
) -> tuple[tuple[str, str, object], ...]:
    """Every word of PyTorch's, what stands for it, and what that computes here."""
    at = params, t_u, t_c
    value_and_grad, gradient = jax.value_and_grad(loss), jax.grad(loss)
    value, pull_back = jax.vjp(loss, *at)
    first, second = gradient(*at), gradient(*at)

    def evaluated(is_train: bool) -> object:
        return value_and_grad(*at) if is_train else loss(*at)

    def spreading(params: LinearParams) -> dict[str, jax.Array]:
        return {"t_u": t_u, "t_p": model(t_u, *params), "loss": loss(params, t_u, t_c)}

    _, tangents = jax.jvp(spreading, (params,), (jax.tree.map(jnp.ones_like, params),))
    return (
        (
            "requires_grad=True",
            "jax.grad(loss, argnums=0): who calls it names what to differentiate by",
            first,
        ),
        (
            "loss.backward()",
            "loss, pull_back = jax.vjp(...), then pull_back(1.0)",
            {"loss": value, "pulled back": pull_back(jnp.ones_like(value))[0]},
        ),
        (
            "params.grad, at first None",
            "what jax.grad returns; the parameters hold nothing but themselves",
            params._asdict(),
        ),
        (
            "zero_grad()",
            "nothing: a second call returns the gradient anew; added, they pile up",
            {"anew": second, "added": jax.tree.map(jnp.add, first, second)},
        ),
        (
            "no_grad()",
            "call the loss alone: fewer operations",
            {
                "alone": len(operations(loss, *at)),
                "with gradient": len(operations(value_and_grad, *at)),
            },
        ),
        (
            "set_grad_enabled(is_train)",
            "value_and_grad(...) if is_train else loss(...)",
            {str(is_train): evaluated(is_train) for is_train in (True, False)},
        ),
        (
            "w.detach()",
            "jax.lax.stop_gradient(w): w counts as a constant",
            jax.grad(detached_loss)(*at),
        ),
        (
            "loss.grad_fn",
            "jax.make_jaxpr(loss): every operation, listed below; this is the last",
            operations(loss, *at)[-1][0],
        ),
        (
            "requires_grad is contagious",
            "jax.jvp: a tangent of the parameters reaches what depends on them",
            {name: bool(jnp.any(tangent)) for name, tangent in tangents.items()},
        ),
        (
            "model(t_u, *params)",
            "the same: a named tuple unpacks, as params[0], params[1]",
            bool(jnp.all(model(t_u, *params) == model(t_u, params[0], params[1]))),
        ),
    )
