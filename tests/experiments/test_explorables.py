"""The explorables of the page, moved by keys in a browser.

What they show is compared, to its last digit, with loops that are written out by hand.
"""

import itertools
import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from experiments import learning_rates, split_uncertainty
from experiments.harness import _page
from experiments.learning_rates.thermometer import survey
from tests.browser import agrees, all_shown, number, opened
from tests.experiments.every import written

pytestmark = pytest.mark.slow

SMALL = {
    "learning_rates": learning_rates.Config(rates=5, epochs=10),
    "split_uncertainty": split_uncertainty.Config(splits=140, epochs=200),
}
X, Y = map(np.asarray, fl.data.thermometer())


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    for name, config in SMALL.items():
        written(name, config, out)
    return _page.rebuild(out).path


def visible(page, part):
    found = page.locator(f".explorable > {part}").all()
    assert len(found) == len(SMALL)
    return [one.is_visible() for one in found]


@pytest.mark.parametrize("width", [390, 1280])
def test_it_takes_the_place_of_the_still_figure(chromium, path, width):
    with opened(chromium, path, width=width) as page:
        assert all(visible(page, ".live"))
        assert not any(visible(page, ".still"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.emulate_media(media="print")
        assert not any(visible(page, ".live"))
        assert all(visible(page, ".still"))


def test_the_still_figure_stands_where_scripts_are_off(chromium, path):
    with opened(chromium, path, java_script_enabled=False) as page:
        assert not any(visible(page, ".live"))
        assert all(visible(page, ".still"))
        assert all(visible(page, ".still svg"))


def test_the_still_figure_stands_where_data_are_missing(chromium, path, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(path.parent, folder)
    (folder / "learning_rates" / "thermometer.js").unlink()
    with pytest.raises(AssertionError, match="ERR_FILE_NOT_FOUND"):
        with opened(chromium, folder / "index.html") as page:
            assert visible(page, ".still") == [True, False]
            assert visible(page, ".live") == [False, True]


def test_every_control_is_reached_by_tab(chromium, path):
    with opened(chromium, path) as page:
        # The keys to the sides go on from the chosen one of radio buttons.
        wanted = page.locator(
            ".live :is(button, input[type=range], input[type=radio]:checked)"
        )
        wanted.evaluate_all("all => all.forEach((one, k) => { one.dataset.k = k; })")
        reached = set()
        for _ in range(page.locator("a, [tabindex], input, button, summary").count()):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.dataset.k"))
        assert reached - {None} == {str(k) for k in range(wanted.count())}
        assert wanted.count() >= 6


def test_every_control_and_picture_has_a_name(chromium, path):
    with opened(chromium, path) as page:
        seen = "\n".join(place.aria_snapshot() for place in page.locator(".live").all())
        for role in ("slider", "radio", "button", "img", "group"):
            parts = re.findall(rf"- {role}\b( \".+\")?", seen)
            assert parts and all(parts), role
        pictures = page.locator(".live svg.plot").evaluate_all(
            "all => all.map((one) => one.getAttribute('aria-label'))"
        )
        assert len(pictures) == 5
        assert all(pictures)
        assert page.locator(".live [aria-live=polite]").count() == len(SMALL)


def test_data_are_small(path):
    data = [*path.parent.glob("*/*.js")]
    assert len(data) == len(SMALL)
    assert sum(one.stat().st_size for one in data) < 600_000


SCALES = {
    "raw": X,
    "divided by 10": X / np.float32(10),
    "standardised": (X - X.mean()) / X.std(),
}
MOMENTA = (0.0, 0.5, 0.8, 0.9)
RATES = np.geomspace(1e-6, 10.0, 43, dtype=np.float32)
EPOCHS = 100
# How often to press the key to the right, from the left end.
PRESSES = (0, 5, 9, 4, 6)


@pytest.fixture(scope="module")
def thermometer(chromium, path):
    with opened(chromium, path) as page:
        yield page.locator("#learning_rates-thermometer")


def loss(params, x):
    return jnp.mean((params[0] * x + params[1] - Y) ** 2)


@jax.jit
def loop(x, momentum, rate):
    """Losses before, and parameters after every epoch."""

    def epoch(carried, _):
        params, velocity = carried
        value, gradient = jax.value_and_grad(loss)(params, x)
        velocity = momentum * velocity + gradient
        params = params - rate * velocity
        return (params, velocity), (value, params)

    start = jnp.array([1.0, 0.0]), jnp.zeros(2)
    return jax.lax.scan(epoch, start, length=EPOCHS)[1]


def expected(x, momentum, rate):
    """What a run ends with: number of epochs, parameters and loss."""
    losses, params = jax.device_get(loop(x, momentum, rate))
    lost = np.nonzero(~np.isfinite(losses))[0]
    epochs = int(lost[0]) + 1 if lost.size else EPOCHS
    end = params[epochs - 1]
    return epochs, end, float(loss(jnp.asarray(end), x))


def limit_of(x, momentum):
    design = np.stack([x, np.ones_like(x)], axis=1).astype(float)
    return 2 * (1 + momentum) / np.linalg.eigvalsh(2 * design.T @ design / len(x))[-1]


@pytest.mark.parametrize("scale", range(3))
@pytest.mark.parametrize("faster", range(4))
def test_every_position_shows_what_descent_leads_to(thermometer, scale, faster):
    place, x, momentum = thermometer, [*SCALES.values()][scale], MOMENTA[faster]
    readings = place.get_by_role("radio")
    rate, inertia = (
        place.get_by_role("slider", name=name) for name in ("Learning rate", "Momentum")
    )
    readings.first.check()
    for chosen in range(scale):
        readings.nth(chosen).press("ArrowRight")
    assert readings.nth(scale).is_checked()
    inertia.press("Home")
    for _ in range(faster):
        inertia.press("ArrowRight")
    rate.press("Home")
    for index, presses in zip(itertools.accumulate(PRESSES), PRESSES, strict=True):
        for _ in range(presses):
            rate.press("ArrowRight")
        check_descent(place, rate, x, momentum, RATES[index])
    rate.press("End")
    check_descent(place, rate, x, momentum, RATES[-1])
    rate.press("ArrowLeft")
    check_descent(place, rate, x, momentum, RATES[-2])


def check_descent(place, rate, x, momentum, used):
    epochs, (weight, bias), last = expected(x, momentum, used)
    seen = all_shown(place)
    assert agrees(seen["loss"], last, relative=2e-5)
    assert agrees(seen["weight"], weight, relative=2e-5)
    assert agrees(seen["bias"], bias, relative=2e-5)
    assert int(seen["epochs"]) == epochs
    limit = limit_of(x, momentum)
    assert agrees(seen["limit"], limit)
    assert seen["loss"] in seen["sentence"] or not np.isfinite(last)
    assert ("blows up" in seen["sentence"]) is bool(used > limit)

    said, marked = rate.evaluate(
        "(input) => [input.ariaValueText, input.style.getPropertyValue('--at')]"
    )
    assert agrees(said, used)
    share = np.log(limit / RATES[0]) / np.log(RATES[-1] / RATES[0])
    assert float(marked) == pytest.approx(share, abs=1e-5)
    notes = place.locator(".note").evaluate_all("all => all.map((o) => o.textContent)")
    assert len([*filter(None, notes)]) == (3 if used > limit else 0)


@pytest.mark.parametrize("x", SCALES.values(), ids=SCALES)
def test_contours_join_equal_losses(x):
    def losses_at(points):
        errors = points[..., :1] * x.astype(float) + points[..., 1:] - Y
        return np.mean(errors**2, axis=-1)

    valley = survey(fl.Dataset(x, Y))
    lowest, start = losses_at(np.stack([valley.minimum, [1.0, 0.0]]))
    contours = valley.minimum + valley.radii[:, None, None] * valley.ellipse
    above = losses_at(contours) - lowest
    assert above == pytest.approx(np.repeat(above[:, :1], 97, axis=1), rel=1e-6)
    # One of them goes through the start, and each is four times as high as the last.
    assert np.min(np.abs(above - (start - lowest))) < 1e-6 * start
    assert above[1:, 0] / above[:-1, 0] == pytest.approx(np.full(7, 4.0))
    assert valley.lowest == pytest.approx(lowest)


def test_the_thermometer_begins_just_below_the_limit(chromium, path):
    with opened(chromium, path) as page:
        place = page.locator("#learning_rates-thermometer")
        rate = place.get_by_role("slider", name="Learning rate")
        limit, _ = number(all_shown(place)["limit"])
        at = int(rate.input_value())
        assert RATES[at] < limit < RATES[at + 1]
        assert not place.locator(".missed").count()
        rate.press("ArrowRight")
        assert "blows up" in place.locator(".missed").inner_text()


SPLITS = SMALL["split_uncertainty"]


@pytest.fixture
def draws(chromium, path):
    with opened(chromium, path) as page:
        yield page.locator("#split_uncertainty-draws")


@pytest.fixture(scope="module")
def masks():
    key, _ = jax.random.split(jax.random.key(SPLITS.seed))
    found = fl.validation.hold_out(key, fl.data.thermometer(), SPLITS.splits, 0.2)
    return np.asarray(found)


@pytest.fixture(scope="module")
def losses(masks):
    """The validation loss of every split."""
    x, train = X / SPLITS.input_scale, ~masks
    weight, bias = np.ones((len(masks), 1)), np.zeros((len(masks), 1))
    for _ in range(SPLITS.epochs):
        slopes = 2 * (weight * x + bias - Y) * train / train.sum(axis=1, keepdims=True)
        weight = weight - SPLITS.learning_rate * np.sum(slopes * x, 1, keepdims=True)
        bias = bias - SPLITS.learning_rate * np.sum(slopes, 1, keepdims=True)
    errors = (weight * x + bias - Y) ** 2
    return np.sum(errors * masks, axis=1) / masks.sum(axis=1)


def check_split(place, losses, masks, drawn):
    found = all_shown(place)
    assert int(found["drawn"]) == drawn
    assert agrees(found["validation"], losses[drawn - 1])
    assert agrees(found["mean"], losses[:drawn].mean())
    assert found["validation"] in found["sentence"]
    if drawn > 1:
        assert agrees(found["spread"], losses[:drawn].std(ddof=1), relative=2e-5)
    else:
        assert found["spread"] == "–"
    held_out = masks[drawn - 1]
    assert seen(place, "path.points.vermillion") == inside(X[held_out])
    assert seen(place, "path.points.blue") == inside(X[~held_out])


def seen(place, path):
    """How far to the right the points of a path are, from 0 to 1."""
    drawn = place.locator(path).get_attribute("d")
    return pytest.approx(
        sorted(float(x) / 284 for x in re.findall(r"M(\S+) ", drawn)), abs=1e-3
    )


def inside(x):
    margin = 0.1 * np.ptp(X)
    return sorted((x - X.min() + margin) / (np.ptp(X) + 2 * margin))


def heights(place):
    """How many splits each bar of the histogram stands for, by its height."""
    drawn = place.locator("path.bars").get_attribute("d")
    bars = re.findall(r"M\S+ (\S+)V(\S+)H", drawn)
    return np.array([float(bottom) - float(top) for bottom, top in bars])


def test_every_draw_shows_what_its_split_leads_to(draws, losses, masks):
    place = draws
    check_split(place, losses, masks, 1)
    one = place.get_by_role("button", name="Draw another split")
    for drawn in range(2, 26):
        one.press("Enter" if drawn % 2 else "Space")
        check_split(place, losses, masks, drawn)


def test_a_hundred_fill_the_histogram(draws, losses, masks):
    place = draws
    many = place.get_by_role("button", name="Draw 100")
    many.press("Enter")
    check_split(place, losses, masks, 101)
    counts, _ = np.histogram(losses[:101], 24, (0, losses.max() * 1.02))
    share = heights(place)
    assert share / share.sum() == pytest.approx(counts[counts > 0] / 101, abs=2e-3)
    assert "101 drawn so far" in all_shown(place)["sentence"]

    many.press("Enter")
    check_split(place, losses, masks, SPLITS.splits)
    assert many.is_disabled()
    place.get_by_role("button", name="Start again").press("Enter")
    check_split(place, losses, masks, 1)
    assert many.is_enabled()


def test_the_histogram_fills_before_the_eyes_of_whoever_likes_it(chromium, path):
    with opened(chromium, path, reduced_motion="no-preference") as page:
        place = page.locator("#split_uncertainty-draws")
        place.locator("[data-quantity=drawn]").evaluate(
            """(output) => {
              window.seen = [];
              new MutationObserver(() => window.seen.push(Number(output.textContent)))
                .observe(output, {childList: true});
            }"""
        )
        place.get_by_role("button", name="Draw 100").press("Enter")
        page.wait_for_function("window.seen.includes(101)")
        seen = page.evaluate("window.seen")
        assert seen == sorted(seen)
        assert len(seen) > 10
        assert "101 drawn so far" in all_shown(place)["sentence"]
