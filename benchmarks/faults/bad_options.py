"""Command lines that nobody would type, for the experiments."""

import dataclasses
import functools

import numpy as np

from benchmarks._children import tell
from benchmarks.faults._guard import guarded
from experiments import NAMES
from experiments.harness._launch import refused
from experiments.harness._report import Experiment, describe

__all__ = ["case", "child", "drawn"]

_VALUES = (
    *("", " ", "0", "-1", "1e999", "nan", "-inf", "9" * 400, "1e-400", "0x10", "1_0"),
    *("None", "True", "[]", "{}", "--", "-", "=", "\u0663", "\ud800", "a\nb", "\x00"),
    *("../..", "/dev/null", "/", "~", "*", "$HOME", "x" * 5000, "1 2", "'", '"', "\\"),
    *("adam", "mse", "linear", "3", "0.5", "1", "2", "--help", "--debug", "@file"),
)

_OTHERS = ("out", "debug", "compilation_cache", "epocs", "", "config.seed")


@functools.cache
def _experiment(name: str) -> Experiment:
    return describe(name)


def drawn(rng: np.random.Generator) -> tuple[str, list[str]]:
    """An experiment, and the words after its name."""
    name = str(rng.choice(NAMES))
    kind = _experiment(name).config_type
    fields = [field.name for field in dataclasses.fields(kind)]
    words: list[str] = []
    for _ in range(int(rng.integers(0, 5))):
        field = str(rng.choice([*fields, *_OTHERS]))
        option = f"--{field.replace('_', '-')}"
        if rng.random() < 0.1:
            option = option[: int(rng.integers(1, len(option) + 1))]
        value = _VALUES[rng.integers(len(_VALUES))]
        if rng.random() < 0.2:
            words.append(f"{option}={value}")
        else:
            words.append(option)
            words += [value] * int(rng.choice([0, 1, 1, 1, 2, 3]))
    return name, words


def case(number: int) -> dict[str, str]:
    """Reads a command line, and checks the settings; runs nothing."""
    name, words = drawn(np.random.default_rng([2, number]))

    def use() -> str:
        told = refused(_experiment(name), words)
        if told is None:
            return "taken"
        whole = told.isprintable() and len(told) < 1200
        return "refused" if whole else "WRONG: it is not one line"

    return guarded(use, ())


def child(start: int, stop: int) -> None:
    """Reads command lines in a process of its own."""
    tell(case, start, stop)
