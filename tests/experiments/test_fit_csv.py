"""A file of one's own, fitted: against NumPy and scikit-learn, and when it is bad."""

import csv
import dataclasses
import html
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    mean_squared_error,
    r2_score,
)

from experiments.fit_csv import Config, chapter, run
from experiments.harness import _page, launch, style
from tests.experiments.every import written


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
    return chapter.study(config).fits[0], run(config)


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


@pytest.mark.slow
def test_linear_parameters_are_those_of_least_squares(tmp_path):
    config = Config(csv=plane(tmp_path / "plane.csv"), target="range (m)")
    fit, outcome = fitted(config)
    inputs = np.asarray(fit.sides["training"].inputs, float)
    design = np.column_stack([inputs, np.ones(len(inputs))])
    targets = np.asarray(fit.sides["training"].targets, float)
    expected, *_ = np.linalg.lstsq(design, targets)
    names, units, values, least, remarks = zip(
        *table(outcome, "Parameters"), strict=True
    )
    assert names == ("speed (km/h)", "mass (t)", "bias")
    assert units == (
        "range (m) per speed (km/h)",
        "range (m) per mass (t)",
        "range (m)",
    )
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    np.testing.assert_allclose(least, expected, rtol=1e-10)
    assert set(remarks) == {""}


def test_polynomial_is_that_of_least_squares(tmp_path):
    config = Config(csv=wave(tmp_path / "wave.csv"), target="y", model="polynomial")
    fit, _ = fitted(config)
    x, y = (np.asarray(array, float) for array in fit.sides["training"][:2])
    expected = np.polynomial.Polynomial.fit(x[:, 0], y, deg=config.degree)
    assert fit.curve is not None
    along, curve = map(np.asarray, fit.curve)
    np.testing.assert_allclose(curve, expected(along), atol=1e-3)


@pytest.mark.parametrize("model", ["linear", "polynomial", "mlp"])
@pytest.mark.slow
def test_errors_are_those_of_scikit_learn(tmp_path, model):
    config = Config(csv=wave(tmp_path / "wave.csv"), target="y", model=model, epochs=50)
    fit, outcome = fitted(config)
    for name, rows, error, root, r_squared in table(outcome, "Errors"):
        _, targets, predictions, _ = map(np.asarray, fit.sides[name])
        assert rows == len(targets)
        assert error == pytest.approx(mean_squared_error(targets, predictions))
        assert root == pytest.approx(np.sqrt(error))
        assert r_squared == pytest.approx(r2_score(targets, predictions))


@pytest.mark.slow
def test_losses_are_errors_in_the_units_of_the_file(tmp_path):
    path = plane(tmp_path / "plane.csv")
    config = Config(csv=path, target="range (m)", epochs=10)
    before, _ = fitted(config)
    after, _ = fitted(dataclasses.replace(config, epochs=11))
    for name, side in before.sides.items():
        assert after.sides[name].losses[-1] == pytest.approx(side.error(), rel=1e-5)


@pytest.mark.slow
def test_only_a_curved_model_explains_a_wave(tmp_path):
    path = wave(tmp_path / "wave.csv")
    explained = {}
    for model in ("linear", "mlp"):
        fit, _ = fitted(Config(csv=path, target="y", model=model))
        explained[model] = fit.sides["validation"].r_squared()
    assert explained["linear"] < 0.8
    assert explained["mlp"] > 0.99


@pytest.mark.slow
def test_equal_targets_leave_nothing_to_explain(tmp_path):
    path = write(tmp_path / "flat.csv", ("x", "y"), [(x, 7) for x in range(10)])
    fit, _ = fitted(Config(csv=path, target="y", epochs=3))
    assert np.isnan(fit.sides["training"].r_squared())


ODD = ("price, $_{", 'the "size"\nin [m]', "größe %s <b>")


@pytest.mark.parametrize("inputs", [ODD[:1], ODD[:2]])
@pytest.mark.slow
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
    found = chapter.study(config)
    assert found.inputs == ("column 0", "column 1") and found.target == "column 2"
    chosen = chapter.study(dataclasses.replace(config, inputs=("1",)))
    assert chosen.inputs == ("column 1",)
    np.testing.assert_array_equal(
        chosen.fits[0].sides["training"].inputs[:, 0],
        found.fits[0].sides["training"].inputs[:, 1],
    )
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
        (
            [(1, 2), ("", 4)],
            [],
            "line 3, column 'x': '' stands where a value is missing",
        ),
        ([(1, 2), (3, 4, 5)], [], "line 3: 3 fields where the first line has 2"),
        ([], [], "a header but no rows"),
        ([(1, 2)], [], "validation_fraction must leave rows on both sides"),
        (GOOD, ["--target", "z"], "'z' names 0 of 'x', 'y'"),
        (
            GOOD,
            ["--csv", "nowhere.csv"],
            "No such file or directory: nowhere.csv; check the path",
        ),
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
    assert command("--csv", path, "--target", "y", *options) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and message in shown
    assert shown.count("\n") == 1


def huber(residuals, bound):
    sizes = np.abs(residuals)
    return np.where(sizes <= bound, sizes**2 / 2, bound * (sizes - bound / 2))


@pytest.mark.parametrize(
    ("loss", "name"), [("mae", "Mean absolute error"), ("huber", "Huber loss")]
)
@pytest.mark.slow
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
    assert any(name.lower() in one.lower() for one in outcome.findings)
    later = chapter.study(dataclasses.replace(config, epochs=21)).fits[0]
    for part, *_, found in errors.rows:
        assert later.sides[part].losses[-1] == pytest.approx(found, rel=1e-5)


def test_mean_squared_error_is_not_reported_twice(tmp_path):
    path = plane(tmp_path / "plane.csv")
    outcome = run(Config(csv=path, target="range (m)", epochs=3))
    assert outcome.tables[0].columns[-1] == "R²"
    assert not any("minimised" in one for one in outcome.findings)


def collinear(path):
    """Writes a file in which a column is a sum of others, and one constant."""
    random = np.random.RandomState(0)
    a, b, c = random.normal(size=(3, 60))
    columns = [a, b, 2 * a - b + 3, np.full(60, 12.0), c, 3 * a + b - c]
    header = ("a", "b", "sum", "constant", "c", "y")
    return write(path, header, np.column_stack(columns).tolist())


@pytest.mark.slow
def test_what_the_rows_leave_open_is_no_number(tmp_path):
    """Adding t (2 a - b - sum) changes no prediction, nor does moving the constant."""
    outcome = run(Config(csv=collinear(tmp_path / "a.csv"), target="y", epochs=1500))
    rows = {name: rest for name, _, *rest in table(outcome, "Parameters")}
    for name in ("a", "b", "sum", "constant", "bias"):
        value, least, why = rows[name]
        assert (value, least) == ("not determined", "-") and why
    assert "12 in all" in rows["constant"][-1]
    assert "b, sum" in rows["a"][-1]
    assert rows["c"][0] == pytest.approx(-1, abs=1e-3)
    assert rows["c"][1] == pytest.approx(-1, abs=1e-12)
    assert any("do not determine 4 of 5 weights" in one for one in outcome.findings)


LONGLEY = """employed deflator gnp unemployed forces population year
60.323 83.0 234.289 235.6 159.0 107.608 1947
61.122 88.5 259.426 232.5 145.6 108.632 1948
60.171 88.2 258.054 368.2 161.6 109.773 1949
61.187 89.5 284.599 335.1 165.0 110.929 1950
63.221 96.2 328.975 209.9 309.9 112.075 1951
63.639 98.1 346.999 193.2 359.4 113.270 1952
64.989 99.0 365.385 187.0 354.7 115.094 1953
63.761 100.0 363.112 357.8 335.0 116.219 1954
66.019 101.2 397.469 290.4 304.8 117.388 1955
67.857 104.6 419.180 282.2 285.7 118.734 1956
68.169 108.4 442.769 293.6 279.8 120.445 1957
66.513 110.8 444.546 468.1 263.7 121.950 1958
68.655 112.6 482.704 381.3 255.2 123.366 1959
69.564 114.2 502.601 393.1 251.4 125.368 1960
69.331 115.7 518.173 480.6 257.2 127.852 1961
70.551 116.9 554.894 400.7 282.7 130.081 1962
"""


@pytest.mark.slow
def test_parameters_far_from_least_squares_are_remarked_on(tmp_path):
    path = tmp_path / "longley.dat"
    path.write_text(LONGLEY)
    outcome = run(Config(csv=path, target="employed"))
    rows = table(outcome, "Parameters")
    assert len(rows) == 7
    for _, _, value, least, remark in rows:
        assert abs(value - least) > 0.1 * abs(least) and remark == "not converged"
    assert any("training had not ended" in one for one in outcome.findings)


@pytest.mark.slow
def test_other_losses_are_not_held_to_least_squares(tmp_path):
    path = tmp_path / "longley.dat"
    path.write_text(LONGLEY)
    outcome = run(Config(csv=path, target="employed", loss="mae"))
    assert {remark for *_, remark in table(outcome, "Parameters")} == {""}


def blobs(path, names):
    """Writes a file of three groups of points that hardly meet."""
    random = np.random.RandomState(0)
    kinds = random.randint(3, size=120)
    points = random.normal(size=(120, 2)) + 4 * np.eye(3)[kinds][:, :2]
    rows = [(*p, names[kind]) for p, kind in zip(points.tolist(), kinds, strict=True)]
    return write(path, ("x", "y", "kind"), rows)


@pytest.mark.parametrize("names", [("cat", "dog", "eel"), (3, 5, 7)])
@pytest.mark.slow
def test_classes_are_told_apart(tmp_path, names):
    path = blobs(tmp_path / "blobs.csv", names)
    config = Config(
        csv=path, target="kind", task="classification", epochs=400, test_fraction=0.25
    )
    fit, outcome = fitted(config)
    assert fit.fitted.classes == tuple(map(str, names))
    sides = fit.sides
    assert [len(side.targets) for side in sides.values()] == [72, 18, 30]
    oracle = LogisticRegression(C=np.inf, max_iter=2000).fit(
        sides["training"].inputs, sides["training"].targets
    )
    agree = oracle.predict(sides["test"].inputs) == sides["test"].predictions
    assert np.mean(agree) > 0.9
    for name, rows, accuracy, _ in table(outcome, "Accuracy"):
        side = sides[name]
        assert rows == len(side.targets)
        assert accuracy == accuracy_score(side.targets, side.predictions) > 0.85
    found = [row[1:] for row in table(outcome, "Confusion matrix of the test rows")]
    test = sides["test"]
    np.testing.assert_array_equal(
        found, confusion_matrix(test.targets, test.predictions)
    )
    with style.style():
        assert set(outcome.plots) == {"confusion", "losses"}
        for plot in outcome.plots.values():
            plot.figure().draw_without_rendering()


def test_test_rows_are_the_same_whatever_the_split(tmp_path):
    path = plane(tmp_path / "plane.csv")
    config = Config(
        csv=path, target="range (m)", epochs=3, test_fraction=0.2, repeats=2
    )
    first, *others = chapter.study(config).fits
    for other in others:
        np.testing.assert_array_equal(
            other.sides["test"].targets, first.sides["test"].targets
        )
        assert set(other.sides["training"].targets) != set(
            first.sides["training"].targets
        )


def test_intervals_are_quantiles_over_splits(tmp_path):
    path = plane(tmp_path / "plane.csv")
    config = Config(csv=path, target="range (m)", epochs=300, repeats=5)
    _, *again = chapter.study(config).fits
    rows = {name: rest for name, *rest in table(run(config), "Over 5 other")}
    errors = [fit.sides["validation"].error() ** 0.5 for fit in again]
    expected = np.quantile(errors, [0.05, 0.5, 0.95])
    np.testing.assert_allclose(rows["Square root of the error, validation"], expected)
    weights = [fit.line.weight[0] for fit in again if fit.line is not None]
    expected = np.quantile(weights, [0.05, 0.5, 0.95])
    np.testing.assert_allclose(rows["Parameter of speed (km/h)"], expected)


def test_missing_cells_and_categories_are_learned_from_training_rows(tmp_path):
    random = np.random.RandomState(0)
    rows = [
        (random.choice(["cat", "dog"]), "" if at % 5 == 0 else at, at)
        for at in range(40)
    ]
    path = write(tmp_path / "mixed.csv", ("kind", "size", "y"), rows)
    config = Config(
        csv=path, target="y", missing="mean", categories="one-hot", epochs=3
    )
    fit, _ = fitted(config)
    side = fit.sides["training"]
    sizes = side.inputs[:, 2]
    known = sizes[side.targets % 5 != 0]
    gaps = sizes[side.targets % 5 == 0]
    np.testing.assert_allclose(gaps, known.mean())
    others = fit.sides["validation"]
    np.testing.assert_allclose(others.inputs[others.targets % 5 == 0, 2], known.mean())


@pytest.mark.slow
def test_a_model_is_saved_loaded_and_asked_for_predictions(command, tmp_path):
    path = plane(tmp_path / "plane.csv")
    new = write(
        tmp_path / "new.csv",
        ("mass (t)", "id", "speed (km/h)"),
        [(1.2, 7, 80), (1, 8, 90)],
    )
    options = ("--csv", path, "--target", "range (m)", "--epochs", 300)
    assert command(*options, "--predict", new) == 0
    folder = tmp_path / "out" / "fit_csv"
    written = (folder / "predictions.csv").read_text().splitlines()
    outcome = run(Config(csv=path, target="range (m)", epochs=300))
    line = {name: value for name, _, value, *_ in table(outcome, "Parameters")}
    expected = [
        line["speed (km/h)"] * speed + line["mass (t)"] * mass + line["bias"]
        for mass, speed in [(1.2, 80), (1, 90)]
    ]
    assert written[0] == "line,range (m)"
    found = [row.split(",") for row in written[1:]]
    assert [line for line, _ in found] == ["2", "3"]
    np.testing.assert_allclose([float(one) for _, one in found], expected, rtol=1e-5)
    model = folder / "model.json"
    assert command("--load", model, "--predict", new) == 0
    assert (folder / "predictions.csv").read_text().splitlines() == written


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory: {}; check the path"),
        ("mass (t),id\n1.2,7\n", "'speed (km/h)'"),
        ("mass (t),speed (km/h)\n1.2,fast\n", "line 2, column 'speed (km/h)': 'fast'"),
        ("mass (t),speed (km/h)\n,80\n", "{}"),
    ],
)
def test_a_table_to_predict_for_is_looked_at_before_the_training(
    command, tmp_path, capsys, monkeypatch, content, message
):
    monkeypatch.setattr(chapter, "fit", lambda *_: pytest.fail("trained"))
    path, new = plane(tmp_path / "plane.csv"), tmp_path / "new.csv"
    if content is not None:
        new.write_text(content)
    assert command("--csv", path, "--target", "range (m)", "--predict", new) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message.format(new) in line


@pytest.mark.slow
def test_the_page_does_not_grow_with_the_rows(tmp_path):
    path = plane(tmp_path / "many.csv", rows=100_000)
    config = Config(csv=path, target="range (m)", epochs=1)
    _, outcome, folder = written("fit_csv", config, tmp_path)
    page = _page.rebuild(tmp_path).path
    assert page.stat().st_size < 400_000
    for stem in outcome.plots:
        assert (folder / f"{stem}.svg").stat().st_size < 150_000
    for name in ("fit", "residuals"):
        assert "2,000 of 80,000 training rows" in outcome.plots[name].caption


CLASSES = {"task": "classification"}


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"epochs": 0}, "epochs must be from 1 to 1000000; got 0"),
        ({"epochs": 10**12}, "epochs must be from 1"),
        ({"learning_rate": np.nan}, "learning_rate must be from"),
        ({"learning_rate": 0.0}, "learning_rate must be from"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"validation_fraction": np.nan}, "validation_fraction must be between"),
        ({"test_fraction": 1.0}, "test_fraction must be from 0 to 0.99"),
        ({"seed": -1}, "seed must be from 0 to 2147483647; got -1"),
        ({"repeats": -1}, "repeats must be from 0 to 1000; got -1"),
        ({"inputs": ()}, "inputs must hold at least one value; got none"),
        ({"widths": ()}, "widths must hold at least one value; got none"),
        ({"widths": (10_000,) * 4}, "at most 25,000,000 weights between hidden layers"),
        ({"widths": (0,)}, "widths must hold numbers from 1 to 10000; got 0"),
        ({"degree": 0}, "degree must be from 1 to 20; got 0"),
        ({"delimiter": "ab"}, "delimiter must be one character"),
        ({"load": Path("model.json")}, "load needs a file to predict for"),
        (CLASSES | {"loss": "mae"}, "loss is one of regression"),
        (CLASSES, r"'heating power \(kW\)' holds 2.15, which names"),
        (CLASSES | {"model": "polynomial"}, "model must be linear or mlp for classes"),
        (
            {"load": chapter.HEATING, "predict": Path("x")},
            "holds no model of fit_csv",
        ),
    ],
)
def test_nonsense_is_refused_in_one_line(settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        chapter.study(dataclasses.replace(Config(epochs=2), **settings))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"epochs": 1}, "1 epoch is too few to tell"),
        ({"epochs": 30}, "training had not ended"),
        ({"learning_rate": 50.0, "epochs": 30}, "The training loss rose from"),
        ({"epochs": 1500}, "changed by less than 0.1% of itself"),
    ],
)
@pytest.mark.slow
def test_sentences_are_about_the_run(settings, said):
    outcome = run(Config(**settings))
    assert any(said in one for one in outcome.findings), outcome.findings
    for plot in outcome.plots.values():
        with style.style():
            plot.figure().draw_without_rendering()


def test_text_for_a_number_asks_for_classification(tmp_path):
    path = blobs(tmp_path / "blobs.csv", ("cat", "dog", "eel"))
    with pytest.raises(ValueError, match=r"holds text.*--task classification"):
        run(Config(csv=path, target="kind"))


def test_names_of_rows_are_no_classes(tmp_path):
    path = write(tmp_path / "a.csv", ("x", "n"), [(x, f"row {x}") for x in range(30)])
    with pytest.raises(ValueError, match="30 different values in 30 rows: too many"):
        run(Config(csv=path, target="n", task="classification"))
    path = write(tmp_path / "b.csv", ("x", "n"), [(x, "one") for x in range(30)])
    with pytest.raises(ValueError, match="at least 2 classes; got 'one' alone"):
        run(Config(csv=path, target="n", task="classification"))
