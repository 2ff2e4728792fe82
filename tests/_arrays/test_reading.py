"""What comes as data is read as arrays of numbers, or refused by name."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn import _arrays

pytestmark = pytest.mark.usefixtures("plain_annotations")


class Series:
    """As pandas and polars have them: a column that NumPy can read."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


class Frame:
    """Columns by name; of unlike types NumPy is given objects."""

    def __init__(self, **columns):
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name):
        return Series(self._columns[name])

    def __array__(self, dtype=None, copy=None):
        kinds = {np.asarray(column).dtype for column in self._columns.values()}
        common = kinds.pop() if len(kinds) == 1 else object
        rows = zip(*self._columns.values(), strict=True)
        return np.array(list(rows), dtype or common)


class NamedColumns(Frame):
    """A frame of pandas, whose columns are its items."""

    def items(self):
        return [(name, self[name]) for name in self.columns]


class Tensor:
    """One that asks to be detached, in words of its own library."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.\nMore.")


@pytest.mark.parametrize("frame", [Frame, NamedColumns])
def test_a_frames_columns_are_columns(frame):
    data = fl.Dataset(frame(a=[1.0, 2.0], b=[3.0, 4.0]), Series([5, 6]))
    inputs, targets = _arrays.as_arrays("train", data)
    assert inputs.tolist() == [[1, 3], [2, 4]] and inputs.dtype == np.float64
    assert targets.tolist() == [5, 6]
    mixed = _arrays.as_array("x", frame(a=[1.5, 2.5], b=[True, False], c=[3, 4]))
    assert mixed.dtype == np.float64
    assert mixed.tolist() == [[1.5, 1, 3], [2.5, 0, 4]]


def test_arrays_are_what_they_were():
    data = {
        "x": np.arange(3.0),
        "y": (jnp.arange(3), jax.random.split(jax.random.key(0))),
    }
    assert _arrays.as_arrays("train", data) is data


def test_lists_of_numbers_are_arrays_and_lists_of_arrays_are_pytrees():
    inputs, targets = _arrays.as_arrays(
        "train", fl.Dataset([[1, 2.5], [3, 4]], (True, False))
    )
    assert inputs.tolist() == [[1, 2.5], [3, 4]] and targets.dtype == bool
    parts = _arrays.as_arrays("train", [np.ones(2), [1.0, 2.0]])
    assert isinstance(parts, list)
    assert [part.shape for part in parts] == [(2,), (2,)]
    with pytest.raises(TypeError, match=r"x must be an array of numbers.* type tuple"):
        _arrays.as_array("x", (jnp.ones(2), jnp.ones(2)))


@pytest.mark.parametrize(
    "array, dtype",
    [
        (np.arange(3, dtype=">f8"), "<f8"),
        (np.arange(3, dtype=">i2"), "<i2"),
        (np.array([1, 2], np.longdouble), "<f8"),
        (np.array([1, 2j], np.clongdouble), "<c16"),
        (np.ma.array([1.0, 2.0], mask=False), "<f8"),
        (np.arange(2, dtype="i4").view(type("Own", (np.ndarray,), {})), "<i4"),
        (np.float32(3), "<f4"),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_arrays_of_other_machines_become_plain_ones(array, dtype):
    read = _arrays.as_array("x", array)
    assert type(read) is np.ndarray and read.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(read, np.asarray(array))
    assert jnp.asarray(read).tolist() == np.asarray(array).tolist()


REFUSALS = {
    "text": (
        ["a", "b"],
        TypeError,
        r"train\.inputs must hold numbers; got text, .*'a'",
    ),
    "string": (
        "abc",
        TypeError,
        r"train\.inputs must be an array .* got 'abc' of type",
    ),
    "missing": ([1.0, None], TypeError, "objects, such as 1.0"),
    "dates": (np.array(["2020-01-01"], "M8[D]"), TypeError, "dates, .*timedelta64"),
    "spans": (np.array([3], "m8[s]"), TypeError, "time spans, .*timedelta64"),
    "records": (np.zeros(2, [("a", int)]), TypeError, "must hold numbers"),
    "objects": (np.array([1, 2], object), TypeError, r"objects, .*astype\(float\)"),
    "ragged": (
        [[1, 2], [3]],
        TypeError,
        r"train\.inputs must be .* got list: .*inhomog",
    ),
    "set": ({1, 2}, TypeError, r"got \{1, 2\} of type set"),
    "tensor": (Tensor(), TypeError, r"got Tensor: Can't call numpy\(\) .* grad\.$"),
    "masked": (
        np.ma.array([1.0], mask=True),
        ValueError,
        r"train\.inputs .* mask: fill",
    ),
    "column of text": (
        Frame(size=[1.0], city=["Rome"]),
        TypeError,
        r"train\.inputs\['city'\] must hold numbers; got text",
    ),
}


@pytest.mark.parametrize("inputs, error, message", REFUSALS.values(), ids=REFUSALS)
def test_refusals_name_the_argument(inputs, error, message):
    with pytest.raises(error, match=message) as caught:
        _arrays.as_arrays("train", fl.Dataset(inputs, np.ones(2)))
    assert "\n" not in str(caught.value)


def test_what_is_not_real_or_no_data_set_is_refused():
    for dtype in ("bool", "uint8", "int32", "bfloat16", "float32"):
        _arrays.check_real("x", jnp.ones(2, dtype))
    for array in (jnp.ones(2, complex), jax.random.split(jax.random.key(0))):
        with pytest.raises(TypeError, match="x must be real numbers; got"):
            _arrays.check_real("x", array)
    _arrays.check_dataset("train", fl.Dataset(1, 2))
    for data in ((1, 2), {"inputs": 1, "targets": 2}, None):
        with pytest.raises(
            TypeError, match=r"train must be a Dataset, .*Dataset\(inputs"
        ):
            _arrays.check_dataset("train", data)


def test_what_is_traced_is_not_known():
    known = []
    jax.jit(lambda x: known.append(_arrays.is_known((np.ones(1), x))))(1.0)
    assert known == [False]
    assert _arrays.is_known((np.ones(1), jnp.ones(1), 2.0))
