"""Settings of Sphinx; `python -m docs` builds the documentation with them."""

import ast
import importlib
import inspect
import textwrap
from importlib.metadata import version as version_of

import funclearn

project = "funclearn"
author = "the funclearn authors"
release = version = version_of("funclearn")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "funclearn"
html_static_path = ["_static"]
html_css_files = ["site.css"]
# A page that is a notebook offers it, under its own name.
html_sourcelink_suffix = ""
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"top_of_page_buttons": []}
# A page opened from the disk may not read others, for the lines around what was found.
html_show_search_summary = False

# `name` in a docstring is a reference where there is such a thing, and code otherwise.
default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
# Prompts are not copied; output is not, either.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Every output on these pages is of the build that made them.
nb_execution_mode = "force"
nb_execution_show_tb = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_render_markdown_format = "myst"
nb_render_image_options = {"alt": "what the code above draws"}

SECTIONS = tuple(
    f"{name}:"
    for name in "Args Attributes Example Raises References Returns Yields".split()
)


def _home(name):
    """Where an object is described that is also at hand under a shorter name.

    `fl.fit` and `funclearn.fit` are `funclearn.training.fit`.
    """
    path = name.removeprefix("fl.").removeprefix("funclearn.").split(".")
    if not hasattr(funclearn, path[0]) or inspect.ismodule(getattr(funclearn, path[0])):
        return ".".join(["funclearn", *path])
    door = getattr(funclearn, path[0]).__module__.split("._")[0]
    if hasattr(importlib.import_module(door), path[0]):
        return ".".join([door, *path])
    return name


def _as_written(app, what, name, obj, options, signature, returns):
    """The signature of a function, or the fields of a class, as its source has them.

    So types have the names that they are known by.
    """
    del app, what, name, options
    thing = inspect.unwrap(obj)
    if not inspect.isfunction(thing) and not (signature and inspect.isclass(thing)):
        return None
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(thing))).body
    if isinstance(node, ast.ClassDef):
        fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
        for field in fields:
            # How a field is stored is no default.
            if isinstance(field.value, ast.Call):
                field.value = None
        listed = ", ".join(map(ast.unparse, fields))
        return (f"({listed})", returns) if fields else None
    if not isinstance(node, ast.FunctionDef):
        return None
    arguments = [*node.args.posonlyargs, *node.args.args]
    if arguments and arguments[0].arg in ("self", "cls"):
        (node.args.posonlyargs or node.args.args).pop(0)
    return f"({ast.unparse(node.args)})", node.returns and ast.unparse(node.returns)


def _other_name(app, env, node, contnode):
    """Resolves references that begin with `fl` or leave a module out."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith(("fl.", "funclearn.")):
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], _home(target), node, contnode
    )


def _as_formulas(app, what, name, obj, options, lines):
    """Keeps line by line what a docstring indents outside of its sections: formulas.

    Examples there begin at the margin, so that they are no part of a list before them.
    """
    del app, what, name, obj, options
    kept, state = [], ""
    for line in lines:
        indented = line.startswith("    ")
        if line.strip() and not indented:
            state = "section" if line.rstrip() in SECTIONS else ""
        elif indented and not state:
            state = "example" if line.lstrip().startswith(">>>") else "formula"
            kept += [".. code-block:: none", ""] if state == "formula" else []
        kept.append(line[4:] if state == "example" else line)
    lines[:] = kept


def setup(app):
    """Connects the functions above with the build."""
    app.connect("autodoc-process-signature", _as_written)
    app.connect("missing-reference", _other_name)
    # Before the sections of a docstring are read, which is done at 500.
    app.connect("autodoc-process-docstring", _as_formulas, priority=400)
