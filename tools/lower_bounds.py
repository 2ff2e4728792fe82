"""Prints the lower bounds of pyproject.toml as constraints for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
extras = project["optional-dependencies"]
for requirement in project["dependencies"] + extras["experiments"] + extras["test"]:
    if requirement.startswith(f"{project['name']}["):
        continue
    bound = re.fullmatch(r"([\w.-]+)>=([\d.]+)", requirement)
    if bound is None:
        raise SystemExit(f"pyproject.toml: {requirement!r} is not NAME>=VERSION")
    print("==".join(bound.groups()))
