"""What a notebook shows, in a real kernel."""

import re
import warnings
import xml.etree.ElementTree

import pytest

SETUP = """
import jax, jax.numpy as jnp, numpy as np, optax, rich
from matplotlib.figure import Figure
import funclearn as fl
key, line, sgd = jax.random.key(0), fl.models.linear, optax.sgd(0.1)
data, _ = fl.data.standardise(fl.data.thermometer())
objective = fl.make_objective(line, fl.losses.mse)
evaluate = fl.make_evaluation(line, fl.losses.mse)
start, step = line.init(key), fl.make_train_step(objective, sgd)
state = fl.init_state(key, start, sgd)
def fitted(train, held_out=None, key=None):
    return fl.fit(step, state, train, epochs=9).state.params
run = fl.running.run(step, state, data, data, epochs=9, evaluate=evaluate)
sweep = fl.sweeps.sweep(lambda x: x * x, {"x": jnp.arange(3.0)}, progress=True)
report = fl.gradients.compare(objective, start, data, key)
verdict = fl.diagnosis.diagnose(run)
masks = np.eye(11, dtype=bool)[:2]
found = fl.validation.cross_validate(key, fitted, data, masks, evaluate=evaluate)
graph = fl.graphs.trace(lambda w, x: w * x, 2.0, 3.0)
figure = Figure()
lines = fl.plots.learning_curves(figure.subplots(), {"training": run.history.loss})
"""

VALUES = ("run", "sweep", "report", "verdict", "found", "graph")

NUMBERS = "[float(run.history.loss[0]), float(run.history.evaluation[-1])]"

SHOWN = "rich.print(run); rich.print(sweep); report.show()"


@pytest.fixture(scope="module")
def outputs():
    """The outputs of cells by their sources, all of one notebook."""
    import nbformat
    from nbclient import NotebookClient

    sources = [
        SETUP,
        *VALUES,
        NUMBERS,
        SHOWN,
        "figure",
        "%matplotlib inline",
        "figure ",
    ]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3")
    with warnings.catch_warnings():
        # Of the packages that start the kernel; its own are in its outputs.
        warnings.simplefilter("ignore")
        client.execute()
    return {cell.source: cell.outputs for cell in cells}


def only(outputs, source):
    """What a cell shows, which is one value."""
    (output,) = outputs[source]
    assert output.output_type == "execute_result", output
    return output.data


@pytest.mark.slow
def test_progress_is_one_plain_line_for_a_run_and_one_for_a_sweep(outputs):
    run, sweep = outputs[SETUP]
    for output, line in ((run, "epoch 9 / 9, loss "), (sweep, "lanes 3 / 3, best ")):
        assert output.output_type == "display_data"
        assert [*output.data] == ["text/plain"]
        assert output.data["text/plain"].startswith(line)
        assert "\n" not in output.data["text/plain"]


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.slow
def test_values_are_shown_once_and_as_text_for_who_has_no_html(outputs, name):
    data = only(outputs, name)
    shown = xml.etree.ElementTree.fromstring(data["text/html"])
    assert len("".join(shown.itertext())) > 10
    assert len(data["text/plain"]) < 1000 and "Array(" not in data["text/plain"]


@pytest.mark.slow
def test_a_run_shows_its_losses(outputs):
    first, last = map(
        float, only(outputs, NUMBERS)["text/plain"].strip("[]").split(",")
    )
    root = xml.etree.ElementTree.fromstring(only(outputs, "run")["text/html"])
    rows = [[cell.text or "" for cell in row] for row in root.iter("tr")]
    assert float(rows[1][1]) == pytest.approx(first, rel=1e-5)
    assert float(rows[2][2]) == pytest.approx(last, rel=1e-5)


def test_a_report_on_gradients_shows_its_verdict(outputs):
    html = only(outputs, "report")["text/html"]
    assert "gradient for float32 parameters: agrees" in html and "weight" in html


def test_a_graph_is_in_the_ink_of_the_page(outputs):
    data = only(outputs, "graph")
    assert data["image/svg+xml"].strip() in data["text/html"]
    assert "<img" not in data["text/html"] and "w·x" in data["text/html"]


def test_rich_prints_into_the_cell(outputs):
    text = "".join(
        output.text if output.output_type == "stream" else output.data["text/plain"]
        for output in outputs[SHOWN]
    )
    text = re.sub(r"\x1b\[[\d;]*m", "", text)
    for part in ("Run: 9 of 9 epochs", "curve (log)", "result", "agrees"):
        assert part in text


def test_figures_are_pictures_without_pyplot(outputs):
    """As the door of plots says: once the notebook has the magic for it."""
    assert [*only(outputs, "figure")] == ["text/plain"]
    assert "image/png" in only(outputs, "figure ")
