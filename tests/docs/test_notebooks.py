"""The notebooks run without a warning, and are stored without what they show."""

import ast
import json
import os
import re
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))
NAMES = {path.stem: path for path in NOTEBOOKS if "_build" not in path.parts}

# Of what surrounds a notebook the warnings are those of its own authors.
STRICT = r"""
import warnings
warnings.simplefilter("error")
warnings.filterwarnings(
    "ignore", module=r"(.*/)?(ipykernel|matplotlib_inline|traitlets)(\.|/|$)"
)
"""

every_notebook = pytest.mark.parametrize("name", NAMES)


def read(name):
    return nbformat.read(NAMES[name], as_version=4)


def test_they_are_there():
    assert len(NAMES) == 8


@every_notebook
@pytest.mark.slow
def test_runs(name, tmp_path, monkeypatch):
    """In a folder of its own, with this copy of the library."""
    paths = str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = read(name)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(STRICT))
    place = tmp_path / "here"
    place.mkdir()
    nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(place)}},
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    assert not list(place.iterdir())


@every_notebook
def test_is_stored_as_it_was_written(name):
    """No outputs, no counts, nothing of a machine, and cells that keep their names."""
    notebook = json.loads(NAMES[name].read_text("utf-8"))
    nbformat.validate(notebook)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert notebook["metadata"] == {"kernelspec": kernel}
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        assert not {*cell["metadata"]} - {"mystnb"}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None


@every_notebook
def test_every_figure_says_in_words_what_it_shows(name):
    """Each in its own: what all figures have in common describes none of them."""
    cells = [cell for cell in read(name).cells if "plt.subplots(" in cell.source]
    texts = [cell.metadata["mystnb"]["image"]["alt"] for cell in cells]
    assert len({*texts}) == len(texts) and all(
        re.match(r"[A-Z].{19}", t) for t in texts
    )


@every_notebook
def test_begins_with_its_title_and_ends_with_questions(name):
    cells = read(name).cells
    assert re.match(r"# \S.*\n\n\S", cells[0].source)
    headings = [
        line
        for cell in cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("#")
    ]
    assert sum(line.startswith("# ") for line in headings) == 1
    assert headings[-1] == "## Try" and cells[-1].source.startswith("## Try\n\n- ")


@every_notebook
def test_links_lead_to_files_beside_it(name):
    text = "\n".join(
        cell.source for cell in read(name).cells if cell.cell_type == "markdown"
    )
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert "://" not in target and (NAMES[name].parent / target).exists(), target


def test_what_pytorch_printed_is_what_the_book_has():
    printed = {}
    for cell in read("from_pytorch").cells:
        if re.search(r"^\w*PRINTED\w* = ", cell.source, re.MULTILINE):
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.Assign) and "PRINTED" in ast.unparse(node):
                    printed[ast.unparse(node.targets[0])] = node.value
    file = ROOT / "experiments" / "harness" / "published_figures.json"
    figures = json.loads(file.read_text("utf-8"))["figures"]
    known = {figure["id"]: figure["value"] for figure in figures}
    sgd = ast.literal_eval(printed["PRINTED"])
    adam = ast.literal_eval(printed["ADAM_PRINTED"])
    params = ast.literal_eval(printed["PRINTED_PARAMS"])
    assert sgd == {epoch: known[f"autograd-5000-epoch-{epoch}"] for epoch in sgd}
    assert adam == {epoch: known[f"adam-2000-epoch-{epoch}"] for epoch in adam}
    assert [*params] == known["autograd-5000-params"]
