"""Random tables, written in random ways and read back; some with one slip."""

import bz2
import gzip
import lzma
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import funclearn as fl
from benchmarks.hostile._outcome import Outcome

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1")
PACKERS: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    bytes,
    gzip.compress,
    bz2.compress,
    lzma.compress,
)
GAPS = ("", "NA", "?", "NULL", "nan", "-", "n/a", ".")
WORDS = ("red", "green", "dark blue", "größe", "x;y", "a,b", 'the "best"', "K9")
SLIPS = (
    "abc",
    "1_000",
    "0x10",
    "1e999",
    "inf",
    "12%",
    "2020-01-31",
    "1 2",
    "--1",
    "$4",
)
NAMES = ("x", "speed (m/s)", "Länge", "a,b", "p;q", 'an "odd" one', "2019", "no. 1")


class Dialect(NamedTuple):
    """How a table is written."""

    delimiter: str
    decimal: str
    end: str
    quoted: bool
    header: bool
    encoding: str
    packer: int
    blank: bool
    comment: bool


class Column(NamedTuple):
    """The cells of a column, as text and as what they mean; NaN or "" is missing."""

    texts: list[str]
    values: np.ndarray


def cases(seed: int, n: int) -> Iterator[Outcome]:
    """Writes tables and reads them back; the written numbers are the truth."""
    with tempfile.TemporaryDirectory() as folder:
        for case in range(n):
            random = np.random.default_rng([seed, case])
            path = Path(folder, "table.csv")
            name = f"tables seed={seed} case={case}"
            try:
                told = (_slipped if case % 4 == 3 else _read_back)(random, path)
            except Exception as error:
                told = f"{type(error).__name__}: {error}"
            yield Outcome(told is None, f"{name}: {told}")


def _read_back(random: np.random.Generator, path: Path) -> str | None:
    dialect, columns, names = _table(random)
    target = int(random.choice([at for at, c in enumerate(columns) if _numeric(c)]))
    _write(path, dialect, names, [c.texts for c in columns])
    missing = str(random.choice(["drop", "mean"]))
    data = fl.data.read_csv(
        path,
        target=names[target] if dialect.header else target,
        header=dialect.header,
        delimiter=None if random.random() < 0.7 else dialect.delimiter,
        decimal=dialect.decimal,
        missing=missing,
        categories="one-hot",
    )
    inputs, targets = _truth(columns, target, missing)
    if not np.array_equal(data.targets, targets):
        return f"targets {targets[:3]} became {data.targets[:3]}; {dialect}"
    # A mean is a sum of rounded parts, in whichever order.
    size = np.max(np.abs(inputs), axis=0)
    if data.inputs.shape != inputs.shape or not np.all(
        np.abs(data.inputs - inputs) <= 1e-14 * size
    ):
        return f"inputs {inputs[:3]} became {data.inputs[:3]}; {dialect}"
    return None


def _slipped(random: np.random.Generator, path: Path) -> str | None:
    """One cell is no number, or one line has a field too much: said with its line."""
    dialect, columns, names = _table(random)
    dialect = dialect._replace(blank=False, comment=False, header=True)
    columns = [column for column in columns if _numeric(column)]
    names = names[: len(columns)]
    if len(columns) < 2:
        return None
    rows = [list(row) for row in zip(*(c.texts for c in columns), strict=True)]
    at, where = int(random.integers(len(rows))), int(random.integers(len(columns)))
    ragged = random.random() < 0.3
    if ragged and len(rows) > 2:
        rows[at].append("1")
        piece = f"{len(columns) + 1} fields"
    else:
        rows[at][where] = slip = str(random.choice(SLIPS))
        piece = repr(slip)
    _write_rows(path, dialect, names, rows)
    try:
        fl.data.read_csv(path, target=0, decimal=dialect.decimal, missing="drop")
    except ValueError as error:
        told = str(error)
        if "\n" in told or f"line {at + 2}" not in told or piece not in told:
            return f"line {at + 2}, {piece}: {told}; {dialect}"
        return None
    return f"accepted {piece} in line {at + 2}; {dialect}"


def _table(random: np.random.Generator) -> tuple[Dialect, list[Column], list[str]]:
    delimiter = str(random.choice([",", ";", "\t", "|", " "]))
    dialect = Dialect(
        delimiter=delimiter,
        decimal="," if delimiter != "," and random.random() < 0.4 else ".",
        end=str(random.choice(["\n", "\r\n", "\r"])),
        quoted=bool(random.random() < 0.3),
        header=bool(random.random() < 0.8),
        encoding=str(random.choice(ENCODINGS)),
        packer=int(random.integers(len(PACKERS))),
        blank=bool(random.random() < 0.2),
        comment=bool(random.random() < 0.2),
    )
    n_rows = int(random.choice([3, 8, 40, 300]))
    width = int(random.integers(2, 6))
    columns = [_numbers(random, n_rows, dialect)]
    while len(columns) < width:
        draw = _words if random.random() < 0.2 else _numbers
        columns.append(draw(random, n_rows, dialect))
    names = [*random.permutation(NAMES)[: width - 1], "the target"]
    return dialect, columns, [str(name) for name in names]


def _numeric(column: Column) -> bool:
    return column.values.dtype == float


def _numbers(random: np.random.Generator, n: int, dialect: Dialect) -> Column:
    ways: list[Callable[[float], str]] = [
        repr,
        "{:.3f}".format,
        "{:.17e}".format,
        _fortran,
        _grouped,
    ]
    write = ways[random.integers(len(ways))]
    size = 10.0 ** random.integers(-30, 30) if write is not _grouped else 1e7
    values = random.normal(size=n) * size
    if random.random() < 0.3:
        bound = int(10 ** random.integers(1, 15))
        values, write = random.integers(-bound, bound, n).astype(float), "{:.0f}".format
    texts = [write(float(value)) for value in values]
    known = [float(t.replace("D", "e").replace("'", "")) for t in texts]
    gaps = random.random(n) < (0.1 if random.random() < 0.3 else 0.0)
    gaps[:2] = False  # a column of gaps alone is refused
    marks = [
        mark for mark in GAPS if mark or dialect.delimiter != " " or dialect.quoted
    ]
    texts = [
        str(random.choice(marks)) if gap else text.replace(".", dialect.decimal)
        for text, gap in zip(texts, gaps, strict=True)
    ]
    return Column(texts, np.where(gaps, np.nan, known))


def _fortran(value: float) -> str:
    return f"{value:.9E}".replace("E", "D")


def _grouped(value: float) -> str:
    return f"{value:,.2f}".replace(",", "'")


def _words(random: np.random.Generator, n: int, dialect: Dialect) -> Column:
    words = random.permutation(WORDS)[: random.integers(2, 5)]
    texts = [str(random.choice(words)) for _ in range(n)]
    return Column(texts, np.array(texts, object))


def _truth(
    columns: list[Column], target: int, missing: str
) -> tuple[np.ndarray, np.ndarray]:
    parts = []
    for at, column in enumerate(columns):
        if at == target:
            continue
        values = column.values
        if not _numeric(column):
            known = sorted(set(column.texts))
            parts += [(values == one).astype(float) for one in known]
        elif missing == "mean":
            parts.append(np.where(np.isnan(values), np.nanmean(values), values))
        else:
            parts.append(values)
    inputs, targets = np.stack(parts, axis=1), columns[target].values
    kept = ~np.isnan(targets) & ~np.isnan(inputs).any(axis=1)
    return inputs[kept], targets[kept]


def _write(
    path: Path, dialect: Dialect, names: list[str], columns: list[list[str]]
) -> None:
    _write_rows(path, dialect, names, [list(row) for row in zip(*columns, strict=True)])


def _write_rows(
    path: Path, dialect: Dialect, names: list[str], rows: list[list[str]]
) -> None:
    lines = [_line(row, dialect) for row in ([names] * dialect.header + rows)]
    if dialect.comment:
        lines.insert(0, "# made by nobody")
    if dialect.blank:
        lines.insert(2, "")
    text = dialect.end.join([*lines, ""])
    path.write_bytes(PACKERS[dialect.packer](text.encode(dialect.encoding)))


def _line(row: list[str], dialect: Dialect) -> str:
    return dialect.delimiter.join(_field(text, dialect) for text in row)


def _field(text: str, dialect: Dialect) -> str:
    odd = dialect.delimiter in text or '"' in text or text == ""
    return '"' + text.replace('"', '""') + '"' if odd or dialect.quoted else text
