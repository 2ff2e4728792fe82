"""Options of command lines, refused in one line."""

import argparse
import math
from collections.abc import Callable, Iterable
from typing import NoReturn

__all__ = ["Options", "amount", "count", "one_of", "seed", "share"]


class Options(argparse.ArgumentParser):
    """A parser that tells what is wrong in one line, and ends with the status 2."""

    def error(self, message: str) -> NoReturn:
        """Refuses the command line."""
        told = " ".join(message.split())
        self.exit(2, f"error: {told}; {self.prog} --help shows the options.\n")


def amount(text: str) -> float:
    """A number above 0, such as of bytes a second."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0 and finite; got {text}")
    return number


def count(text: str) -> int:
    """A whole number from 1 to a billion."""
    number = int(text)
    if not 1 <= number <= 10**9:
        raise argparse.ArgumentTypeError(f"must be from 1 to 1000000000; got {text}")
    return number


def seed(text: str) -> int:
    """A whole number from 0 to a billion."""
    number = int(text)
    if not 0 <= number <= 10**9:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1000000000; got {text}")
    return number


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """One of some names."""
    known = tuple(names)

    def name(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(
                f"must be one of {', '.join(known)}; got {text!r}"
            )
        return text

    return name


def share(text: str) -> float:
    """A number from 0.0001 to 100."""
    number = float(text)
    if not 1e-4 <= number <= 100:
        raise argparse.ArgumentTypeError(f"must be from 0.0001 to 100; got {text}")
    return number
