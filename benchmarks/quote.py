"""Quotes the newest results in the README: `python -m benchmarks.quote`."""

import re
from pathlib import Path

from benchmarks._options import Options
from benchmarks._record import Record, latest

__all__ = ["quoted", "with_quote"]

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(?<=<!-- benchmarks -->\n).*?(?=<!-- end of benchmarks -->)", re.S)


def quoted(record: Record) -> str:
    """A record as a table in Markdown."""
    packages = ", ".join(f"{name} {of}" for name, of in record.versions.items())
    lines = ["| program | beside | times as fast |", "|---|---|---|"]
    name = ""
    for line in record.lines:
        shown = "" if line.name == name else line.name
        lines.append(f"| {shown} | {line.beside} | {_number(line.faster)} |")
        name = line.name
    lines += ["", f"{record.date}, {record.machine}; {packages}."]
    return "\n".join(lines) + "\n"


def with_quote(readme: str, record: Record) -> str:
    """The text of the README with the record in its place."""
    return BLOCK.sub(lambda _: quoted(record), readme)


def _number(value: float) -> str:
    # Three digits, of large numbers too, whose last ones are noise.
    rounded = float(f"{value:.3g}" if value >= 1 else f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def main() -> None:
    """Writes it."""
    Options(prog="python -m benchmarks.quote", description=__doc__).parse_args()
    record = latest()
    if record is None:
        raise SystemExit("no results: python -m benchmarks makes them.")
    README.write_text(with_quote(README.read_text("utf-8"), record), "utf-8")


if __name__ == "__main__":
    main()
