"""Links that lead nowhere, and what a page would load from elsewhere, are found."""

import pytest

from docs.links import problems


@pytest.fixture
def site(tmp_path):
    def made(body, head=""):
        (tmp_path / "inner").mkdir(exist_ok=True)
        (tmp_path / "inner" / "other.html").write_text('<h1 id="top">Other</h1>')
        (tmp_path / "a b.txt").write_text("text")
        (tmp_path / "index.html").write_text(
            f'<html><head>{head}</head><body id="here">{body}</body></html>'
        )
        return problems(tmp_path)

    return made


THERE = ("inner/other.html", "inner/other.html#top", "#here", "a%20b.txt", "#")
FAR = ("https://example.org/far", "mailto:somebody@example.org")


@pytest.mark.parametrize("link", THERE + FAR)
def test_a_link_that_leads_somewhere_is_no_problem(site, link):
    assert site(f'<a href="{link}">x</a>') == []


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("missing.html", "missing.html is not there"),
        ("inner", "inner is not there"),
        ("inner/other.html#bottom", "inner/other.html#bottom has no such anchor"),
        ("#there", "#there has no such anchor"),
        ("/inner/other.html", "/inner/other.html begins at the root of the disk"),
    ],
)
def test_a_link_that_leads_nowhere_is_told_once(site, link, said):
    assert site(f'<a href="{link}">x</a><a href="{link}">y</a>') == [
        f"index.html: {said}"
    ]


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="{}"></script>',
        '<img src="{}">',
        '<link rel="stylesheet" href="{}">',
        '<iframe src="{}"></iframe>',
    ],
)
def test_a_page_loads_nothing_from_elsewhere(site, tag):
    for far in ("https://example.org/x", "//example.org/x"):
        assert site("", tag.format(far)) == [f"index.html: loads {far} from elsewhere"]
    assert site("", tag.format("a%20b.txt")) == []
    assert site("", tag.format("missing.txt")) == [
        "index.html: missing.txt is not there"
    ]


def test_links_of_inner_pages_begin_where_these_are(tmp_path, site):
    site("")
    page = tmp_path / "inner" / "other.html"
    page.write_text('<a href="../index.html#here">x</a><a href="index.html">y</a>')
    assert problems(tmp_path) == ["inner/other.html: index.html is not there"]
