"""Gradients held against finite differences: right, wrong, and hard to tell."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from jax.tree_util import Partial

import funclearn as fl
from benchmarks import gradient_check
from funclearn.gradients import compare


@pytest.mark.slow
def test_right_gradient_agrees(line, report):
    exact = line.exact()
    assert report.verdict == "agrees"
    np.testing.assert_allclose(report.differences.values, exact, rtol=1e-11)
    for tested in report.tested:
        np.testing.assert_allclose(tested.values, exact, rtol=1e-13)
    assert report.power < 1e-10


@pytest.mark.parametrize("coordinate", [0, 1])
@pytest.mark.parametrize("error", [-2.0, 0.1, 1e-3, -1e-4])
def test_wrong_gradient_disagrees_where_it_is_wrong(line, coordinate, error):
    factors = [1.0, 1.0]
    factors[coordinate] += error
    wrong = Partial(line.scaled_gradient, tuple(np.array(factors)))
    report = compare(line.objective, line.params, line.batch, against=wrong)
    assert report.verdict == "disagrees"
    assert report.closed_forms[0].disagrees.tolist() == [
        coordinate == 0,
        coordinate == 1,
    ]
    assert report.worst(5) == [coordinate]
    name = report.coordinates.name(coordinate)
    assert name == ("params.slope", "params.intercept")[coordinate]
    assert report.autodiff.verdict == "agrees"


@pytest.mark.slow
def test_power_is_the_smallest_error_that_is_caught(line, report):
    with jax.enable_x64(True):
        params, batch = jax.tree.map(
            lambda leaf: jnp.asarray(leaf, float), (line.params, line.batch)
        )
        relative = report.closed_forms[0].caught / np.abs(report.differences.values)
        for coordinate, smallest in enumerate(relative):
            for factor, verdict in ((3.0, "nearly agrees"), (0.1, "agrees")):
                factors = np.ones(2)
                factors[coordinate] += factor * smallest
                wrong = Partial(line.scaled_gradient, tuple(np.array(factors)))
                found = compare(line.objective, params, batch, against=wrong)
                assert found.verdict == verdict
    assert report.power == pytest.approx(np.max(relative))


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("line", True),
        ("polynomial", True),
        ("softmax", True),
        ("tanh, 8 neurons", False),
    ],
)
@pytest.mark.slow
def test_random_problems(name, raw):
    family = gradient_check.FAMILIES[name]
    for seed in range(100, 104):
        problem = gradient_check.draw(family, seed, raw=raw, dtype="float32")
        found, _ = gradient_check.by_compare(family, seed, *problem)
        assert not found.rejected
        assert found.caught
        assert found.claimed


@pytest.mark.parametrize(
    ("dtype", "order"),
    [("float16", 1), ("bfloat16", 1), ("float32", 2), ("float64", 2)],
)
def test_precisions(dtype, order):
    def objective(params, batch):
        return jnp.sum(jnp.tanh(batch @ params) ** 2)

    with jax.enable_x64(dtype == "float64"):
        params = jnp.asarray([0.25, -0.5, 0.75], dtype)
        batch = jnp.arange(6, dtype=dtype).reshape(2, 3) / 4
        report = compare(objective, params, batch, order=order)
    assert report.verdict == "agrees"
    assert report.dtypes == (dtype,)
    assert report.power < 1e-6


def in_bfloat16(params, batch):
    product = params.astype(jnp.bfloat16) * jnp.asarray(batch, jnp.bfloat16)
    return jnp.sum(jnp.tanh(product).astype(jnp.float32) ** 2)


def with_noise(params, batch, key):
    return jnp.mean((params * jax.random.normal(key, (20,))[:3] - batch) ** 2)


def by_dropout(params, batch, key):
    return (
        jnp.sum(jnp.where(jax.random.bernoulli(key, 0.5, (3,)), params, 0) * batch) ** 2
    )


def by_scan(params, batch):
    def step(carry, x):
        return jnp.tanh(carry * params[0] + x * params[1]), carry

    start = jnp.zeros((), jnp.float32)
    last, rows = jax.lax.scan(step, start, batch)
    return last + params[2] * jnp.sum(rows)


def by_loop(params, batch):
    rounds = jax.lax.fori_loop(0, 4, lambda i, c: 0.1 + c * params[0], params[1])
    return rounds * jax.lax.cond(params[2] > 0, jnp.sin, jnp.cos, params[2]) + batch[0]


def by_solve(params, batch):
    matrix = jnp.outer(params, batch) + 3 * jnp.eye(3)
    return jnp.sum(jnp.linalg.solve(matrix, batch) ** 2) + jnp.linalg.slogdet(matrix)[1]


def by_index(params, batch):
    rows = jnp.zeros(4).at[1].set(params[0] ** 2).at[jnp.array([2, 2])].add(params[1:])
    return jnp.sum(rows[1:] ** 2) + jnp.sum(params[jnp.array([0, 0, 2])] * batch)


def with_checkpoint(params, batch):
    jax.debug.print("{}", params)
    return jnp.sum(jax.checkpoint(lambda p: jnp.sin(jnp.sin(p)))(params) * batch)


def by_fourier(params, batch):
    return jnp.sum(jnp.abs(jnp.fft.fft(params * batch)) ** 2)


def by_callback(params, batch):
    shape = jax.ShapeDtypeStruct((), jnp.float32)
    two = jax.pure_callback(
        lambda x: np.float32(2 * x), shape, batch[0], vmap_method="sequential"
    )
    return two * jnp.sum(params**2)


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        hidden = nn.gelu(nn.Dense(4, dtype=jnp.bfloat16)(x))
        return nn.Dense(1)(hidden.astype(jnp.float32))


@pytest.mark.slow
def test_flax_module_in_mixed_precision():
    inputs = jax.random.normal(jax.random.key(0), (5, 3))
    model = fl.models.from_linen(Net(), inputs)
    params = model.init(jax.random.key(1))
    report = compare(lambda p, b: jnp.mean(model.apply(p, b) ** 2), params, inputs)
    assert report.verdict == "agrees"
    assert report.coordinates.names[0] == "params['Dense_0']['bias']"


@pytest.mark.parametrize(
    "objective",
    [
        by_callback,
        by_dropout,
        by_fourier,
        by_index,
        by_loop,
        by_scan,
        by_solve,
        in_bfloat16,
        with_checkpoint,
        with_noise,
    ],
)
@pytest.mark.slow
def test_programs_of_all_kinds_are_seen_sharply(objective, capfd):
    params = jnp.array([0.7, -0.4, 0.9])
    batch = jnp.array([0.5, 1.5, -0.25])
    report = compare(objective, params, batch, jax.random.key(3))
    assert report.verdict == "agrees"
    assert report.power < 1e-5
    jax.effects_barrier()
    assert len(capfd.readouterr().out.splitlines()) < 10


@jax.custom_vjp
def lies(x):
    return jnp.sum(x**2)


lies.defvjp(lambda x: (lies(x), x), lambda x, cotangent: (2.002 * x * cotangent,))


class Odd(NamedTuple):
    """An objective of three numbers, and what the comparison has to make of it."""

    objective: object
    params: list
    verdict: str
    kinks: tuple = (False, False, False)


ODD = {
    "relu at 0": Odd(
        lambda p, _: jnp.sum(jax.nn.relu(p)), [0, 1, -1], "agrees", (True, False, False)
    ),
    "abs at 0": Odd(
        lambda p, _: jnp.sum(p**2 + jnp.abs(p)),
        [1, 0, 0],
        "agrees",
        (False, True, True),
    ),
    "tie": Odd(lambda p, _: jnp.max(p), [2, 2, 1], "agrees", (True, True, False)),
    "near a kink": Odd(lambda p, _: jnp.sum(jnp.abs(p - 1)), [1.001, 0.9, 3], "agrees"),
    "beside a kink": Odd(
        lambda p, _: jnp.sum(jnp.abs(p - 1)), [1.0000002, 0.9, 3], "agrees"
    ),
    "nan at a kink": Odd(
        lambda p, _: jnp.sqrt(jnp.sum(p**2)), [0, 0, 0], "disagrees", (True, True, True)
    ),
    "jump": Odd(lambda p, _: jnp.sum(jnp.round(p)), [0.5, 1.2, 2.1], "cannot tell"),
    "edge": Odd(lambda p, _: jnp.sum(jnp.sqrt(p)), [0, 1, 2], "cannot tell"),
    "does not depend": Odd(lambda p, _: p[0] ** 2, [3, 1, 0], "agrees"),
    "depends on nothing": Odd(lambda p, _: 2 + 0 * p[0], [3, 1, 0], "agrees"),
    "minimum": Odd(lambda p, _: jnp.sum(p**2), [0, 0, 0], "agrees"),
    "drowned": Odd(
        lambda p, _: 1e6 + 1e-8 * jnp.sum(jnp.sin(p)), [1, 2, 3], "cannot tell"
    ),
    "custom rule": Odd(lambda p, _: lies(p), [1, 2, 3], "disagrees"),
    "stop_gradient": Odd(
        lambda p, _: jnp.sum(p * jax.lax.stop_gradient(p)), [1, 2, 3], "disagrees"
    ),
}


@pytest.mark.parametrize("case", ODD.values(), ids=ODD)
def test_odd_objectives(case):
    report = compare(case.objective, jnp.array(case.params, float), None)
    assert report.verdict == case.verdict
    assert tuple(report.differences.kinks > 0) == case.kinks
    assert str(report.verdict) in str(report)


def test_between_the_slopes_of_a_kink_every_value_agrees():
    def objective(params, batch):
        return jnp.sum(3 * jnp.abs(params))

    def constant(value, params, batch):
        return jnp.full(1, value)

    def agrees(value):
        form = Partial(constant, np.float32(value))
        report = compare(objective, jnp.zeros(1), None, against=form)
        return report.verdict == "agrees"

    values = (-3.1, -3.0, 0.0, 2.9, 3.1)
    assert [*map(agrees, values)] == [False, True, True, True, False]


def test_gradient_that_overflows_in_its_own_precision_disagrees():
    def objective(params, batch):
        return jnp.sum(params * batch)

    def overflowing(params, batch):
        return batch * batch / batch

    params, batch = jnp.ones(2, jnp.float16), jnp.array([2.0, 1000.0], jnp.float16)
    report = compare(objective, params, batch, against=overflowing)
    assert report.closed_forms[0].disagrees.tolist() == [False, True]
    assert "not in float16" in str(report)


def plain(params, batch):
    return jnp.sum(params["w"] ** 2)


W = {"w": np.ones(3, np.float32)}
REFUSED = {
    "integer": (plain, {"w": np.arange(3)}, {}, TypeError, "'w'.*int"),
    "boolean": (plain, {"w": np.array([True])}, {}, TypeError, "'w'.*bool"),
    "complex": (plain, {"w": np.array([1j])}, {}, TypeError, "'w'.*complex"),
    "infinite": (plain, {"w": np.array([np.inf])}, {}, ValueError, "'w'.*finite"),
    "empty": (plain, {"w": np.zeros(0)}, {}, ValueError, "at least one number"),
    "no leaf": (plain, {}, {}, ValueError, "at least one leaf"),
    "vector": (lambda p, _: p["w"], W, {}, ValueError, r"scalar; got shape \(3,\)"),
    "complex value": (lambda p, _: 1j * plain(p, _), W, {}, TypeError, "complex"),
    "not finite": (lambda p, _: jnp.log(-plain(p, _)), W, {}, ValueError, "nan"),
    "overflow": (lambda p, _: jnp.exp(99 + plain(p, _)), W, {}, ValueError, "inf"),
    "structure": (plain, W, {"against": lambda p, _: p["w"]}, ValueError, "structure"),
    "shape": (
        *(plain, W, {"against": lambda p, _: {"w": p["w"][None, :]}}, ValueError),
        r"against\(...\)\['w'\].*\(3,\)",
    ),
    "complex gradient": (
        *(plain, W, {"against": lambda p, _: {"w": 1j * p["w"]}}, TypeError),
        "complex",
    ),
    "order": (plain, W, {"order": 3}, ValueError, "order must be 1 or 2"),
    "resolution": (plain, W, {"resolution": 0.0}, ValueError, "between 0 and 1"),
    "limit": (plain, W, {"max_coordinates": 0}, ValueError, "at least 1"),
    "no key": (with_noise, np.ones(3, np.float32), {}, ValueError, "key must be given"),
}


@pytest.mark.parametrize(
    ("objective", "params", "options", "error", "match"), REFUSED.values(), ids=REFUSED
)
@pytest.mark.usefixtures("plain_annotations")
def test_refusals(objective, params, options, error, match):
    with pytest.raises(error, match=match):
        compare(objective, params, np.ones(3, np.float32), **options)
    assert jnp.result_type(float) == jnp.float32


def test_key_that_nothing_is_drawn_from_may_be_left_out():
    ignoring = jax.jit(lambda params, batch, key: jnp.sum(params**2))
    assert compare(ignoring, jnp.ones(2), None).verdict == "agrees"


def test_objective_that_draws_by_itself_is_refused():
    generator = np.random.default_rng(0)

    def objective(params, batch):
        return jnp.sum((params - generator.normal(size=3)) ** 2)

    with pytest.raises(ValueError, match="function of its arguments alone"):
        compare(objective, jnp.ones(3), None)


@pytest.mark.slow
def test_second_order_against_the_hessian():
    matrix = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, 1.0]])

    def objective(params, batch):
        return params @ matrix @ params / 2 + jnp.sum(jnp.sin(params))

    def gradient(params, batch):
        return matrix @ params + jnp.cos(params)

    def wrong(params, batch):
        return matrix @ params + jnp.cos(params) * 1.01

    with jax.enable_x64(True):
        params = jnp.array([1.0, -1.5, 2.5])
        both = {"right": gradient, "wrong": wrong}
        report = compare(objective, params, None, against=both, order=2, seed=1)
        again = compare(objective, params, None, order=2, seed=2)
    products = [
        (matrix - np.diag(np.sin(params))) @ (signs * np.array([1, 1, 2]))
        for signs in np.stack(np.meshgrid(*[[-1, 1]] * 3), -1).reshape(-1, 3)
    ]
    for found in (report, again):
        distances = [
            np.abs(found.differences.values - exact).max() for exact in products
        ]
        assert min(distances) < 1e-7
    assert not np.allclose(report.differences.values, again.differences.values)
    verdicts = [tested.verdict for tested in report.closed_forms]
    assert verdicts == ["agrees", "disagrees"]


def test_several_closed_forms_by_name(line):
    def of_the_sum(params, batch):
        gradient = line.gradient(params, batch)
        return jax.tree.map(lambda grad: grad * batch[0].size, gradient)

    forms = {"of the sum": of_the_sum, "of the mean": line.gradient}
    report = compare(line.objective, line.params, line.batch, against=forms)
    verdicts = {tested.name: tested.verdict for tested in report.tested}
    assert verdicts == {
        "autodiff": "agrees",
        "of the sum": "disagrees",
        "of the mean": "agrees",
    }


def root(params, batch):
    spread = jnp.sqrt(params["variance"][0]) + params["variance"][1] ** 2
    return spread + jnp.mean((params["w"] * batch - 1) ** 2)


def root_gradient(first, params, batch):
    slopes = 2 * (params["w"] * batch - 1) * batch / batch.size
    variance = jnp.stack([first, 2 * params["variance"][1]])
    return {"variance": variance, "w": slopes}


@pytest.mark.parametrize("first", [-7.0, 0.0, 123.0, np.nan, np.inf])
@pytest.mark.slow
def test_no_slope_is_right_where_the_slope_is_infinite(first):
    params = {"variance": jnp.array([0.0, 3.0]), "w": jnp.array([1.0, 2.0])}
    form = Partial(root_gradient, np.float32(first))
    report = compare(root, params, jnp.array([0.5, 1.5]), against=form)
    assert report.verdict == "cannot tell" == report.autodiff.verdict
    # Nothing is said of the other coordinates of the same array.
    decided = [tested.decided.tolist() for tested in report.tested]
    assert decided == [[False, True, True, True]] * 2
    assert np.isinf(report.power)
    assert "do not settle" in " ".join(str(report).split())


def edges(params, batch):
    inner = jnp.where(params < 0, jnp.nan, params)
    return jnp.sum(batch * inner**1.5 + 2 * inner) + jnp.arccos(1 - params[0]) ** 2


def edges_gradient(factors, params, batch):
    # arccos(1 - x)² = 2x + x²/3 + ...
    slopes = 1.5 * batch * jnp.sqrt(params) + 2
    return factors * (slopes + jnp.array([2.0, 0.0, 0.0]))


@pytest.mark.parametrize("factor", [1.0, 1.002, -1.0, 0.0, np.nan, np.inf])
def test_at_an_edge_the_slope_is_that_of_its_side(factor):
    params, batch = jnp.array([0.0, 0.0, 2.0]), jnp.array([0.5, -1.5, 0.25])
    factors = np.array([factor, 1, 1], np.float32)
    form = Partial(edges_gradient, factors)
    report = compare(edges, params, batch, against=form)
    (tested,) = report.closed_forms
    assert tested.verdict == ("agrees" if factor == 1 else "disagrees")
    assert report.differences.sides.tolist() == [1, 1, 0]
    np.testing.assert_allclose(report.differences.values[:2], [4, 2], atol=1e-6, rtol=0)


def discharge(params, batch):
    volts, ohms, farads = params
    times, readings = batch
    return jnp.mean((volts * jnp.exp(-times / (ohms * farads)) - readings) ** 2)


def as_given(values, params, batch):
    return values


def exact_discharge(params, batch):
    """The gradient by NumPy."""
    volts, ohms, farads = (float(number) for number in params)
    times, readings = (np.asarray(column, float) for column in batch)
    tau = ohms * farads
    decay = np.exp(-times / tau)
    errors = 2 * (volts * decay - readings) / times.size
    by_tau = np.sum(errors * volts * decay * times) / tau**2
    return np.array([errors @ decay, by_tau * farads, by_tau * ohms])


@pytest.mark.parametrize("factors", [(1, 1, 1), (1, 1, 1.002), (0.998, 1, 1)])
@pytest.mark.slow
def test_units_of_their_own_in_one_array(factors):
    times = np.linspace(0, 0.03, 7).astype(np.float32)
    batch = times, (4 * np.exp(-times / 0.012)).astype(np.float32)
    params = np.array([5.0, 1e4, 1e-6], np.float32)
    exact = exact_discharge(params, batch)
    wrong = (exact * factors).astype(np.float32)
    whole = compare(discharge, params, batch, against=Partial(as_given, wrong))
    split = compare(
        discharge, tuple(params), batch, against=Partial(as_given, tuple(wrong))
    )
    for report in (whole, split):
        np.testing.assert_allclose(report.differences.values, exact, rtol=1e-7)
        (tested,) = report.closed_forms
        assert tested.disagrees.tolist() == [factor != 1 for factor in factors]
        assert report.autodiff.verdict == "agrees"


def sines(params, batch):
    return jnp.sum(jnp.sin(params * batch + 0.25))


def cosines(factors, params, batch):
    return factors * jnp.cos(params * batch + 0.25) * batch


@pytest.mark.parametrize(
    ("params", "rates"),
    [
        ([1e-8, 1e8, 0.0], [1e8, 1e-8, 1e12]),
        ([0.0, 1e9, -2.0], [1e6, 1e-9, 1.0]),
        ([0.0, 1e-9, 1e-5], [1e-6, 1e9, 1e5]),
    ],
)
@pytest.mark.slow
def test_scales_that_values_do_not_tell(params, rates):
    params, batch = np.array(params, np.float32), np.array(rates, np.float32)
    forms = {
        str(place): Partial(cosines, np.where(np.arange(3) == place, 1.002, 1.0))
        for place in range(4)
    }
    report = compare(sines, params, batch, against=forms)
    exact = np.cos(params.astype(float) * batch + 0.25) * batch
    np.testing.assert_allclose(report.differences.values, exact, rtol=1e-4)
    assert report.autodiff.verdict == "agrees"
    verdicts = [str(tested.verdict) for tested in report.closed_forms]
    assert verdicts == ["disagrees"] * 3 + ["agrees"]


@pytest.mark.slow
def test_a_bend_is_no_kink_however_it_looks_from_afar():
    def objective(params, batch):
        bend = jnp.sqrt(params[0] ** 2 + 1e-12) + params[0]
        return bend + jnp.sin(params[1] / 1e6)

    params = np.array([0.0, 1e6], np.float32)
    exact = [1.0, np.cos(1.0) / 1e6]
    forms = {
        str(factor): Partial(as_given, np.array(exact * np.array([factor, 1])))
        for factor in (1.0, 1.9, 0.1)
    }
    with jax.enable_x64(True):
        report = compare(objective, params, None, against=forms)
    np.testing.assert_allclose(report.differences.values, exact, rtol=1e-7)
    assert not report.differences.kinks.any()
    verdicts = [str(tested.verdict) for tested in report.closed_forms]
    assert verdicts == ["agrees", "disagrees", "disagrees"]


def by_newton(a):
    return jax.lax.while_loop(
        lambda c: jnp.abs(c * c - a) > 1e-5 * a, lambda c: (c + a / c) / 2, a
    )


def test_a_closed_form_where_there_is_no_reverse_mode():
    def objective(params, batch):
        return by_newton(params[0]) + jnp.sum(params**2)

    def form(factor, params, batch):
        root_slope = factor / (2 * jnp.sqrt(params[0]))
        return 2 * params + jnp.array([1.0, 0.0]) * root_slope

    params = jnp.array([2.5, -1.0])
    report = compare(objective, params, None, against=Partial(form, np.float32(1)))
    assert [tested.name for tested in report.tested] == ["closed form"]
    assert np.isnan(report.autodiff.values).all() and "while_loop" in report.missing
    assert report.verdict == "nearly agrees"
    assert "Autodiff was not compared" in str(report)
    wrong = compare(objective, params, None, against=Partial(form, np.float32(1.002)))
    assert wrong.closed_forms[0].disagrees.tolist() == [True, False]
    with pytest.raises(ValueError, match="while_loop"):
        compare(objective, params, None)


@jax.custom_jvp
def newton_with_a_rule(a):
    return by_newton(a)


newton_with_a_rule.defjvps(lambda t, root, a: t / (2 * root))


def by_root(params, batch):
    def equation(x):
        return x**3 + x - params

    def solve(f, start):
        return jax.lax.while_loop(
            lambda x: jnp.abs(f(x)) > 1e-5, lambda x: x - f(x) / (3 * x**2 + 1), start
        )

    return jax.lax.custom_root(equation, jnp.float32(1), solve, lambda g, y: y / g(1.0))


APPROXIMATE = {
    "newton": (lambda p, _: newton_with_a_rule(p), 2.5, lambda p: 0.5 / p**0.5),
    "custom_root": (by_root, 3.0, lambda p: 1 / (3 * 1.2134116627622296**2 + 1)),
    "fresnel at a zero of its slope": (
        lambda p, _: jax.scipy.special.fresnel(p)[0],
        2.0,
        lambda p: np.sin(np.pi * p**2 / 2),
    ),
    "log_ndtr": (
        lambda p, _: jax.scipy.special.log_ndtr(p),
        -6.0,
        lambda p: np.exp(-(p**2) / 2 - scipy.special.log_ndtr(p)) / np.sqrt(2 * np.pi),
    ),
}


@pytest.mark.parametrize(
    ("objective", "point", "slope"), APPROXIMATE.values(), ids=APPROXIMATE
)
@pytest.mark.slow
def test_right_rules_of_programs_that_approximate(objective, point, slope):
    exact = slope(point)
    for factor, verdicts in ((1.0, {"agrees", "nearly agrees"}), (-1.0, {"disagrees"})):
        wrong = np.float32(exact + (factor - 1) * max(abs(exact), 0.01))
        report = compare(
            objective, jnp.float32(point), None, against=Partial(as_given, wrong)
        )
        assert report.autodiff.verdict in {"agrees", "nearly agrees"}
        assert report.closed_forms[0].verdict in verdicts


def squared_relu(params, batch):
    return jnp.sum(jax.nn.relu(params) ** 2)


def huber(params, batch):
    size = jnp.abs(params)
    return jnp.sum(jnp.where(size < 1, params**2 / 2, size - 0.5))


def proportional(curvatures, params, batch):
    return curvatures * params


@pytest.mark.parametrize(
    ("objective", "params", "curvatures"),
    [
        (squared_relu, [0.0, 1.0], [(0, 2), (2, 2)]),
        (huber, [1.0, 0.25], [(0, 1), (1, 1)]),
    ],
)
def test_second_order_at_a_kink_of_the_gradient(objective, params, curvatures):
    params = jnp.array(params)
    at_kink = [low != high for low, high in curvatures]
    for share, verdict in ((0.0, 1), (0.5, 1), (1.0, 1), (1.01, 0), (-0.5, 0)):
        values = [low + share * (high - low) for low, high in curvatures]
        right = Partial(proportional, np.array(values, np.float32))
        report = compare(objective, params, None, against=right, order=2)
        assert report.autodiff.verdict == "agrees"
        assert (report.closed_forms[0].verdict == "agrees") == verdict
        assert (report.differences.kinks > 0).tolist() == at_kink
    # The gradient itself has no kink there, and is seen sharply.
    report = compare(objective, params, None)
    assert report.verdict == "agrees" and report.power < 1e-6
    assert not report.differences.kinks.any()
