"""Looks at a page of small runs, as readers do."""

import pytest

import experiments
from experiments.harness import _page
from experiments.harness._report import describe, perform
from tests import accessibility
from tests.browser import opened
from tests.experiments.test_experiments import SMALL

NAMES = ("seven_steps", "broadcasting", "gradient_vectors", "computational_graph")
MOST_BYTES = 3_000_000
MOST_PAGES = 25


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of small runs, with all kinds of tables, figures and pictures.

    They count as runs with default settings, so that the table of published figures is
    there, and has figures that are missed.
    """
    out = tmp_path_factory.mktemp("results")
    for name in NAMES:
        experiment = describe(name)
        outcome = experiment.run(experiment.config_type(**SMALL[name]))
        ran = experiment._replace(run=lambda _, outcome=outcome: outcome)
        perform(ran, experiment.config_type(), out, f"python -m experiments.{name}")
    made = _page.rebuild(out)
    assert made.left_out == ()
    return made.path


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.slow
def test_everybody_can_read_it(chromium, page, width):
    with opened(chromium, page, width=width) as shown:
        assert accessibility.problems(shown) == []


@pytest.mark.slow
def test_everybody_can_read_it_in_the_dark(chromium, page):
    with opened(chromium, page, color_scheme="dark") as shown:
        assert accessibility.contrast(shown) == []


def test_it_is_small(page):
    assert page.stat().st_size < MOST_BYTES / 4


def test_it_prints_on_few_pages(chromium, page):
    with opened(chromium, page) as shown:
        pages = accessibility.printed_pages(shown)
    # The introduction and the sources take two, the experiments share the others.
    assert 1 <= pages <= 2 + (MOST_PAGES - 2) * len(NAMES) / len(experiments.NAMES)


def test_details_are_not_printed_and_the_paper_is_white(chromium, page):
    with opened(chromium, page, color_scheme="dark") as shown:
        shown.emulate_media(media="print")
        assert not shown.locator("details").first.is_visible()
        paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(255, 255, 255)"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_first_column_is_held_while_a_table_scrolls(chromium, page, width):
    with opened(chromium, page, width=width) as shown:
        moved = shown.evaluate(
            """() => [...document.querySelectorAll(".scroll:has(table)")]
              .filter((box) => box.scrollWidth > box.clientWidth + 40)
              .map((box) => {
                const first = "tbody tr > :first-child:not([colspan])";
                const cell = box.querySelector(first);
                const before = cell.getBoundingClientRect().left;
                box.scrollLeft = 40;
                return cell.getBoundingClientRect().left - before;
              })"""
        )
        assert moved or width > 390
        assert all(abs(one) < 1 for one in moved)


def test_the_skip_link_leads_past_the_contents(chromium, page):
    with opened(chromium, page) as shown:
        shown.keyboard.press("Tab")
        link = shown.locator(":focus")
        assert link.inner_text() == "Skip to the experiments"
        box = link.bounding_box()
        assert box is not None and box["x"] >= 0
        shown.keyboard.press("Enter")
        shown.keyboard.press("Tab")
        assert shown.evaluate("!!document.activeElement.closest('main')")


def test_line_breaks_within_cells_stay(chromium, page):
    with opened(chromium, page) as shown:
        kept = shown.evaluate(
            "getComputedStyle(document.querySelector('td')).whiteSpaceCollapse"
        )
        assert kept in ("preserve-breaks", "preserve")
