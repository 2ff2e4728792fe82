"""Readings from a file, by their names and units."""

import numpy as np
import pytest

from experiments._data import Readings, label, power, quantity, readings


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_the_thermometers_by_default():
    given = readings(None, None)
    assert given.data.inputs.shape == given.data.targets.shape == (11,)
    assert given.input_name == "Reading (unknown unit)"
    assert given.target_name == "Temperature (°C)"
    assert (given.unit, given.slope_unit) == ("°C", "°C a unit")


def test_a_file_has_its_own_names(tmp_path):
    text = "\ufeffwidth (mm) , force (N)\n\n1,10\n2.5,-20\n"
    path = write(tmp_path / "spring.csv", text)
    given = readings(path, "force (N)")
    np.testing.assert_array_equal(given.data.inputs, [1, 2.5])
    np.testing.assert_array_equal(given.data.targets, [10, -20])
    assert (given.input_name, given.target_name) == ("width (mm)", "force (N)")
    assert (given.unit, given.slope_unit) == ("N", "N/mm")
    assert readings(path, "width (mm)").input_name == "force (N)"


@pytest.mark.parametrize(
    "names, unit, slope_unit",
    [
        (("time (s)", "speed (m/s)"), "m/s", "(m/s)/s"),
        (("time", "speed (m/s)"), "m/s", ""),
        (("time (s)", "speed"), "", ""),
        (("a (b) (s)", "b (c) (m)"), "m", "m/s"),
        (("a (b) c", "b) c"), "", ""),
    ],
)
def test_units_are_what_stands_in_parentheses_at_the_end(names, unit, slope_unit):
    given = Readings(readings(None, None).data, *names)
    assert (given.unit, given.slope_unit) == (unit, slope_unit)


def test_labels_and_quantities_do_without_a_unit():
    assert label("Loss", "°C²") == "Loss (°C²)"
    assert label("Loss", "") == "Loss"
    assert quantity("1.5", "m") == "1.5 m"
    assert quantity("1.5", "") == "1.5"
    assert [power(unit, 2) for unit in ("°C", "m/s", "")] == ["°C²", "(m/s)²", ""]
    assert [power(unit, 1) for unit in ("°C", "m/s", "")] == ["°C", "m/s", ""]


@pytest.mark.parametrize(
    "text, target, message",
    [
        ("x,y\n1,2\n", None, "target must name a column of .*: 'x', 'y'"),
        ("x,y\n1,2\n", "z", "'z' names 0 of 'x', 'y'"),
        ("x,y,z\n1,2,3\n", "z", "must have two columns, an input and a target; got"),
        ("x\n1\n", "x", "must have two columns"),
        ("y,y\n1,2\n", "y", "'y' names 2 of 'y', 'y'"),
        ("x,y\n1,two\n", "y", "line 2, column 'y': 'two' is no finite number"),
        ("", "y", "is empty"),
    ],
)
def test_bad_files_are_refused(tmp_path, text, target, message):
    with pytest.raises(ValueError, match=message):
        readings(write(tmp_path / "bad.csv", text), target)


def test_a_target_without_a_file_is_refused():
    with pytest.raises(ValueError, match="target names a column of csv; got 'y' alone"):
        readings(None, "y")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        readings(tmp_path / "missing.csv", "y")
