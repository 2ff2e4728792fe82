"""Data sets from files of tables."""

from funclearn.data._dataset import Dataset
from funclearn.data._encoding import check_choices, encode_at
from funclearn.data._table import check_layout, of_sheet
from funclearn.data._table_names import Column, Columns
from funclearn.data._table_sheet import open_sheet
from funclearn.data._table_source import File, open_source

__all__ = ["read_csv"]


def read_csv(
    path: File,
    *,
    target: Column,
    inputs: Columns = None,
    header: bool = True,
    delimiter: str | None = None,
    decimal: str = ".",
    missing: str = "refuse",
    categories: str = "refuse",
) -> Dataset:
    """Reads columns of numbers from a table in a text file.

    Fields may be quoted; blank lines, and comments that begin with # or %, are left
    out. Text may be in UTF-8, UTF-16 or Latin-1, packed by gzip, bzip2, xz or zip.
    Columns that are not asked for may hold anything.

    Where pandas is installed (the extra `tables`) it reads what holds plain numbers
    alone, else NumPy; all else, and what is wrong, a second look finds. The values are
    the same.

    Args:
        path: the file, or an open one.
        target: the target column, by name or by position, counted from 0.
        inputs: the input columns likewise; a single one gives inputs `(n,)`, a
            sequence `(n, columns)`, and None, every column that has a name but the
            target, `(n, columns)` too.
        header: whether the first line holds the columns' names. Names may be numbers
            if the target is asked for by its name.
        delimiter: what parts the fields; None finds commas, semicolons, tabs, bars or
            blanks. " " stands for blanks and tabs in a row.
        decimal: the decimal mark, "." or ",".
        missing: what becomes of missing cells (empty ones, NA, ?, null and the like):
            "refuse", "drop" (leaves out their rows), or "mean" (fills in the mean of
            the column, over all rows of the file). To learn the means from training
            rows alone, see `read_table` and `encode`.
        categories: what becomes of columns of text: "refuse" or "one-hot", a column of
            zeros and ones for every distinct text, in sorted order. A target of text
            becomes numbers of classes, 0 for the first text in sorted order.

    Returns:
        Inputs and targets `(n,)` in NumPy's float64 (numbers of classes are int64), so
        that distinct numbers of the file stay distinct until they are scaled.

    Raises:
        OSError: if the file cannot be read.
        TypeError: if an argument is of a wrong type.
        ValueError: if a column is missing, named twice or asked for twice, a line has
            another number of fields than the first, there are no rows, a cell is no
            finite number, or the first line looks like data; the message names line,
            column and text, and says what to do.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "speeds.csv")
        >>> with path.open("w") as file:
        ...     for line in ("time (s),speed (m/s)", "0.0,1.5", "0.5,2.5"):
        ...         print(line, file=file)
        >>> data = fl.data.read_csv(path, target="speed (m/s)")
        >>> print(data.inputs.shape, data.targets)
        (2, 1) [1.5 2.5]
    """
    check_layout(header, delimiter, decimal)
    check_choices(missing, categories)
    sheet = open_sheet(
        open_source(path), header=header, delimiter=delimiter, decimal=decimal
    )
    at, others = sheet.header.choose(target, inputs)
    table = of_sheet(sheet, [at, *others])
    # The columns asked for are all that the table has, the target first.
    single, others = isinstance(inputs, str | int), [*range(1, len(others) + 1)]
    return encode_at(table, 0, others, single, missing, categories)[0]
