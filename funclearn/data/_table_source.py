"""The bytes of a table's file, whatever it is packed and encoded in."""

import bz2
import gzip
import io
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

__all__ = ["File", "Source", "open_source"]


@runtime_checkable
class Readable(Protocol):
    """An open file, of text or of bytes."""

    def read(self) -> str | bytes:
        """Returns the rest of the file."""
        ...


File: TypeAlias = str | os.PathLike[str] | Readable
"""A path, or an open file."""

_PACKED = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress}
_PACKED |= {b"\xfd7zXZ": lzma.decompress}

_MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    # UTF-32's little-endian mark begins as UTF-16's does.
    b"\xff\xfe\x00\x00": "utf-32-le",
    b"\x00\x00\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}

_FOREIGN = {
    rb"\xd0\xcf\x11\xe0": "an Excel workbook; save its sheet as CSV",
    rb"PAR1": "a Parquet file; write it as CSV, or read it with pandas",
    rb"\x89HDF": "an HDF5 file; write its table as CSV, or read it with h5py",
    rb"\x93NUMPY": "an array of NumPy; read it with numpy.load",
    rb"\x28\xb5\x2f\xfd": "packed by Zstandard; unpack it first",
    rb"7z\xbc\xaf|Rar!": "an archive; unpack it first",
    rb"%PDF": "a PDF; copy its table into a text file",
    rb"\s*<": "a web page or XML; download the table itself",
    rb"""\s*[\[{]\s*["\[{\]}]""": "JSON; write it as CSV, for example with pandas",
    rb"\s*@relation(?i:)": "an ARFF file; write it as CSV",
}


class Source(NamedTuple):
    """What a file holds.

    Attributes:
        name: what to call it in messages.
        data: its bytes, unpacked, without a byte-order mark.
        encoding: of the bytes.
        path: where the same bytes lie in a file; None where they lie in none.
    """

    name: str
    data: bytes
    encoding: str
    path: str | None = None

    def lines(self) -> Iterator[str]:
        """The lines with their ends, be these of Unix, Windows or old Macs."""
        return io.TextIOWrapper(io.BytesIO(self.data), self.encoding, newline="")


def open_source(file: object) -> Source:
    """Reads a file, unpacks it and finds its encoding.

    Raises:
        OSError: if it cannot be read.
        TypeError: if it is no path and no open file.
        ValueError: if it is no text: an address, a workbook, an archive of several
            files, or another format.
    """
    if isinstance(file, Readable):
        name, content = str(getattr(file, "name", "the file")), file.read()
        data = content.encode() if isinstance(content, str) else content
        return _decoded(name, _unpacked(name, data), None)
    if not isinstance(file, str | os.PathLike) or isinstance(os.fspath(file), bytes):
        raise TypeError(
            f"path must be a path or an open file; got {type(file).__name__}."
        )
    name = str(os.fspath(file))
    if re.match(r"[a-z][a-z0-9+]+://", name, re.IGNORECASE):
        raise ValueError(f"path must be a file of this machine; download {name} first.")
    if "\n" in name:
        raise ValueError(
            "path must be a path; for the text of a table pass io.StringIO(text)."
        )
    with open(name, "rb") as opened:
        data = opened.read()
    unpacked = _unpacked(name, data)
    return _decoded(name, unpacked, name if unpacked is data else None)


def _unpacked(name: str, data: bytes) -> bytes:
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _only_member(name, data)
    for magic, unpack in _PACKED.items():
        if data.startswith(magic):
            try:
                return unpack(data)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise ValueError(f"{name} is damaged: {error}.") from None
    return data


def _only_member(name: str, data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [
                member
                for member in archive.namelist()
                if not member.endswith("/") and not member.startswith("__MACOSX/")
            ]
            if any(
                member.startswith("xl/") or member == "content.xml"
                for member in members
            ):
                raise ValueError(
                    f"{name} is a workbook of a spreadsheet; save its sheet as CSV."
                )
            if len(members) != 1:
                listed = ", ".join(members[:5]) or "none"
                raise ValueError(
                    f"{name} must hold one file; got {len(members)}: {listed}; "
                    "unpack it first."
                )
            return archive.read(members[0])
    # RuntimeError: a password is asked for.
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error) as error:
        raise ValueError(f"{name} cannot be unpacked: {error}.") from None


def _decoded(name: str, data: bytes, path: str | None) -> Source:
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return _checked(Source(name, data[len(mark) :], encoding))
    for pattern, what in _FOREIGN.items():
        if re.match(pattern, data):
            raise ValueError(f"{name} is {what}.")
    return _checked(Source(name, data, _encoding(data), path))


def _encoding(data: bytes) -> str:
    head = data[:1000]
    # Every other byte of digits in UTF-16 is zero; tables hold many digits.
    if head.count(0) * 4 > len(head):
        return "utf-16-be" if head[:1] == b"\0" else "utf-16-le"
    if data.isascii():
        return "ascii"
    for encoding in ("utf-8", "cp1252"):
        try:
            data.decode(encoding)
            return encoding
        except UnicodeDecodeError:
            continue
    return "latin-1"


def _checked(source: Source) -> Source:
    name, data, encoding, _ = source
    try:
        # A byte-order mark promises an encoding; ASCII needs no second decoding.
        text = "" if encoding == "ascii" else data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is no text in {encoding}: {error}.") from None
    at = data.find(0) if encoding == "ascii" else text.find("\0")
    if at >= 0:
        before = data if encoding == "ascii" else text.encode()
        line = before[: before.find(0)].count(b"\n") + 1
        raise ValueError(f"{name}, line {line}: a NUL, which no text holds.")
    return source
