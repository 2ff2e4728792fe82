"""Lets JAX derive the gradient, and says what stands for each word of PyTorch's.

Autodiff applies the chain rule to a program, backwards, so nobody has to derive the
gradient of the thermometer's loss by hand. The training loop takes the way to the
gradient as an argument. Here it runs with autodiff, with the formula derived by hand
and with finite differences, and the three are held against each other at every epoch.

PyTorch records operations on tensors and stores the gradient in them. JAX transforms
functions: the gradient is what another function returns. So there is nothing to mark,
to zero or to switch off; what PyTorch has a word for is done by calling one function or
another.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.extend.core import Literal
from matplotlib.figure import Figure

import funclearn as fl
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch
from experiments._thermometer import Epoch, initial_params, rows_at, train
from funclearn import plots

SOURCES = (
    "Deep Learning with PyTorch, chapter 5",
    "Chapter notes: the mechanics of learning",
    "Reading notes on the book",
    "Neuromatch, Gradient Descent and AutoGrad",
    "PyTorch autograd and training models",
)
PRINTED_EPOCHS = range(500, 5001, 500)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    epochs: int = 5000
    """Number of epochs of every run."""
    learning_rate: float = 1e-2
    """Learning rate on the scaled readings."""
    input_scale: float = 10.0
    """What the readings are divided by to scale them."""
    nudge: float = 0.1
    """How far the finite differences move a parameter, up and down."""


def model(t_u, w, b):
    """The line, as the texts write it."""
    return w * t_u + b


def loss(params, t_u, t_c):
    """Its mean squared error, with the parameters unpacked as the texts do."""
    return fl.losses.mse(model(t_u, *params), t_c)


def detached_loss(params, t_u, t_c):
    """The same number, but w counts as a constant."""
    weight = jax.lax.stop_gradient(params.weight)
    return loss(params._replace(weight=weight), t_u, t_c)


def operations(function: Callable[..., Any], *at: Any) -> list[tuple[str, bool]]:
    """The program of a function of `(params, t_u, t_c)`, as its jaxpr has it.

    Returns:
        Every operation in words, and whether it depends on the parameters.
    """
    jaxpr = jax.make_jaxpr(function)(*at).jaxpr
    names: dict[Any, str] = dict(
        zip(jaxpr.invars, ("w", "b", "t_u", "t_c"), strict=True)
    )
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


def run(config: Config) -> Outcome:
    """Trains with three gradients and with one that piles up; translates PyTorch."""
    raw = fl.data.thermometer()
    scaled = fl.data.Scaler(input_scale=config.input_scale)(raw)
    optimizer = optax.sgd(config.learning_rate)
    methods = {
        "autodiff": fl.gradients.autodiff,
        "by hand": fl.gradients.given(fl.analytic.linear_mse),
        "finite differences": fl.gradients.finite_difference(step=config.nudge),
    }
    runs: dict[str, Epoch] = {
        name: train(scaled, optimizer, gradient=method, epochs=config.epochs)
        for name, method in methods.items()
    }
    autodiff = runs["autodiff"]
    # Gradients that nobody zeroes pile up, as in a trace that never decays.
    piled_up = train(
        scaled,
        optax.chain(optax.trace(decay=1.0), optimizer),
        epochs=config.epochs,
        record=lambda state, info, _: (info.loss, *state.opt_state[0].trace),
    )
    gradient = jax.grad(loss)(initial_params(), *raw)
    return Outcome(
        computed={
            "initial-gradient-raw": list(gradient),
            "autograd-5000-params": [autodiff.weight[-1], autodiff.bias[-1]],
        }
        | {
            f"autograd-5000-epoch-{epoch}": value
            for epoch, (value, *_) in rows_at(autodiff, PRINTED_EPOCHS).items()
        },
        tables=(
            _methods_table(runs),
            _differences_table(runs),
            _vocabulary_table(initial_params(), *raw),
            _program_table(initial_params(), *raw, config.input_scale),
            _piled_up_table(autodiff, piled_up),
        ),
        plots={
            "methods": Plot(
                "Above, the gradient of w in one run, found in three ways. Below, how "
                "far each is from autodiff.",
                partial(_draw_methods, runs),
            ),
            "zero_grad": Plot(
                "The loss of two runs: each step follows the epoch's own gradient, or "
                "the sum of all gradients so far.",
                partial(_draw_piled_up, autodiff.loss, piled_up[0]),
            ),
        },
        history={
            f"{name} {column}": values
            for name, history in runs.items()
            for column, values in history._asdict().items()
        },
        findings=(
            f"On raw readings autodiff gives ({gradient.weight:.4f}, "
            f"{gradient.bias:.4f}) for the gradient at w = 1, b = 0.",
            f"On scaled readings its run ends at w = {autodiff.weight[-1]:.4f}, "
            f"b = {autodiff.bias[-1]:.4f} after {config.epochs} epochs, with a loss of "
            f"{autodiff.loss[-1]:.4g} °C².",
            f"If the gradients pile up, the loss is {piled_up[0][-1]:.3g} °C² then: "
            "the sum acts as momentum without friction.",
        ),
    )


def _methods_table(runs: Mapping[str, Epoch]) -> Table:
    slopes = [history.weight_gradient for history in runs.values()]
    spread = np.ptp(slopes, axis=0)
    rows = rows_at((*slopes, spread), {1, 2, 3, *PRINTED_EPOCHS, len(spread)})
    return Table(
        "dL/dw by three methods, epoch by epoch",
        ("Epoch", *runs, "Spread"),
        tuple((epoch, *row) for epoch, row in rows.items()),
    )


def _differences_table(runs: Mapping[str, Epoch]) -> Table:
    reference, *others = runs
    rows = []
    for name in others:
        pairs = zip(runs[name], runs[reference], strict=True)
        rows.append((name, *(float(np.max(np.abs(x - y))) for x, y in pairs)))
    return Table(
        f"The largest difference from {reference} at any epoch",
        ("Gradient", "Loss (°C²)", "w", "b", "dL/dw", "dL/db"),
        tuple(rows),
    )


def _vocabulary_table(*at: Any) -> Table:
    params, t_u, t_c = at
    value_and_grad, gradient = jax.value_and_grad(loss), jax.grad(loss)
    value, pull_back = jax.vjp(loss, *at)
    first, second = gradient(*at), gradient(*at)

    def evaluated(is_train):
        return value_and_grad(*at) if is_train else loss(*at)

    def spreading(params):
        return {"t_u": t_u, "t_p": model(t_u, *params), "loss": loss(params, t_u, t_c)}

    _, tangents = jax.jvp(spreading, (params,), (jax.tree.map(jnp.ones_like, params),))
    rows = (
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
    return Table(
        "What stands for PyTorch's words, on the raw readings at w = 1, b = 0",
        ("PyTorch", "JAX", "Computed here"),
        rows,
    )


def _program_table(params: Any, t_u: Any, t_c: Any, scale: float) -> Table:
    def scaled_loss(params, t_u, t_c):
        return loss(params, t_u / scale, t_c)

    return Table(
        "grad_fn of the loss of scaled readings: its jaxpr, operation by operation",
        ("Operation", "Depends on w or b"),
        tuple(operations(scaled_loss, params, t_u, t_c)),
    )


def _piled_up_table(zeroed: Epoch, piled_up: tuple[np.ndarray, ...]) -> Table:
    columns = (zeroed.loss, zeroed.weight_gradient, zeroed.bias_gradient, *piled_up)
    rows = rows_at(columns, {*range(1, 6), len(zeroed.loss)})
    return Table(
        "Gradients that nobody zeroes pile up",
        (
            "Epoch",
            *("Loss (°C²)", "dL/dw", "dL/db"),
            *("Loss, piled up", "dL/dw, piled up", "dL/db, piled up"),
        ),
        tuple((epoch, *row) for epoch, row in rows.items()),
    )


def _draw_methods(runs: Mapping[str, Epoch]) -> Figure:
    figure = Figure(figsize=(5.2, 4.8))
    above, below = figure.subplots(2, sharex=True)
    reference = runs["autodiff"].weight_gradient
    epochs = np.unique(np.geomspace(1, len(reference), 200).astype(int))
    for (name, history), marker in zip(runs.items(), ("", "o", "x"), strict=True):
        slope, exact = history.weight_gradient[epochs - 1], reference[epochs - 1]
        look = {"marker": marker, "fillstyle": "none", "markevery": 12, "label": name}
        above.plot(epochs, np.abs(slope), **look)
        below.plot(epochs, slope - exact, **look)
    above.legend()
    above.set(title="Three ways, one gradient", ylabel="|dL/dw|", yscale="log")
    below.set(
        title="They differ by rounding errors alone",
        xlabel="Epoch",
        ylabel="Difference in dL/dw",
        xscale="log",
    )
    return figure


def _draw_piled_up(zeroed: np.ndarray, piled_up: np.ndarray) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    plots.learning_curves(
        axes, {"gradients zeroed": zeroed, "gradients piling up": piled_up}
    )
    axes.set(
        title="Without zeroing, the loss swings for ever",
        xlim=(0, min(150, len(zeroed))),
        ylabel="Loss (°C²)",
    )
    return figure


if __name__ == "__main__":
    launch(run, Config)
