"""One file from several addresses: resumed, bounded, and compared by its checksum.

What arrives is kept beside the file's final name, under which nothing but the whole
and right file ever appears. So a download that is broken off, by the network or by its
user, goes on where it ended.
"""

import contextlib
import hashlib
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO, NamedTuple

from funclearn._display import SeenBytes, progress

__all__ = ["File", "download", "sha256_of"]

_CHUNK = 2**16
_PASSING = frozenset({408, 425, 429})  # refusals that may end, beside those of 5xx
_NO_SUCH_RANGE = 416
_NUMBER = "([0-9]{1,18})"  # what is longer is no length


@dataclass(frozen=True, kw_only=True)
class File:
    """A published file.

    Attributes:
        name: what comes after a mirror's address.
        size: its bytes.
        sha256: its checksum, in hexadecimal digits.
    """

    name: str
    size: int
    sha256: str


class _Problem(NamedTuple):
    """Why a mirror did not give the file.

    Attributes:
        reason: for messages.
        lasting: whether asking again is of no use.
        spoilt: whether what is there of the file cannot be gone on with.
    """

    reason: str
    lasting: bool = False
    spoilt: bool = False


_Show = Callable[[int], None]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(
    file: File,
    folder: Path,
    mirrors: Sequence[str],
    *,
    timeout: float,
    waits: Sequence[float],
) -> dict[str, str]:
    """Downloads a file into a folder, from whichever mirror gives it.

    All mirrors are tried in turn, and again after each wait, going on with the bytes
    that are there, or from the start where these do not fit; one that refuses, or has
    another file, is not asked again.

    Args:
        file: what to download.
        folder: where the file goes, and what there is of it until it is whole.
        mirrors: addresses that end with a slash.
        timeout: seconds without a byte after which a connection is given up.
        waits: seconds before each further round.

    Returns:
        By addresses why each failed; empty once the file is there.

    Raises:
        OSError: if the folder cannot be written.
    """
    part = folder / f"{file.name}.part"
    problems: dict[str, str] = {}
    left = [mirror + file.name for mirror in mirrors]
    with _bar(file) as show:
        for wait in (0.0, *waits):
            if not left:
                break
            time.sleep(wait)
            for url in tuple(left):
                problem = _attempt(url, file, part, timeout, show)
                if problem is not None and problem.spoilt and not problem.lasting:
                    # What was there may be to blame, another mirror's wrong bytes.
                    part.unlink(missing_ok=True)
                    problem = _attempt(url, file, part, timeout, show)
                if problem is None:
                    os.replace(part, folder / file.name)
                    return {}
                problems[url] = problem.reason
                if problem.spoilt:
                    part.unlink(missing_ok=True)
                if problem.lasting:
                    left.remove(url)
    return problems


def _attempt(
    url: str, file: File, part: Path, timeout: float, show: _Show
) -> _Problem | None:
    """Brings what lacks of a file, and compares the whole."""
    there = part.stat().st_size if part.exists() else 0
    if there > file.size:
        there = 0
    if there < file.size:
        problem = _transfer(url, file, part, there, timeout, show)
        if problem is not None:
            return problem
    got = sha256_of(part)
    if got == file.sha256:
        return None
    reason = f"its file has SHA-256 {got} where {file.sha256} is published"
    return _Problem(reason, lasting=there == 0, spoilt=True)


def _transfer(
    url: str, file: File, part: Path, there: int, timeout: float, show: _Show
) -> _Problem | None:
    """Appends what a server sends to the bytes that are there."""
    response = _open(url, there, timeout)
    if isinstance(response, _Problem):
        return response
    with response:
        start, length = _promised(response)
        if length not in (None, file.size):
            reason = f"offers {length} bytes where {file.size} are published"
            return _Problem(reason, lasting=True)
        if start not in (0, there):
            reason = f"sent another range of bytes than that from {there} on"
            return _Problem(reason, spoilt=True)
        with open(part, "r+b" if start else "wb") as out:
            out.seek(start)
            problem = _pour(response, out, file.size, show)
            out.flush()
            # The bytes are on the disk before the name is: a power cut then leaves no
            # empty file under it.
            os.fsync(out.fileno())
    return problem


def _open(url: str, there: int, timeout: float) -> HTTPResponse | _Problem:
    """Asks for a file from byte `there` on."""
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    request = Request(url, headers={"User-Agent": "funclearn"})
    if there:
        request.add_header("Range", f"bytes={there}-")
    try:
        return urlopen(request, timeout=timeout)
    except HTTPError as error:
        error.close()
        spoilt = error.code == _NO_SUCH_RANGE and there > 0
        lasting = error.code < 500 and error.code not in _PASSING and not spoilt
        return _Problem(f"HTTP status {error.code}", lasting, spoilt)
    except URLError as error:
        # Nobody answered at all: another round would take as long again.
        late = isinstance(error.reason, TimeoutError)
        return _Problem(_said(error.reason), lasting=late)
    except (OSError, HTTPException, ValueError) as error:
        return _Problem(_said(error))


def _said(error: object) -> str:
    return str(error) or type(error).__name__


def _promised(response: HTTPResponse) -> tuple[int | None, int | None]:
    """The first byte that follows, and the length that the whole file is said to have.

    A server that does not know ranges sends all, under the status 200.
    """
    if response.status == 206:
        stated = response.headers.get("Content-Range", "")
        found = re.fullmatch(rf"bytes {_NUMBER}-{_NUMBER}/({_NUMBER}|\*)", stated)
        if found is None:
            return None, None
        return int(found[1]), None if found[3] == "*" else int(found[4])
    found = re.fullmatch(_NUMBER, response.headers.get("Content-Length", ""))
    return 0, int(found[0]) if found else None


def _pour(
    response: HTTPResponse, out: BinaryIO, size: int, show: _Show
) -> _Problem | None:
    """Writes a response into a file until the file has `size` bytes, and no more."""
    while (there := out.tell()) < size:
        try:
            # One that waits for the whole of a chunk would lose what came before a
            # break.
            chunk = response.read1(min(_CHUNK, size - there))
        except (OSError, HTTPException, ValueError) as error:
            return _Problem(f"{_said(error)} after {there} of {size} bytes")
        if not chunk:
            return _Problem(f"broke off after {there} of {size} bytes")
        out.write(chunk)
        show(out.tell())
    return None


@contextlib.contextmanager
def _bar(file: File) -> Iterator[_Show]:
    """Shows on a terminal or in a notebook, if there is one, how much is there."""
    begun: tuple[int, float] | None = None
    with progress(None) as display:

        def show(there: int) -> None:
            nonlocal begun
            now = time.monotonic()
            begun = begun or (there, now)
            seconds = now - begun[1]
            rate = (there - begun[0]) / seconds if seconds else math.nan
            display.show(SeenBytes(file.name, there, file.size, rate))

        yield show
