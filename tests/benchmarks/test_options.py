import importlib
import sys
from pathlib import Path

import pytest

import benchmarks
from benchmarks._options import Options, amount, count, one_of, seed, share


@pytest.fixture
def parse():
    parser = Options(prog="python -m benchmarks.some")
    parser.add_argument("names", nargs="*", type=one_of(("one", "two")))
    parser.add_argument("--number", type=count, default=5)
    parser.add_argument("--seed", type=seed, default=0)
    parser.add_argument("--scale", type=share, default=1.0)
    parser.add_argument("--bandwidth", type=amount)
    return parser.parse_args


def test_options_are_read(parse):
    options = "two --number 7 --seed 3 --scale 0.5 --bandwidth 4e9"
    asked = vars(parse(options.split()))
    wanted = {"number": 7, "seed": 3, "scale": 0.5, "bandwidth": 4e9}
    assert asked == {"names": ["two"], **wanted}
    assert parse([]).names == []


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["three"], "must be one of one, two; got 'three'"),
        (["--number", "0"], "from 1 to 1000000000; got 0"),
        (["--number", "many"], "'many'"),
        (["--number", "9" * 5000], "invalid"),
        (["--seed", "-1"], "from 0 to 1000000000; got -1"),
        (["--scale", "nan"], "from 0.0001 to 100; got nan"),
        (["--scale", "-1"], "got -1"),
        (["--bandwidth", "0"], "must be above 0 and finite; got 0"),
        (["--bandwidth", "inf"], "got inf"),
        (["--bandwidth", "fast"], "'fast'"),
        (["--other"], "--other"),
        (["--number", "1\n2"], "1"),
    ],
)
def test_bad_options_end_in_one_line_with_2(parse, capsys, options, part):
    with pytest.raises(SystemExit) as exit_:
        parse(options)
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert line.endswith("; python -m benchmarks.some --help shows the options.")
    assert part in line


def commands():
    """The modules that `python -m` runs, but for the loops that others call."""
    (root,) = map(Path, benchmarks.__path__)
    for path in sorted({*root.glob("[!_]*.py"), *root.rglob("__main__.py")}):
        if '__name__ == "__main__"' in path.read_text("utf-8"):
            inner = path.relative_to(root).with_suffix("").parts
            yield ".".join(("benchmarks", *inner))


@pytest.mark.parametrize("module", list(commands()))
def test_commands_explain_themselves(monkeypatch, capsys, module):
    command = importlib.import_module(module)
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.raises(SystemExit) as exit_:
        command.main()
    assert exit_.value.code == 0
    usage = capsys.readouterr().out
    assert usage.startswith(f"usage: python -m {module.removesuffix('.__main__')} ")
