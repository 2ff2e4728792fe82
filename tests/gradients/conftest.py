"""The problem that several tests of gradients share, and what counts compilations."""

import contextlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest


class Line(NamedTuple):
    slope: jax.Array
    intercept: jax.Array


class LineProblem(NamedTuple):
    """The squared errors of a line."""

    params: Line
    batch: tuple[np.ndarray, np.ndarray]

    @staticmethod
    def objective(params, batch):
        x, y = batch
        return jnp.mean((params.slope * x + params.intercept - y) ** 2)

    @staticmethod
    def gradient(params, batch):
        x, y = batch
        errors = 2 * (params.slope * x + params.intercept - y) / x.size
        return Line(jnp.sum(errors * x), jnp.sum(errors))

    @staticmethod
    def scaled_gradient(factors, params, batch):
        """The gradient, each derivative times a factor."""
        return jax.tree.map(
            jnp.multiply, LineProblem.gradient(params, batch), Line(*factors)
        )

    def exact(self):
        """The gradient in float64, by NumPy."""
        x, y = (np.asarray(column, float) for column in self.batch)
        slope, intercept = map(float, self.params)
        errors = 2 * (slope * x + intercept - y) / x.size
        return [errors @ x, errors.sum()]


@pytest.fixture
def line():
    return LineProblem(
        Line(jnp.float32(1.0), jnp.float32(0.5)),
        (
            np.array([35.7, 55.9, 58.2, 81.9, 56.3], np.float32),
            np.array([0.5, 14.0, 15.0, 28.0, 11.0], np.float32),
        ),
    )


@pytest.fixture
def report(line):
    """The comparison of the line's right gradient."""
    from funclearn.gradients import compare

    return compare(line.objective, line.params, line.batch, against=line.gradient)


@pytest.fixture
def make_report():
    """Makes reports of what a comparison might have found."""
    from funclearn.gradients import GradientReport
    from funclearn.gradients._differences import Differences
    from funclearn.gradients._findings import Coordinates, Tested

    def make(
        right,
        forms=None,
        *,
        autodiff=None,
        own=None,
        near=False,
        truncation=1e-12,
        rounding=1e-12,
        kinks=0.0,
        sides=0.0,
        settled=True,
        caught=1e-9,
        decided=True,
        floors=1e-9,
        n_parameters=None,
        dtypes=("float32",),
        **rest,
    ):
        """Takes by the name of each array its derivatives, right and by closed forms.

        What is given as a number is the same at all coordinates.
        """
        shapes = tuple(np.shape(values) for values in right.values())
        leaf = np.repeat(np.arange(len(shapes)), [*map(np.size, right.values())])
        position = np.concatenate([np.arange(np.size(x)) for x in right.values()])

        def flat(arrays):
            return np.concatenate([np.ravel(x).astype(float) for x in arrays.values()])

        def everywhere(value):
            return np.broadcast_to(np.asarray(value), leaf.shape)

        values = flat(right)

        def tested(name, found):
            floor = everywhere(floors)
            with np.errstate(invalid="ignore"):
                differs = ~(np.abs(found - values) <= np.maximum(floor, 1e-6))
            close = differs & everywhere(near)
            disagrees = differs & ~close
            ours = found if own is None else everywhere(own)
            return Tested(
                *(name, found, ours, floor, everywhere(caught), disagrees, close),
                differs | everywhere(decided),
            )

        settings = {"order": 1, "resolution": 1e-3, "missing": "", **rest}
        return GradientReport(
            coordinates=Coordinates(tuple(right), shapes, leaf, position),
            n_parameters=leaf.size if n_parameters is None else n_parameters,
            dtypes=dtypes,
            differences=Differences(
                values,
                *map(everywhere, (truncation, rounding, kinks, 1.0, sides, settled)),
            ),
            autodiff=tested("autodiff", values if autodiff is None else flat(autodiff)),
            closed_forms=tuple(tested(n, flat(f)) for n, f in (forms or {}).items()),
            scales=np.where(values != 0, np.abs(values), np.inf),
            **settings,
        )

    return make


@pytest.fixture
def counting_compilations():
    """A context that collects what JAX traces, lowers and compiles within it."""

    @contextlib.contextmanager
    def counting():
        events = []

        def listen(event: str, duration_secs: float, **kwargs: str | int):
            if event.startswith("/jax/core/compile/"):
                events.append(event)

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            yield events
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)

    return counting
