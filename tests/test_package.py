"""The house: what an import brings, which way imports point, and what is documented."""

import ast
import graphlib
import importlib
import inspect
import json
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import funclearn

ROOT = Path(funclearn.__file__).parent
TESTS = Path(__file__).parent
PATHS = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    ): path
    for path in sorted(ROOT.rglob("*.py"))
}
SOURCES = {name: ast.parse(path.read_text("utf-8")) for name, path in PATHS.items()}
DOORS = [name for name, path in PATHS.items() if path.stem == "__init__"]
FILES = [name for name in SOURCES if name not in DOORS]


def entry(name):
    """What a module belongs to: a package, or a module beside the packages."""
    return name.split(".")[1]


ENTRIES = sorted({entry(name) for name in SOURCES if name != "funclearn"})
PUBLIC = [name for name in ENTRIES if not name.startswith("_")]

# From the ground up; a module imports from lower floors and its own, never a higher.
FLOORS = (
    {
        "_curves",
        "_lazy",
        "_locks",
        "_places",
        "_programs",
        "_tables",
        "_types",
        "_words",
        "_xla",
    },
    {"_jaxprs"},
    {
        "_arrays",
        "_checks",
        "_display",
        "_layout",
        "_notes",
        "_processes",
        "_signatures",
    },
    {"_weights"},
    {"data", "losses", "metrics", "models"},
    {"objectives"},
    {"analytic", "gradients"},
    {"optimizers", "stopping"},
    {"training"},
    {"checkpoints"},
    {"_lanes"},
    {
        "diagnosis",
        "graphs",
        "hypergradients",
        "plots",
        "sweeps",
        "testing",
        "validation",
    },
    {"devices", "running"},
    {"_trial"},
)


class _Imports(ast.NodeVisitor):
    """The full names of all that a module imports, in functions too.

    What is imported for type checkers alone is left out.
    """

    def __init__(self):
        self.names = []

    def visit_If(self, node):
        if "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                self.visit(other)
        else:
            self.generic_visit(node)

    def visit_Import(self, node):
        self.names += [alias.name for alias in node.names]

    def visit_ImportFrom(self, node):
        assert node.level == 0, "imports are absolute"
        self.names += [f"{node.module}.{alias.name}" for alias in node.names]


def imported(tree):
    visitor = _Imports()
    visitor.visit(tree)
    return visitor.names


def own_modules(name):
    """The modules of the library that a module imports; a door if by name."""
    reached = set()
    for full in imported(SOURCES[name]):
        parts = full.split(".")
        prefixes = [".".join(parts[:length]) for length in range(len(parts), 1, -1)]
        reached.update([prefix for prefix in prefixes if prefix in SOURCES][:1])
    return reached - {name}


def test_every_entry_has_one_floor_and_no_floor_has_a_ghost():
    assert sorted(name for names in FLOORS for name in names) == ENTRIES


def test_imports_form_no_circle():
    """Neither of files nor of packages, wherever in a module the import stands."""
    files = {
        name: {other for other in own_modules(name) if other not in DOORS}
        for name in FILES
    }
    entries = {
        one: {entry(o) for n in FILES if entry(n) == one for o in own_modules(n)}
        - {one}
        for one in ENTRIES
    }
    for graph in (files, entries):
        assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(graph)


def test_imports_point_downwards():
    floor = {name: level for level, names in enumerate(FLOORS) for name in names}
    for name in FILES:
        for other in own_modules(name):
            assert floor[entry(other)] <= floor[entry(name)], f"{name}: {other}"


def test_packages_are_entered_through_their_doors():
    for name in FILES:
        for other in own_modules(name):
            inside = other.count(".") > 1
            assert not inside or entry(other) == entry(name), f"{name}: {other}"
    for name in FILES:
        assert name.count(".") == 1 or name.split(".")[-1].startswith("_"), name


def test_a_door_defines_nothing():
    for name in DOORS:
        docstring, *statements = SOURCES[name].body
        assert ast.get_docstring(SOURCES[name]) and isinstance(docstring, ast.Expr)
        for node in statements:
            if isinstance(node, ast.Import | ast.ImportFrom | ast.If):
                continue
            assert isinstance(node, ast.Assign), name
            target = ast.unparse(node.targets[0])
            assert target in ("__all__", "__version__", "(__getattr__, __dir__)"), name


def test_the_package_says_what_it_hands_on():
    exports = [
        node
        for node in SOURCES["funclearn"].body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("funclearn")
    ]
    for export in exports:
        (alias,) = export.names
        assert alias.asname == alias.name or alias.name == "_lazy"


def test_only_plots_knows_matplotlib_and_nobody_plots():
    for name in SOURCES:
        packages = {full.split(".")[0] for full in imported(SOURCES[name])}
        assert "experiments" not in packages, name
        assert "matplotlib" not in packages or name == "funclearn.plots"
        assert "funclearn.plots" not in own_modules(name), name


def without_docstring(function):
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def test_modules_and_functions_stay_short():
    for name, tree in SOURCES.items():
        assert len(PATHS[name].read_text("utf-8").splitlines()) <= 250, name
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                assert without_docstring(node) <= 40, f"{name}.{node.name}"


def test_types_say_something():
    names = [
        node
        for tree in SOURCES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "Any"
    ]
    assert 1000 * len(names) < 20 * sum(map(len, lines_of_all()))


def lines_of_all():
    return [path.read_text("utf-8").splitlines() for path in PATHS.values()]


def test_reasons_are_given():
    comments = 0
    for path in PATHS.values():
        with open(path, encoding="utf-8") as file:
            tokens = tokenize.generate_tokens(file.readline)
            comments += sum(token.type == tokenize.COMMENT for token in tokens)
    assert 100 * comments >= 2 * sum(map(len, lines_of_all()))


def holds_logic(name):
    return any(isinstance(node, ast.FunctionDef) for node in ast.walk(SOURCES[name]))


@pytest.mark.parametrize("name", [name for name in FILES if holds_logic(name)])
def test_every_file_has_its_tests(name):
    *folders, file = name.split(".")[1:]
    tests = TESTS.joinpath(*folders, f"test_{file.removeprefix('_')}.py")
    assert tests.exists(), tests.relative_to(TESTS)


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
        assert not inside or entry(f"{name}.") == "_jaxprs", (
            f"{name} reaches into {inside}"
        )


def test_nobody_changes_the_settings_of_jax():
    """But the functions that are there for it."""
    for name, tree in SOURCES.items():
        if name in ("funclearn.running._programs", "funclearn.devices._initialise"):
            continue
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


def test_every_public_module_is_an_attribute_of_the_package():
    for name in PUBLIC:
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


public_modules = pytest.mark.parametrize("name", PUBLIC)


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
            inside = [
                described(SOURCES[one]) for one in SOURCES if entry(f"{one}.") == name
            ]
            assert public in set().union(*inside), f"{name}.{public}"


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
    assert set(names) <= set(dir(funclearn))
    assert set(names) - {"analytic"} <= set(vars(funclearn))
    assert (ROOT / "py.typed").exists()
