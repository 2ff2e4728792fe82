"""Runs tests, experiments and the table of speeds, and writes down what came of them.

`tools/check-accelerator` calls it in a copy of the tree. Every part runs in a process
of its own, one after the other, since one process takes the whole of an accelerator.

In tests and experiments matrix products are made in float32
(JAX_DEFAULT_MATMUL_PRECISION=highest), where accelerators would round their factors to
fewer digits than the results are held to; the table is as fast as it is by default.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

TESTS = ("tests/devices/test_accelerator.py", "tests/devices/test_training.py")
"""Files of tests in float32, on as many devices as there are; all must pass."""

TOLD = (
    "tests/training/test_step.py",
    "tests/gradients/test_methods.py",
    "tests/optimizers/test_sgd.py",
    "tests/optimizers/test_adam.py",
)
"""Some hold to roundings of float64, which not every accelerator has: how they end is
written down, and none has to pass."""

QUICK = f"{TESTS[0]}::test_curves_are_those_of_numpy", "seven_steps"
"""A test and an experiment that try this command in little time."""

_DEVICES = """
import json, jax
from experiments.harness import _environment
print(json.dumps({
    "platform": jax.default_backend(),
    "devices": [f"{one.platform}: {one.device_kind}" for one in jax.devices()],
    "versions": _environment.versions(),
    "idle": _environment.idle_accelerator(),
}))
"""
_EXACT = {"JAX_DEFAULT_MATMUL_PRECISION": "highest"}
_LAST = 4000
"""Characters of the output that are kept."""


def ran(*arguments: str, **environment: str) -> dict[str, Any]:
    """Runs this Python in a process, and shows what it prints."""
    begun, lines = time.monotonic(), []
    with subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        for line in child.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    return {
        "command": " ".join(["python", *arguments]),
        "environment": environment,
        "status": child.returncode,
        "seconds": round(time.monotonic() - begun, 1),
        "output": "".join(lines)[-_LAST:],
    }


def machine() -> dict[str, Any]:
    """The devices that JAX finds, and the versions.

    Raises:
        RuntimeError: if JAX does not start.
    """
    child = subprocess.run(
        [sys.executable, "-c", _DEVICES], capture_output=True, text=True, check=False
    )
    if child.returncode:
        last = " ".join(child.stderr.strip().splitlines()[-1:])
        raise RuntimeError(f"JAX does not start: {last}")
    return json.loads(child.stdout.splitlines()[-1])


def tests(files: tuple[str, ...]) -> dict[str, Any]:
    """Runs files of tests; what is only told, such as a warning, fails none."""
    report = Path("tests.xml")
    options = "-q -n 0 -W default -p no:cacheprovider".split()
    told = ran("-m", "pytest", *options, f"--junitxml={report}", *files, **_EXACT)
    counts, failed = {}, []
    if report.exists():
        root = xml.etree.ElementTree.parse(report).getroot()
        for suite in root.iter("testsuite"):
            names = "tests", "failures", "errors", "skipped"
            counts = {name: int(suite.get(name, 0)) for name in names}
        failed = [
            {"test": f"{case.get('classname')}.{case.get('name')}", "said": one.text}
            for case in root.iter("testcase")
            for one in case
            if one.tag in ("failure", "error")
        ]
    return {**told, "counts": counts, "failed": failed}


def figures(*names: str) -> dict[str, Any]:
    """Runs experiments, which hold what they compute against the published figures."""
    told = ran("-m", "experiments", *names, "--out", "figures", **_EXACT)
    found = {}
    for path in sorted(Path("figures").glob("*/summary.json")):
        summary = json.loads(path.read_text("utf-8"))
        published = summary["published"]
        found[summary["name"]] = {
            "device": summary["device"],
            "seconds": summary["seconds"],
            "error": summary["error"],
            "met": sum(one["met"] for one in published),
            "published": len(published),
            "missed": [one for one in published if not one["met"]],
        }
    return {**told, "experiments": found}


def table() -> dict[str, Any]:
    """Makes the table of speeds; targets are those of a CPU, and none has to be met."""
    results = Path("benchmarks", "results")
    for path in results.glob("*.json"):
        path.unlink()
    told = ran("-m", "benchmarks")
    made = sorted(results.glob("*.json"))
    record = json.loads(made[-1].read_text("utf-8")) if made else None
    return {**told, "record": record}


def main() -> int:
    """Runs all parts, and writes the file after each of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    try:
        found: dict[str, Any] = machine()
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("JAX found:", ", ".join(found["devices"]), flush=True)
    if found["platform"] == "cpu" and not asked.cpu:
        why = found["idle"] or "This machine has no GPU and no TPU that it knows."
        print(
            f"error: JAX found a CPU alone. {' '.join(why.split())} "
            "--cpu tries this command on it.",
            file=sys.stderr,
        )
        return 2
    parts = {
        "tests": lambda: tests(QUICK[:1] if asked.quick else TESTS),
        "figures": lambda: figures(*QUICK[1:] if asked.quick else ()),
    }
    if not asked.quick:
        parts |= {"told": lambda: tests(TOLD), "table": table}
    found["date"] = datetime.date.today().isoformat()
    for name, part in parts.items():
        found[name] = part()
        asked.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    failed = [name for name in parts if found[name]["status"] and name != "told"]
    print(f"Failed: {', '.join(failed) or 'nothing'}. Everything is in {asked.out}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
