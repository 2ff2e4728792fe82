import dataclasses
import html
import itertools
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from experiments import NAMES, SUBJECTS, TITLES
from experiments.harness import _page, _published, style
from experiments.harness._experiment import Explorable, Outcome, Picture, Plot, Table
from experiments.harness._report import Experiment, perform
from tests.browser import program

CHROMIUM = program()
WIDTHS = (400, 1200)


def _draw(axes):
    axes.plot([1, 2, 3], [3.0, 1.0, 2.0])
    axes.set(xlabel="epoch", ylabel="loss", title="The loss falls")


PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="2000" height="20" role="img" '
    'aria-label="a line"><style>svg:root{color:red}</style>'
    '<path d="M0 9h2000" stroke="currentColor"/></svg>'
)
OUTCOME = Outcome(
    computed={"broadcast-xxy": (3, 1), "broadcast-yxz": (3, 3)},
    tables=(
        Table("Ranks", ("array", "rank"), (("x", 1), ("<y>", np.inf))),
        Table("Empty", ("a", "b"), ()),
        Table("Wide", tuple("abcdefghijkl"), ((1 / 3,) * 12, (1e-9 / 7,) * 12)),
    ),
    plots={"loss": Plot('The "loss" & more.', _draw), "again": Plot("Again.", _draw)},
    pictures={"line": Picture("A line.", PICTURE)},
    findings=("A `code` word, a <tag> and an_identifier_" + "that_is_long_" * 8,),
)
EXPLANATION = "A paragraph & <more>.\n\n    loss = " + "mean((w * t_u + b)) " * 9
SOURCES = ("Reading notes on the book",)
EXPERIMENTS = [
    Experiment(
        name,
        "Shows `it`.",
        EXPLANATION,
        ("Reading notes on the book",),
        dict,
        lambda _: OUTCOME,
    )
    for name in ("broadcasting", "validation")
]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    for experiment in EXPERIMENTS:
        command = f"python -m experiments.{experiment.name} --option " + "long" * 30
        perform(experiment, {}, out, command)
    return _page.rebuild(out).path


class _Outline(HTMLParser):
    """Collects start tags with their attributes, and the text of the page."""

    def __init__(self):
        super().__init__()
        self.tags = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def outline(page):
    parser = _Outline()
    parser.feed(page.read_text())
    return parser


def _all(outline, wanted):
    return [attributes for tag, attributes in outline.tags if tag == wanted]


@pytest.mark.slow
def test_shows_everything(outline):
    words = " ".join(outline.text.split())
    for part in (
        "Shows it.",
        "A paragraph & <more>.",
        "A code word, a <tag>",
        'The "loss" & more.',
        "A line.",
        "python -m experiments.validation --option long",
        "Ranks",
        "Printed in Reading notes on the book",
        "whole number",
        "<y>",
        "0.3333",
        "Training and validation",
        "x * y has shape",
        "not computed",
        "2 of 14 published figures met",
    ):
        assert part in words
    assert len(_all(outline, "figure")) == len(_all(outline, "figcaption")) == 6


def test_needs_no_network(page, outline):
    assert "//" not in page.read_text()
    assert not _all(outline, "script") + _all(outline, "link") + _all(outline, "img")


def test_identifiers_are_unique_and_references_resolve(outline):
    names = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(set(names)) == len(names)
    targets = [attributes["href"] for attributes in _all(outline, "a")]
    subjects = ["#what-learning-is", "#broadcasting", "#judging-a-model", "#validation"]
    assert [*dict.fromkeys(one for one in targets if one in subjects)] == subjects
    assert {target[1:] for target in targets} <= set(names)


def test_every_text_is_named_in_full_where_its_links_lead(outline, page):
    text = html.unescape(page.read_text())
    for name, full in _published.sources().items():
        assert f">{name}</dt>" in text
        assert full in text
    links = [attributes["href"] for attributes in _all(outline, "a")]
    assert links.count("#reading-notes-on-the-book") > 1


def test_the_commands_are_those_of_the_readme(page):
    readme = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
    text = html.unescape(page.read_text())
    commands = re.findall(r'<pre class="command">(python3 .*)</pre>', text)
    assert len(commands) == 2
    assert all(f"\n{command}\n" in readme for command in commands)


def test_every_article_leads_back_to_the_contents(page):
    text = page.read_text()
    articles = re.findall("<article.*?</article>", text, re.DOTALL)
    assert len(articles) == 2
    assert all('<a href="#contents">' in article for article in articles)
    assert 'id="contents"' in text


def test_experiments_stand_under_subjects_in_an_order_to_learn_from(page):
    assert sorted(itertools.chain(*SUBJECTS.values())) == sorted(NAMES)
    titles = re.findall(r"<h[23] id=[^>]*>([^<]*)", page.read_text())
    shown = [title for title in titles if title in {*SUBJECTS, *TITLES.values()}]
    assert shown == [
        "What learning is",
        TITLES["broadcasting"],
        "Judging a model",
        TITLES["validation"],
    ]


def test_is_accessible(outline):
    assert _all(outline, "html") == [{"lang": "en"}]
    assert len(_all(outline, "title")) == 1
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))
    assert all("scope" in attributes for attributes in _all(outline, "th"))
    assert len(_all(outline, "caption")) == len(_all(outline, "table"))
    for attributes in _all(outline, "svg"):
        assert attributes["role"] == "img"
        assert attributes["aria-label"]


EXPLORABLES = {
    "moved": Explorable("Move `it`.", "split", {}, "loss"),
    "dragged": Explorable("Drag it.", "thermometer", {}, "line"),
}


@pytest.mark.slow
def test_explorables_stand_where_their_still_figures_stood(tmp_path):
    outcome = dataclasses.replace(OUTCOME, explorables=EXPLORABLES)
    for experiment in EXPERIMENTS:
        explored = experiment._replace(run=lambda _: outcome)
        perform(explored, {}, tmp_path, "python")
    text = _page.rebuild(tmp_path).path.read_text()
    outline = _Outline()
    outline.feed(text)
    classes = [attributes.get("class") for attributes in _all(outline, "figure")]
    assert classes == ["live", "still", "live", "still picture", None] * 2
    assert len(_all(outline, "svg")) == 6
    places = [each for each in _all(outline, "div") if "data-key" in each]
    assert [(each["data-script"], each["data-key"]) for each in places] == [
        (script, f"{name}/{stem}")
        for name in ("broadcasting", "validation")
        for stem, script in (("moved", "split"), ("dragged", "thermometer"))
    ]
    loaded = [each["src"] for each in _all(outline, "script") if "src" in each]
    assert loaded == [f"{each['data-key']}.js" for each in places]
    for once in ("const explore = ", 'define("split"', 'define("thermometer"'):
        assert text.count(once) == 1


def test_totals_count_the_whole_folder(experiment, tmp_path, read):
    config = experiment.config_type
    perform(experiment, config(), tmp_path, "python")
    other = experiment._replace(name="autograd")
    perform(other, config(epochs=1), tmp_path, "python")
    assert _page.rebuild(tmp_path) == (tmp_path / "index.html", ())
    totals = read(tmp_path / "summary.json")
    assert totals["published"] == {"met": 3, "total": 3}
    assert [(total["name"], total["compared"]) for total in totals["experiments"]] == [
        ("broadcasting", True),
        ("autograd", False),
    ]
    assert (
        "the settings are not the default ones" in (tmp_path / "index.html").read_text()
    )


def test_an_empty_folder_has_an_empty_page(tmp_path, read):
    assert _page.rebuild(tmp_path).left_out == ()
    assert "0 of 0 published figures met" in (tmp_path / "index.html").read_text()
    assert read(tmp_path / "summary.json") == {
        "published": {"met": 0, "total": 0},
        "seconds": 0,
        "experiments": [],
    }


def _truncate(folder):
    path = folder / "summary.json"
    path.write_text(path.read_text()[:500])


def _age(folder):
    path = folder / "summary.json"
    content = json.loads(path.read_text())
    del content["compared"]
    path.write_text(json.dumps(content))


def _forget_a_figure(folder):
    (folder / "loss.svg").unlink()


def _garble_a_figure(folder):
    (folder / "loss.svg").write_bytes(b"\xff")


def _replace_by_folder(folder):
    (folder / "summary.json").unlink()
    (folder / "summary.json").mkdir()


def _explore_what_is_gone(folder):
    path = folder / "summary.json"
    content = json.loads(path.read_text())
    gone = {"file": "loss", "caption": "Move it.", "script": "gone", "still": "loss"}
    path.write_text(json.dumps(content | {"explorables": [gone]}))


def _rename(folder):
    path = folder / "summary.json"
    path.write_text(path.read_text().replace('"autograd"', '"optimizers"'))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_truncate, "is not a summary of this version"),
        (_age, "is not a summary of this version: it has no compared."),
        (_forget_a_figure, "No such file or directory"),
        (_garble_a_figure, "can't decode"),
        (_replace_by_folder, "Is a directory"),
        (_rename, "is the summary of 'optimizers'."),
        (_explore_what_is_gone, "needs 'gone', a script that this version lacks"),
    ],
)
def test_leaves_out_what_it_cannot_read(experiment, tmp_path, read, damage, reason):
    for name in ("broadcasting", "autograd"):
        named = experiment._replace(name=name)
        perform(named, named.config_type(), tmp_path, "python")
    damage(tmp_path / "autograd")
    page = _page.rebuild(tmp_path)
    (sentence,) = page.left_out
    assert sentence.startswith("The page leaves out autograd until it is run again: ")
    assert reason in sentence
    assert str(tmp_path / "autograd") in sentence
    totals = read(tmp_path / "summary.json")
    assert [total["name"] for total in totals["experiments"]] == ["broadcasting"]
    assert 'id="autograd"' not in page.path.read_text()
    assert 'id="broadcasting"' in page.path.read_text()


def test_a_page_that_cannot_be_made_changes_no_file(experiment, tmp_path, monkeypatch):
    _page.rebuild(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    perform(experiment, experiment.config_type(), tmp_path, "python")

    def fail(rows):
        raise ValueError("no columns")

    monkeypatch.setattr(_page, "numeric_columns", fail)
    with pytest.raises(ValueError, match="no columns"):
        _page.rebuild(tmp_path)
    assert {path: path.read_bytes() for path in before} == before


def _chromium(tmp_path, *options):
    assert CHROMIUM
    return subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--allow-file-access-from-files",
            "--hide-scrollbars",
            f"--user-data-dir={tmp_path / 'profile'}",
            *options,
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout


# A window is at least 500 pixels wide, a frame can be as narrow as a telephone.
FRAME = """<!doctype html><meta name="color-scheme" content="light dark">
<style>body {{ margin: 0 }} iframe {{ border: 0 }}</style>
<iframe src="{page}" width="{width}" height="1600"></iframe>
<script>
addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentDocument;
  const scale = (matrix) => Math.hypot(matrix.a, matrix.b);
  const wide = (part) => part.scrollWidth > part.clientWidth && part.clientWidth > 0;
  document.body.dataset.found = JSON.stringify({{
    page: page.documentElement.scrollWidth,
    boxes: [...page.querySelectorAll("body, body :not(svg, svg *)")]
      .filter(wide).map((part) => part.className || part.localName),
    letters: Math.min(...[...page.querySelectorAll("body *")]
      .filter((part) => [...part.childNodes].some((node) => node.data?.trim()))
      .map((part) => parseFloat(getComputedStyle(part).fontSize)
        * (part.ownerSVGElement ? scale(part.getScreenCTM()) : 1))),
  }});
}});
</script>"""


@pytest.fixture(scope="module", params=WIDTHS)
def shown(page, tmp_path_factory, request):
    """What Chromium makes of the page in a frame of some width, and the width."""
    tmp_path, width = tmp_path_factory.mktemp("frame"), request.param
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(page=page.as_uri(), width=width))
    shown = _chromium(tmp_path, "--dump-dom", frame.as_uri())
    found = re.search(r"data-found='([^']*)'|data-found=\"([^\"]*)\"", shown)
    assert found
    return json.loads((found[1] or found[2]).replace("&quot;", '"')), width


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_only_boxes_scroll_sideways(shown):
    sizes, width = shown
    assert sizes["page"] <= width
    assert set(sizes["boxes"]) <= {"scroll", "pre"}
    if width == min(WIDTHS):
        assert set(sizes["boxes"]) == {"scroll", "pre"}


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_no_letter_is_smaller_than_twelve_pixels(shown):
    sizes, _ = shown
    assert 11.95 < sizes["letters"] < 16


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("scheme", "paper", "ink"),
    [(0, style.DARK_PAPER, style.DARK_INK), (1, style.PAPER, style.INK)],
    ids=["dark", "light"],
)
@pytest.mark.slow
def test_follows_the_scheme_of_the_reader(page, tmp_path, width, scheme, paper, ink):
    frame, shot = tmp_path / "frame.html", tmp_path / "shot.png"
    frame.write_text(FRAME.format(page=page.as_uri(), width=width))
    _chromium(
        tmp_path,
        f"--blink-settings=preferredColorScheme={scheme}",
        f"--screenshot={shot}",
        "--window-size=1200,1600",
        frame.as_uri(),
    )
    pixels = np.rint(matplotlib.image.imread(shot)[:, :width, :3] * 255).astype(int)
    assert _share(pixels, paper) > 0.5
    assert _share(pixels, ink) > 0.002


def _share(pixels, colour):
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return np.mean(np.all(pixels == wanted, axis=-1))
