"""Builds the documentation: `python -m docs`.

Every page is executed, so that what it shows is what this installation computes. The
results of the experiments are a chapter of the site; where there are none yet, they are
computed too. Warnings and links that lead nowhere are errors.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from docs.links import problems

HERE = Path(__file__).parent


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m docs", description="Build the documentation."
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=HERE / "_build",
        help="folder for the site and what is kept to build it again",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=HERE.parent / "results",
        help="folder of the experiments' results; computed where it holds none",
    )
    return parser.parse_args()


def _python(*arguments: object) -> None:
    """Runs Python in the repository, whose packages the pages' own processes find."""
    paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    subprocess.run(
        [sys.executable, *map(str, arguments)],
        check=True,
        cwd=HERE.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def _build(site: Path, results: Path) -> None:
    strict = "-W", "--keep-going", "-q", "-j", "auto"
    _python("-m", "sphinx", *strict, "-d", site.parent / "doctrees", HERE, site)
    shutil.rmtree(site / "results", ignore_errors=True)
    if (results / "index.html").exists():
        shutil.copytree(results, site / "results")
    else:
        _python("-m", "experiments", "--out", site / "results")


def main() -> int:
    """Builds the site and checks its links.

    Returns:
        The exit status: 0, or 1 where Sphinx or an experiment failed or a link leads
        nowhere.
    """
    options = _options()
    site = options.out.resolve() / "html"
    try:
        _build(site, options.results.resolve())
    except subprocess.CalledProcessError:
        return 1
    found = problems(site)
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    print(site / "index.html")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
