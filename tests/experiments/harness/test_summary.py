import dataclasses
import json
import re

import pytest

from experiments.harness import Table, _published, _summary
from experiments.harness._summary import Drawing, Summary

COMPUTED = {"broadcast-xxy": (3, 1), "broadcast-yxz": (3, 4)}


def _new(name="broadcasting", **fields):
    settled = {
        "device": "cpu",
        "versions": {"jax": "1.2"},
        "name": name,
        "command": f"python -m experiments.{name}",
        "published": _published.compare_all(name, COMPUTED),
    }
    return Summary(**settled | fields)


FULL = _new(
    summary="Shows it.",
    sources=("A book",),
    config={"epochs": 3, "rates": [0.5], "data": None},
    seconds=1.25,
    findings=("Found.",),
    tables=(Table("Losses", ("epoch", "loss"), ((1, 0.5), (2, "inf"))),),
    figures=(Drawing("loss", "The loss."),),
    history="history.csv",
)


@pytest.mark.parametrize("summary", [_new(), FULL], ids=["bare", "full"])
def test_what_is_written_reads_back(summary):
    text = _summary.encode(summary)
    assert _summary.decode(text) == summary
    assert _summary.encode(_summary.decode(text)) == text


def test_keys_are_the_fields_in_order():
    content = json.loads(_summary.encode(FULL))
    assert [*content] == [
        *("summary", "explanation", "sources", "config", "seconds", "findings"),
        *("tables", "figures", "pictures", "explorables", "history", "compared"),
        "error",
        *("device", "versions", "name", "command", "published"),
    ]
    assert content["tables"] == [
        {
            "title": "Losses",
            "columns": ["epoch", "loss"],
            "rows": [[1, 0.5], [2, "inf"]],
        }
    ]
    assert content["figures"] == [{"file": "loss", "caption": "The loss."}]
    assert [*content["published"][0]] == [
        *("id", "source", "setting", "quantity", "published"),
        *("computed", "difference", "tolerance", "rule", "note", "met", "misses"),
    ]


def test_non_finite_numbers_are_text():
    table = Table("Losses", ("loss",), ((float("inf"),), (float("nan"),)))
    read = _summary.decode(_summary.encode(_new(tables=(table,))))
    assert read.tables[0].rows == (("inf",), ("nan",))


def test_count_and_totals():
    failed = _new("validation", seconds=0.5, error="ValueError: lost")
    other = _new("autograd", seconds=0.25, compared=False, published=())
    assert _summary.count([]) == _summary.Count(0, 0)
    assert _summary.count([FULL]) == _summary.Count(1, 3)
    totals = _summary.add_up([FULL, failed, other])
    assert json.loads(_summary.encode(totals)) == {
        "published": {"met": 1, "total": 3 + len(failed.published)},
        "seconds": 2.0,
        "experiments": [
            {
                "name": "broadcasting",
                "seconds": 1.25,
                "compared": True,
                "error": None,
                "met": 1,
                "total": 3,
            },
            {
                "name": "validation",
                "seconds": 0.5,
                "compared": True,
                "error": "ValueError: lost",
                "met": 0,
                "total": len(failed.published),
            },
            {
                "name": "autograd",
                "seconds": 0.25,
                "compared": False,
                "error": None,
                "met": 0,
                "total": 0,
            },
        ],
    }


def _changed(**changes):
    return json.dumps(json.loads(_summary.encode(FULL)) | changes).encode()


def _without(key):
    content = json.loads(_summary.encode(FULL))
    del content[key]
    return json.dumps(content).encode()


RAGGED = [{"title": "T", "columns": ["a"], "rows": [[1, 2]]}]

data_message = [
    (b"", "Expecting value"),
    (_summary.encode(FULL).encode()[:100], "Unterminated string|Expecting"),
    (b"\xff\xfe", "can't decode"),
    (b"[" * 100_000, "nested too deeply"),
    (b"[]", "it must be an object, not a list"),
    (b'{"published": {"met": 1, "total": 1}}', "it has no summary, explanation"),
    (_without("compared"), "it has no compared"),
    (_changed(version=2), "it has the unknown version"),
    (_changed(published=3), "published must be a list"),
    (_changed(seconds=None), "seconds must be a number, not null"),
    (_changed(tables=RAGGED), "'T' has 1 columns, and a row of 2 values"),
]


@pytest.mark.parametrize(
    ("data", "message"), data_message, ids=range(len(data_message))
)
def test_a_damaged_or_other_file_is_refused_by_name(tmp_path, data, message):
    path = tmp_path / "broadcasting" / "summary.json"
    path.parent.mkdir()
    path.write_bytes(data)
    start = re.escape(f"{path} is not a summary of this version: ")
    with pytest.raises(ValueError, match=f"{start}.*({message})"):
        _summary.load(path)


def test_a_summary_stays_in_its_folder(tmp_path):
    path = tmp_path / "broadcasting" / "summary.json"
    path.parent.mkdir()
    path.write_text(_summary.encode(FULL))
    assert _summary.load(path) == FULL
    path.write_text(_summary.encode(dataclasses.replace(FULL, name="autograd")))
    with pytest.raises(ValueError, match="is the summary of 'autograd'"):
        _summary.load(path)


def test_a_file_that_cannot_be_read_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError):
        _summary.load(tmp_path / "summary.json")
