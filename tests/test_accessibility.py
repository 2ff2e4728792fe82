import pytest

from tests import accessibility
from tests.browser import opened

GOOD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>A page</title>
<style>
body { max-width: 40rem; }
.scroll { overflow-x: auto; }
</style>
<h1 id="top">A page</h1>
<h2>Of two parts</h2>
<p><a href="#top">Up</a> <a href="page.html#end">Down</a></p>
<div class="scroll" tabindex="0">
<svg role="img" aria-label="A word" style="width: 1500px" viewBox="0 0 1500 40">
<rect width="1500" height="40" fill="#003355"/>
<text x="5" y="25" font-size="14" fill="white">A word</text>
</svg>
</div>
<fieldset><legend>One of</legend>
<label><input type="radio" name="one" checked> a</label>
<label><input type="radio" name="one"> b</label>
</fieldset>
<details><summary>More</summary><p style="font-size: 2px">hidden</p></details>
<img alt="" src="data:,">
<h2 id="end">The end</h2>
</html>
"""


@pytest.fixture
def found(chromium, tmp_path):
    def find(check, *changes, width=390, **options):
        text = GOOD
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (tmp_path / "page.html").write_text(text)
        with opened(chromium, tmp_path / "page.html", width=width, **options) as page:
            return check(page)

    return find


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.slow
def test_a_good_page_has_no_problem(found, width, scheme):
    assert found(accessibility.problems, width=width, color_scheme=scheme) == []


HEAD, WORD = "<h2>Of two parts</h2>", '<text x="5" y="25" font-size="14" fill="white">'
check_old_new_problem = [
    ("overflow", HEAD, '<p style="width: 600px">wide</p>', "pixels wide, of 390"),
    ("overflow", "overflow-x: auto", "overflow: hidden", "hides what it has no room"),
    ("small", HEAD, '<h2>Of <small style="font-size: 11px">two', "11.0 pixels"),
    ("small", "width: 1500px", "width: 750px", "<text> A word has letters of 7.0"),
    ("contrast", HEAD, '<h2 style="color: #888">Of two</h2>', "contrast of 3.5"),
    ("contrast", HEAD, '<h2 style="opacity: 0.4">Of two</h2>', "<h2> Of two"),
    ("contrast", WORD, WORD.replace("white", "#335"), "<text> A word"),
    ("contrast", 'fill="#003355"', 'fill="none"', "contrast of 1.0"),
    ("keyboard", "<a href", '<a tabindex="-1" href', "Up cannot be reached"),
    ("keyboard", "max-width", "} .scroll { outline: 0; } body { top", "not show that"),
    ("pictures", ' aria-label="A word"', "", "<svg> A word is not"),
    ("pictures", 'role="img" ', "", "<svg> A word is not described"),
    ("headings", "<h2>Of two parts</h2>", "<h3>Of two parts</h3>", "skips a level"),
    ("headings", '<h2 id="end">The end</h2>', "<h1>End</h1>", "must be one <h1>"),
    ("names", 'id="end"', 'id="top"', "top names two elements"),
    ("names", "<fieldset>", '<fieldset aria-labelledby="x">', "no x"),
    ("links", 'href="#top"', 'href="#up"', "#up leads nowhere"),
    ("links", "page.html#end", "other.html", "other.html leads to no file"),
]


@pytest.mark.parametrize(("check", "old", "new", "problem"), check_old_new_problem)
@pytest.mark.slow
def test_every_check_fails_where_it_must(found, check, old, new, problem):
    old = '<a href="#top"' if old == "<a href" else old
    new = '<a tabindex="-1" href="#top"' if "tabindex" in new else new
    problems = found(getattr(accessibility, check), (old, new))
    assert any(problem in one for one in problems), problems


def test_dark_pages_are_dark_to_the_check(found):
    change = (HEAD, '<h2 style="color: #333">Of two parts</h2>')
    assert found(accessibility.contrast, change, color_scheme="light") == []
    (problem,) = found(accessibility.contrast, change, color_scheme="dark")
    assert "Of two parts" in problem


def test_printed_pages_are_counted(found):
    assert found(accessibility.printed_pages) == 1
    breaks = '<h2 style="break-before: page">Of two parts</h2>'
    assert found(accessibility.printed_pages, (HEAD, breaks)) == 2
