"""Lines of text from rows, read back by other readers."""

import csv
import io
import json

import jax
import ml_dtypes
import numpy as np
import pandas as pd
import pytest

from funclearn.running import _rows


def shapes(rows):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), rows)


def text(kind, rows, start=0):
    form = getattr(_rows, f"{kind}_format")(shapes(rows))
    return (form.head + b"".join(form.lines(start, rows))).decode("utf-8")


def table(rows, start=0):
    return list(csv.reader(io.StringIO(text("csv", rows, start)), strict=True))


def objects(rows, start=0):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    lines = text("json", rows, start).splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def bits(values):
    return np.asarray(values).view(f"u{np.asarray(values).dtype.itemsize}")


def floats(dtype):
    """Of every exponent a few, the powers of two and their neighbours, and specials."""
    size = np.dtype(dtype).itemsize
    ints = np.random.default_rng(0).integers(0, 2 ** (8 * size), 20000, np.uint64)
    values = ints.astype(f"u{size}").view(dtype)
    with np.errstate(invalid="ignore"):  # signalling NaN
        values = values[~np.isnan(values)]
    info = ml_dtypes.finfo(dtype)
    powers = np.ldexp(1.0, np.arange(info.minexp, info.maxexp)).astype(dtype)
    near = [np.nextafter(powers, dtype(sign * np.inf)) for sign in (1, -1)]
    some = np.array([0, -0.0, 0.1, 1, 100, 1e-3, np.inf, -np.inf, 1 / 3]).astype(dtype)
    return np.concatenate([some, values, powers, *near])


DTYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: np.dtype(dtype).name)
def test_every_number_reads_back_to_the_same_bits(dtype):
    values = floats(dtype)
    cells = [line[1] for line in table({"loss": values})[1:]]
    with np.errstate(over="ignore"):
        back = np.array([*map(float, cells)]).astype(dtype)
    np.testing.assert_array_equal(bits(back), bits(values))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numbers_are_as_short_as_they_can_be(dtype):
    """NumPy tells how many digits that is; at ties ours may be more."""

    def digits(cell):
        return len(cell.split("e")[0].replace(".", "").replace("-", "").strip("0"))

    values = floats(dtype)
    values = values[np.isfinite(values)]
    cells = [line[1] for line in table({"loss": values})[1:]]
    wanted = [np.format_float_scientific(v, unique=True, trim="-") for v in values]
    excess = np.array([*map(digits, cells)]) - np.array([*map(digits, wanted)])
    assert excess.min() >= 0 and (excess > 0).mean() < 0.02
    assert table({"a": np.array([0.1], dtype)})[1][1] == "0.1"


def test_pandas_reads_the_same_floats():
    values = floats(np.float32)
    rows = {"loss": values, "n": np.arange(len(values))}
    frame = pd.read_csv(io.StringIO(text("csv", rows)))
    np.testing.assert_array_equal(
        bits(frame["loss"].to_numpy(np.float32)), bits(values)
    )
    np.testing.assert_array_equal(frame["epoch"], np.arange(1, len(values) + 1))


def test_what_is_not_finite():
    values = np.array([np.nan, np.inf, -np.inf, 1.5], np.float32)
    assert [line[1] for line in table({"a": values})] == [
        "a",
        "nan",
        "inf",
        "-inf",
        "1.5",
    ]
    frame = pd.read_csv(io.StringIO(text("csv", {"a": values})))
    np.testing.assert_array_equal(frame["a"], values)
    assert [one["a"] for one in objects({"a": values})] == [None, None, None, 1.5]
    frame = pd.read_json(io.StringIO(text("json", {"a": values})), lines=True)
    np.testing.assert_array_equal(frame["a"], [np.nan] * 3 + [1.5])


def test_our_own_reader_reads_it(tmp_path):
    import funclearn as fl

    values = np.array([0.5, np.nan, 2.0], np.float32)
    path = tmp_path / "history.csv"
    path.write_text(text("csv", {"loss": values, "z": np.ones(3)}), encoding="utf-8")
    data = fl.data.read_csv(path, target="loss", inputs="epoch", missing="drop")
    np.testing.assert_array_equal(data.inputs, [1, 3])
    np.testing.assert_array_equal(data.targets, [0.5, 2])


INTEGERS = [np.int8, np.uint8, np.int32, np.int64, np.uint64, ml_dtypes.int4]


@pytest.mark.parametrize("dtype", INTEGERS, ids=lambda dtype: np.dtype(dtype).name)
def test_integers_and_truths(dtype):
    info = ml_dtypes.iinfo(dtype)
    rows = {"n": np.array([info.min, info.max], dtype), "ok": np.array([True, False])}
    n = [int(info.min), int(info.max)]
    assert table(rows, 41) == [
        ["epoch", "n", "ok"],
        ["42", str(n[0]), "1"],
        ["43", str(n[1]), "0"],
    ]
    assert objects(rows, 41) == [
        {"epoch": 42, "n": n[0], "ok": True},
        {"epoch": 43, "n": n[1], "ok": False},
    ]


def test_nested_rows_and_arrays():
    from funclearn.training import History

    large = np.arange(34, dtype=np.float32).reshape(2, 17)
    rows = History(
        np.array([1.5, 2.5], np.float32),  # pyright: ignore[reportArgumentType]
        {
            "a": [np.array([1, 2]), large],
            "w": np.arange(8.0).reshape(2, 2, 2),
            "empty": np.zeros((2, 0)),
        },
    )
    names = [
        "loss",
        "evaluation.a.0",
        *(f"evaluation.w[{i},{j}]" for i in (0, 1) for j in (0, 1)),
    ]
    assert _rows.columns(shapes(rows)) == names
    assert table(rows)[0] == ["epoch", *names]
    assert [float(cell) for cell in table(rows)[2]] == [2, 2.5, 2, 4, 5, 6, 7]
    assert objects(rows)[1] == {
        "epoch": 2,
        "loss": 2.5,
        "evaluation.a.0": 2,
        "evaluation.a.1": large[1].tolist(),
        "evaluation.empty": [],
        "evaluation.w": [[4, 5], [6, 7]],
    }


ODD = [
    "a,b",
    'say "x"',
    "two\nlines",
    " blank",
    "100 %",
    "%d",
    "{}",
    "\N{SNOWMAN}",
    "\r",
]


@pytest.mark.parametrize("name", [*ODD, "\r", "\ud800"], ids=ascii)
def test_odd_names(name):
    rows = {name: np.array([1.5, 2.5])}
    shown = name.encode(errors="backslashreplace").decode()
    assert table(rows) == [["epoch", shown], ["1", "1.5"], ["2", "2.5"]]
    assert objects(rows)[1] == {"epoch": 2, name: 2.5}
    assert list(pd.read_csv(io.StringIO(text("csv", rows)))) == ["epoch", shown]


def test_a_row_of_one_number_has_a_name():
    assert table(np.array([0.5]))[0] == ["epoch", "value"]


def test_blocks_are_joined_without_a_seam():
    n = 2 * _rows._BLOCK + 3
    rows = {"n": np.arange(n), "x": np.linspace(0, 1, n, dtype=np.float32)}
    lines = table(rows, 10**9)[1:]
    assert [int(line[1]) for line in lines] == list(range(n))
    assert [int(line[0]) for line in lines] == list(range(10**9 + 1, 10**9 + 1 + n))


ONE = jax.ShapeDtypeStruct((), np.float32)
COMPLEX = jax.ShapeDtypeStruct((), np.complex64)

REFUSED = {
    "keys": (lambda: {"k": jax.random.key(0)}, TypeError, r"k of a row .* key<fry>"),
    "complex": (lambda: {"z": COMPLEX}, TypeError, "z of a row .* complex"),
    "text": (lambda: {"t": "a"}, TypeError, "t of a row .* 'a'"),
    "twice": (lambda: {"a": {"b": ONE}, "a.b": ONE}, ValueError, "'a.b' twice"),
    "epoch": (lambda: {"epoch": ONE}, ValueError, "'epoch' beside"),
    "nothing": (lambda: None, ValueError, "at least one array"),
}


@pytest.mark.parametrize("row, error, message", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_logged_is_refused(row, error, message):
    with pytest.raises(error, match=message):
        _rows.columns(row())
