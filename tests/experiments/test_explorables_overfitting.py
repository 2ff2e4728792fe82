"""Degree and epoch moved by keyboard, and the numbers beside JAX's and NumPy's own."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from experiments.harness import Outcome, Plot
from experiments.overfitting import Config
from experiments.overfitting.between import compare_degrees
from experiments.overfitting.explorables import choose_degree, draw_early, stop_early
from experiments.overfitting.families import design, polynomial
from experiments.overfitting.ridge import DEGREES, PENALTIES, ROWS, STRIDES, fit_all
from experiments.overfitting.snapshots import PATIENCES, look_at, patience
from tests.browser import agrees, shown
from tests.experiments.every import page_of

CONFIG = Config(compared=(14,))


@pytest.fixture(scope="module")
def fits():
    return fit_all(CONFIG)


@pytest.fixture(scope="module")
def fitted():
    (one,) = compare_degrees(CONFIG)
    return one


@pytest.fixture(scope="module")
def snapshots(fitted):
    return look_at(fitted)


@pytest.fixture(scope="module")
def path(fits, fitted, snapshots, tmp_path_factory):
    outcome = Outcome(
        plots={
            stem: Plot("Still.", lambda axes: axes.plot([0, 1]))
            for stem in ("between", "early")
        },
        explorables={
            "choose_degree": choose_degree(fits),
            "stop_early": stop_early(fitted, snapshots),
        },
    )
    return page_of("overfitting", CONFIG, outcome, tmp_path_factory.mktemp("results"))


def least_squares(fits, rows, degree, penalty):
    """The losses by NumPy: the penalty as further rows whose targets are zero."""
    seen, unseen = (
        [np.asarray(column, float)[:, 0] for column in data[:2]]
        for data in (fits.seen, fits.unseen)
    )
    inputs, targets = (column[:: STRIDES[rows]] for column in seen)

    def basis(inputs):
        columns = np.polynomial.legendre.legvander(inputs, DEGREES[degree])
        return columns * np.sqrt(2 * np.arange(DEGREES[degree] + 1) + 1)

    size = np.sqrt(len(inputs) * PENALTIES[penalty]) * np.eye(DEGREES[degree] + 1)
    coefficients = np.linalg.lstsq(
        np.concatenate([basis(inputs), size]),
        np.concatenate([targets, np.zeros(len(size))]),
        rcond=None,
    )[0]
    return coefficients, [
        np.mean((basis(x) @ coefficients - y) ** 2)
        for x, y in ((inputs, targets), unseen)
    ]


def test_fits_are_least_squares(fits):
    for place in itertools.product(range(len(ROWS)), (0, 3, 12), (0, 2, 7)):
        coefficients, losses = least_squares(fits, *place)
        found = fits.coefficients[place]
        np.testing.assert_allclose(found[: len(coefficients)], coefficients, atol=1e-10)
        assert np.all(found[len(coefficients) :] == 0)
        assert fits.training[place] == pytest.approx(losses[0], rel=1e-9, abs=1e-20)
        assert fits.validation[place] == pytest.approx(losses[1], rel=1e-9)


def test_numbers_of_rows_are_those_of_the_strides():
    assert ROWS == (13, 16, 21, 31, 61)
    assert max(DEGREES) + 1 == min(ROWS)


def test_design_is_what_the_polynomial_multiplies():
    inputs = np.linspace(-1, 1, 4)
    apply = jax.jit(polynomial(3, jnp.asarray(3)).apply)
    columns = apply(jnp.eye(4), jnp.asarray(inputs)[:, None])
    np.testing.assert_allclose(design(inputs, 3), columns, atol=1e-5)


def presses(place, label, keys):
    """Presses keys on a control, and after each hands on."""
    place.get_by_label(label, exact=True).focus()
    for key in keys:
        place.page.keyboard.press(key)
        yield


@pytest.mark.slow
def test_losses_of_the_degree_are_those_of_numpy(page, fits):
    place = page.locator("#overfitting-choose_degree")
    at = {"Training points": 0, "Degree": 0, "Penalty": 0}
    ends = dict(zip(at, (len(ROWS), len(DEGREES), len(PENALTIES)), strict=True))
    walk = [
        ("Degree", ["Home", *["ArrowRight"] * 12]),
        ("Penalty", ["ArrowRight"] * 7),
        ("Training points", ["ArrowRight"] * 4),
        ("Degree", ["ArrowLeft"] * 12),
        ("Penalty", ["ArrowLeft"] * 4),
        ("Degree", ["ArrowUp"] * 9),
        ("Training points", ["ArrowLeft"] * 4),
        ("Penalty", ["Home"]),
    ]
    seen = set()
    for label, keys in walk:
        for key, _ in zip(keys, presses(place, label, keys), strict=True):
            steps = {"ArrowRight": 1, "ArrowUp": 1, "ArrowLeft": -1, "Home": -99}
            at[label] = min(max(at[label] + steps[key], 0), ends[label] - 1)
            position = tuple(at.values())
            losses = least_squares(fits, *position)[1]
            for name, loss in zip(("training", "validation"), losses, strict=True):
                text = shown(place, name)
                assert text == "0" if loss < 1e-12 else agrees(text, loss), position
            seen.add(position)
    assert len(seen) >= 50
    assert "too flexible" in place.locator(".sentence").inner_text()


@pytest.fixture(scope="module")
def again(fitted):
    """The run of the page, trained anew with nothing but its losses kept."""
    model = polynomial(14, jnp.asarray(14))
    optimizer = optax.adam(CONFIG.learning_rate)
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    key = jax.random.key(CONFIG.seed)
    state = fl.init_state(key, model.init(key), optimizer)
    rows = [
        fl.Dataset(*map(jnp.asarray, one[:2])) for one in (fitted.seen, fitted.unseen)
    ]

    def run(stop=None):
        return fl.fit(
            step,
            state,
            *rows,
            epochs=CONFIG.epochs,
            evaluate=fl.make_evaluation(model, fl.losses.mse),
            stop=stop,
        )

    return run


@pytest.mark.slow
def test_losses_of_the_epochs_are_those_of_another_run(page, again, snapshots):
    place = page.locator("#overfitting-stop_early")
    history = jax.device_get(again().history)
    epochs = snapshots.epochs.tolist()
    keys = ["Home", *["ArrowRight"] * (len(epochs) - 1)]
    for epoch, _ in zip(epochs, presses(place, "Epoch", keys), strict=True):
        slider = place.get_by_label("Epoch", exact=True)
        assert slider.get_attribute("aria-valuetext") == str(epoch)
        for name, losses in zip(("training", "validation"), history, strict=True):
            assert agrees(shown(place, name), losses[epoch - 1]), (epoch, name)
    assert len(epochs) >= 70


@pytest.mark.parametrize(
    ("stem", "label", "ends"),
    [("choose_degree", "Degree", ("0", "12")), ("stop_early", "Epoch", ("1", "3000"))],
)
def test_pointer_drags_through_the_losses(page, stem, label, ends):
    place = page.locator(f"#overfitting-{stem}")
    picture = place.locator("svg.draggable")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    height = box["y"] + 0.4 * box["height"]
    slider = place.get_by_label(label, exact=True)
    page.mouse.move(box["x"] + 0.16 * box["width"], height)
    page.mouse.down()
    assert slider.get_attribute("aria-valuetext") == ends[0]
    page.mouse.move(box["x"] + 0.96 * box["width"], height)
    assert slider.get_attribute("aria-valuetext") == ends[1]
    page.mouse.up()
    page.mouse.move(box["x"] + 0.5 * box["width"], height)
    assert slider.get_attribute("aria-valuetext") == ends[1]


def test_patience_is_that_of_the_library(page, again):
    place = page.locator("#overfitting-stop_early")
    keys = ["Home", *["ArrowRight"] * (len(PATIENCES) - 1)]
    stops = jax.jit(jax.vmap(lambda epochs: again(fl.stopping.patience(epochs)).epochs))
    expected = stops(jnp.asarray(PATIENCES)).tolist()
    best = 1 + int(np.argmin(again().history.evaluation))
    for stop, _ in zip(expected, presses(place, "Patience", keys), strict=True):
        assert shown(place, "stop") == str(stop)
        assert shown(place, "kept") == str(best)


@pytest.mark.parametrize(
    ("losses", "epochs", "expected"),
    [
        ([3.0, 2.0, 2.5, 1.0, 1.5, 1.5, 0.5], 1, (3, 2)),
        ([3.0, 2.0, 2.5, 1.0, 1.5, 1.5, 0.5], 2, (6, 4)),
        ([3.0, 2.0, 2.5, 1.0, 1.5, 1.5, 0.5], 3, (7, 7)),
        ([1.0, 1.0, 1.0], 2, (3, 1)),
        ([1.0], 5, (1, 1)),
    ],
)
def test_patience_counts_from_the_best(losses, epochs, expected):
    assert patience(losses, epochs) == expected


def test_snapshots_are_of_the_run(fitted, snapshots):
    columns = design(fitted.seen.inputs[:, 0], 14)
    errors = columns @ snapshots.coefficients.T - fitted.seen.targets
    np.testing.assert_allclose(
        np.mean(errors**2, axis=0), snapshots.training, rtol=1e-4
    )
    assert snapshots.epochs[[0, -1]].tolist() == [1, CONFIG.epochs]


def test_every_control_is_reached_by_tab(page):
    page.locator("body").evaluate("body => document.activeElement.blur()")
    labels = []
    for _ in range(80):
        page.keyboard.press("Tab")
        labels.append(
            page.evaluate("(document.activeElement.labels || [])[0]?.textContent")
        )
    wanted = ["Degree", "Penalty", "Training points", "Epoch", "Patience"]
    assert [label for label in labels if label in wanted][: len(wanted)] == wanted


def test_figure_says_where_the_loss_turns(fitted, snapshots):
    losses, curves = draw_early(fitted, snapshots).figure().axes
    assert losses.get_title().startswith("Stop where")
    names = [str(line.get_label()) for line in curves.lines]
    assert names[1:] == ["epoch 31", "epoch 3000"]
    short = snapshots._replace(
        epochs=snapshots.epochs[:5], validation=snapshots.validation[:5]
    )
    losses, _ = (
        draw_early(
            fitted,
            short._replace(
                training=short.training[:5], coefficients=short.coefficients[:5]
            ),
        )
        .figure()
        .axes
    )
    assert losses.get_title().startswith("The validation loss\nfalls")
