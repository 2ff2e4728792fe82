"""The house: what an import brings, which way imports point, and what is documented."""

import ast
import graphlib
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import funclearn

ROOT = Path(funclearn.__file__).parent
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(
        path.read_text("utf-8")
    )
    for path in sorted(ROOT.rglob("*.py"))
    if path.stem != "__init__"
}
MODULES = list(SOURCES)

# From the ground up; a module imports from lower floors and its own, never a higher.
FLOORS = (
    {"_types", "_checks", "_jaxprs"},
    {"data", "models", "losses"},
    {"objectives"},
    {"gradients", "analytic"},
    {"stopping", "optimizers"},
    {"training"},
    {"sweeps", "validation", "diagnosis", "graphs", "testing", "plots"},
    {"running", "checkpoints", "devices"},
)


def imported(tree, *, deep=True):
    """The full names of all modules, or their contents, that a module imports."""
    for node in ast.walk(tree) if deep else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages(tree):
    return {name.split(".")[0] for name in imported(tree)}


def own_modules(tree, *, deep=True):
    names = imported(tree, deep=deep)
    own = [name.split(".")[1:] for name in names if name.startswith("funclearn.")]
    prefixes = {".".join(parts[:length]) for parts in own for length in (1, 2)}
    return prefixes & set(MODULES)


@pytest.fixture(scope="module")
def graph():
    return {name: own_modules(tree) for name, tree in SOURCES.items()}


def test_imports_form_no_circle():
    """Those that are made when a module is; a function may import one above it."""
    graph = {name: own_modules(tree, deep=False) for name, tree in SOURCES.items()}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(MODULES)


def reached(graph, name):
    below = set()
    new = graph[name]
    while new:
        below |= new
        new = set().union(*(graph[other] for other in new)) - below
    return below


def test_imports_point_downwards(graph):
    floor = {name: level for level, names in enumerate(FLOORS) for name in names}
    public = [name for name in MODULES if not name.startswith("_")]
    assert set(public) <= set(floor), "every public module has a floor"
    for name in set(graph) & set(floor):
        for other in reached(graph, name) & set(floor):
            assert floor[other] <= floor[name], f"{name} reaches up to {other}"


def test_only_plots_knows_matplotlib_and_nobody_plots():
    for name, tree in SOURCES.items():
        assert "experiments" not in packages(tree), name
        assert "matplotlib" not in packages(tree) or name == "plots"
        assert "plots" not in own_modules(tree), name


INSIDE_JAX = (
    "jax.core",
    "jax.experimental",
    "jax.extend",
    "jax.interpreters",
    "jax._src",
)


def test_one_room_knows_the_inside_of_jax():
    for name, tree in SOURCES.items():
        attributes = [
            node for node in ast.walk(tree) if isinstance(node, ast.Attribute)
        ]
        reached = map(ast.unparse, attributes)
        inside = [
            one
            for one in {*imported(tree), *reached}
            for part in INSIDE_JAX
            if f"{one}.".startswith(f"{part}.")
        ]
        assert not inside or name == "_jaxprs", f"{name} reaches into {inside}"


def test_nobody_changes_the_settings_of_jax():
    for name, tree in SOURCES.items():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert "jax.config.update" not in {ast.unparse(call.func) for call in calls}, (
            name
        )


LOADED = """
import json, sys
import jax, optax
packages = lambda: {name.split(".")[0] for name in sys.modules}
before = packages()
import funclearn
print(json.dumps(sorted(packages() - before)))
"""


def test_the_import_brings_nothing_heavy():
    """Beside jax and optax, the words for shapes and the standard library."""
    result = subprocess.run(
        [sys.executable, "-c", LOADED],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT.parent,
    )
    loaded, light = set(json.loads(result.stdout)), {"jaxtyping", "wadler_lindig"}
    assert "funclearn" in loaded
    assert loaded <= {"funclearn"} | light | sys.stdlib_module_names


def test_the_package_defines_nothing():
    tree = ast.parse((ROOT / "__init__.py").read_text("utf-8"))
    docstring, *statements = tree.body
    assert ast.get_docstring(tree) and isinstance(docstring, ast.Expr)
    exports = [node for node in statements if isinstance(node, ast.ImportFrom)]
    for export in exports:
        (alias,) = export.names
        if export.module and export.module.startswith("funclearn"):
            assert alias.asname == alias.name, "re-exports say so"
    rest = [node for node in statements if node not in exports]
    functions = {node.name for node in rest if isinstance(node, ast.FunctionDef)}
    assert functions == {"__getattr__", "__dir__"}, "they import modules when asked for"
    assert not any(isinstance(node, ast.ClassDef) for node in rest)


def test_every_public_module_is_an_attribute_of_the_package():
    for name in MODULES:
        if not name.startswith("_"):
            assert getattr(funclearn, name) is sys.modules[f"funclearn.{name}"]
            assert name in dir(funclearn)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = funclearn.nothing


def described(tree):
    """The names that a module assigns with a string literal after them."""
    pairs = zip(tree.body, tree.body[1:], strict=False)
    return {
        ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0])
        for node, after in pairs
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(after, ast.Expr)
    }


public_modules = pytest.mark.parametrize(
    "name", [name for name in MODULES if not name.startswith("_")]
)


@public_modules
def test_public_names_exist_and_are_documented(name):
    module = importlib.import_module(f"funclearn.{name}")
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    for public in module.__all__:
        value = getattr(module, public)
        if inspect.isroutine(value) or inspect.isclass(value):
            assert inspect.getdoc(value), f"{name}.{public}"
        else:
            assert public in described(SOURCES[name]), f"{name}.{public}"


@public_modules
def test_public_functions_are_annotated(name):
    module = importlib.import_module(f"funclearn.{name}")
    for public in module.__all__:
        value = getattr(module, public)
        if inspect.isfunction(value):
            signature = inspect.signature(value)
            parts = [p.annotation for p in signature.parameters.values()]
            parts.append(signature.return_annotation)
            assert inspect.Signature.empty not in parts, f"{name}.{public}"


def test_the_core_is_at_hand():
    names = """Dataset History Model Run StepInfo TrainState analytic data fit gradients
    init_state losses make_evaluation make_objective make_train_step models objectives
    training""".split()
    assert set(names) <= set(vars(funclearn))
    assert (ROOT / "py.typed").exists()
