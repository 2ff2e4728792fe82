"""A file of one's own, fitted: against NumPy and scikit-learn, and when it is bad."""

import csv
import dataclasses
import html
import sys

import numpy as np
import pytest
from sklearn.metrics import mean_squared_error, r2_score

from experiments.fit_csv import Config, chapter, run
from experiments.harness import launch


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Runs the command line and returns its exit status."""

    def call(*options):
        arguments = ["fit_csv", "--out", str(tmp_path / "out"), *map(str, options)]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as exit_:
            launch("fit_csv")
        return exit_.value.code

    return call


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([*([header] if header else []), *rows])
    return path


def plane(path, header=("speed (km/h)", "mass (t)", "range (m)"), rows=40):
    """Writes a file of a noisy plane whose columns differ in size by thousands."""
    random = np.random.RandomState(1)
    inputs = random.normal(size=(rows, 2)) * [20.0, 0.05] + [80.0, 1.2]
    target = 3.0 + inputs @ [0.5, -40.0] + random.normal(size=rows)
    return write(path, header, np.column_stack([inputs, target]).tolist())


def wave(path):
    """Writes a file of one period of a sine, from 0 to 10."""
    x = np.linspace(0, 10, 40)
    return write(path, ("x", "y"), np.column_stack([x, np.sin(x * 0.6283)]).tolist())


def fitted(config):
    """Returns a fit as run() makes it, and the outcome that reports it."""
    return chapter.study(config).fit, run(config)


def table(outcome, title):
    (found,) = (table for table in outcome.tables if table.title.startswith(title))
    return found.rows


def test_default_file_is_made_as_its_docstring_says():
    random = np.random.RandomState(0)
    outdoor = random.uniform(-10, 15, 120).round(1)
    wind = random.gamma(2.0, 2.0, 120).round(1)
    sunlight = random.uniform(0, 400, 120).round()
    power = 8 - 0.3 * outdoor + 0.15 * wind - 0.004 * sunlight
    power += 0.3 * random.randn(120)
    with open(chapter.HEATING, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[-1] == Config().target
    expected = np.column_stack([outdoor, wind, sunlight, power.round(2)])
    np.testing.assert_array_equal(np.array(rows, float), expected)


def test_linear_parameters_are_those_of_least_squares(tmp_path):
    config = Config(csv=plane(tmp_path / "plane.csv"), target="range (m)")
    fit, outcome = fitted(config)
    inputs = np.asarray(fit.sides["training"].inputs, float)
    design = np.column_stack([inputs, np.ones(len(inputs))])
    targets = np.asarray(fit.sides["training"].targets, float)
    expected, *_ = np.linalg.lstsq(design, targets)
    names, units, values = zip(*table(outcome, "Parameters"), strict=True)
    assert names == ("speed (km/h)", "mass (t)", "bias")
    assert units == (
        "range (m) per speed (km/h)",
        "range (m) per mass (t)",
        "range (m)",
    )
    np.testing.assert_allclose(values, expected, rtol=1e-4)


def test_polynomial_is_that_of_least_squares(tmp_path):
    config = Config(csv=wave(tmp_path / "wave.csv"), target="y", model="polynomial")
    fit, _ = fitted(config)
    x, y = (np.asarray(array, float) for array in fit.sides["training"][:2])
    expected = np.polynomial.Polynomial.fit(x[:, 0], y, deg=config.degree)
    assert fit.curve is not None
    along, curve = map(np.asarray, fit.curve)
    np.testing.assert_allclose(curve, expected(along), atol=1e-3)


@pytest.mark.parametrize("model", ["linear", "polynomial", "mlp"])
def test_errors_are_those_of_scikit_learn(tmp_path, model):
    config = Config(csv=wave(tmp_path / "wave.csv"), target="y", model=model, epochs=50)
    fit, outcome = fitted(config)
    for name, rows, error, root, r_squared in table(outcome, "Errors"):
        _, targets, predictions, _ = map(np.asarray, fit.sides[name])
        assert rows == len(targets)
        assert error == pytest.approx(mean_squared_error(targets, predictions))
        assert root == pytest.approx(np.sqrt(error))
        assert r_squared == pytest.approx(r2_score(targets, predictions))


def test_losses_are_errors_in_the_units_of_the_file(tmp_path):
    path = plane(tmp_path / "plane.csv")
    config = Config(csv=path, target="range (m)", epochs=10)
    before, _ = fitted(config)
    after, _ = fitted(dataclasses.replace(config, epochs=11))
    for name, side in before.sides.items():
        assert after.sides[name].losses[-1] == pytest.approx(side.error(), rel=1e-5)


def test_only_a_curved_model_explains_a_wave(tmp_path):
    path = wave(tmp_path / "wave.csv")
    explained = {}
    for model in ("linear", "mlp"):
        fit, _ = fitted(Config(csv=path, target="y", model=model))
        explained[model] = fit.sides["validation"].r_squared()
    assert explained["linear"] < 0.8
    assert explained["mlp"] > 0.99


def test_equal_targets_leave_nothing_to_explain(tmp_path):
    path = write(tmp_path / "flat.csv", ("x", "y"), [(x, 7) for x in range(10)])
    fit, _ = fitted(Config(csv=path, target="y", epochs=3))
    assert np.isnan(fit.sides["training"].r_squared())


ODD = ("price, $_{", 'the "size"\nin [m]', "größe %s <b>")


@pytest.mark.parametrize("inputs", [ODD[:1], ODD[:2]])
def test_odd_names_are_shown_as_they_are(command, tmp_path, capsys, inputs):
    path = plane(tmp_path / "odd.csv", header=ODD)
    options = ("--csv", path, "--target", ODD[2], "--inputs", *inputs, "--epochs", 3)
    assert command(*options) == 0
    shown = capsys.readouterr().out
    for name in (ODD[2], *inputs):
        assert all(line in shown for line in name.splitlines())
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert html.escape(ODD[2]) in page
    assert ODD[2] not in page


def test_columns_of_a_file_without_header_have_positions(tmp_path):
    path = plane(tmp_path / "bare.csv", header=None)
    config = Config(csv=path, header=False, target="2", epochs=3)
    data, names = chapter.read(config)
    assert names == ("0", "1")
    chosen, names = chapter.read(dataclasses.replace(config, inputs=("1",)))
    assert names == ("1",)
    np.testing.assert_array_equal(chosen.inputs[:, 0], data.inputs[:, 1])
    names, *_ = zip(*table(run(config), "Parameters"), strict=True)
    assert names == ("column 0", "column 1", "bias")


GOOD = [(x, 2 * x) for x in range(10)]


@pytest.mark.parametrize(
    "rows, options, message",
    [
        (
            [(1, 2), (3, "4,5 km")],
            [],
            "line 3, column 'y': '4,5 km' is no finite number",
        ),
        ([(1, 2), ("", 4)], [], "line 3, column 'x': '' is no finite number"),
        ([(1, 2), (3, 4, 5)], [], "line 3: 3 fields where the first line has 2"),
        ([], [], "a header but no rows"),
        ([(1, 2)], [], "validation_fraction must leave rows on both sides"),
        (GOOD, ["--target", "z"], "'z' names 0 of 'x', 'y'"),
        (GOOD, ["--csv", "nowhere.csv"], "No such file or directory: 'nowhere.csv'"),
        (GOOD, ["--batch-size", "11"], "batch_size must be at most"),
        (GOOD, ["--optimizer", "sgd", "--learning-rate", "10"], "must be below 10.0"),
        (
            [(1, 2, 3), (4, 5, 6)] * 5,
            ["--model", "polynomial"],
            "a polynomial has one column of inputs; got 2",
        ),
    ],
)
def test_refusals_are_one_line(command, tmp_path, capsys, rows, options, message):
    names = ("x", "y", "z")[: len(rows[0]) if rows else 2]
    path = write(tmp_path / "bad.csv", names, rows)
    assert command("--csv", path, "--target", "y", *options) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and message in shown
    assert shown.count("\n") == 1


def huber(residuals, bound):
    sizes = np.abs(residuals)
    return np.where(sizes <= bound, sizes**2 / 2, bound * (sizes - bound / 2))


@pytest.mark.parametrize(
    ("loss", "name"), [("mae", "Mean absolute error"), ("huber", "Huber loss")]
)
def test_other_losses_are_reported_beside_the_mean_squared_error(tmp_path, loss, name):
    path = plane(tmp_path / "plane.csv")
    config = Config(csv=path, target="range (m)", loss=loss, epochs=20)
    fit, outcome = fitted(config)
    bound = np.std(np.asarray(fit.sides["training"].targets, float))
    minimised = {"mae": np.abs, "huber": lambda e: huber(e, bound)}[loss]
    errors, *_ = outcome.tables
    assert errors.columns[-1] == name
    for part, _, squared, _, _, found in errors.rows:
        residuals = fit.sides[part].targets - fit.sides[part].predictions
        assert squared == pytest.approx(np.mean(residuals**2))
        assert found == pytest.approx(np.mean(minimised(residuals)), rel=1e-5)
    assert name.lower() in outcome.findings[-1].lower()
    later = chapter.study(dataclasses.replace(config, epochs=21)).fit
    for part, *_, found in errors.rows:
        assert later.sides[part].losses[-1] == pytest.approx(found, rel=1e-5)


def test_mean_squared_error_is_not_reported_twice(tmp_path):
    path = plane(tmp_path / "plane.csv")
    outcome = run(Config(csv=path, target="range (m)", epochs=3))
    assert outcome.tables[0].columns[-1] == "R²"
    assert len(outcome.findings) == 1
