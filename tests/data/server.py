"""A server on loopback that gives files rightly, and in all the ways that go wrong."""

import contextlib
import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from funclearn.data import _cache, _download

COUNTS = {"train": 60, "t10k": 20}
BREAK = 9000  # bytes after which a connection breaks off or stalls


def idx(array, code):
    shape = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, code, array.ndim]) + shape + array.tobytes()


def generated(seed=0):
    """Four files in the form of Fashion-MNIST, and the arrays in them."""
    random = np.random.default_rng(seed)
    arrays, files = {}, {}
    for part, count in COUNTS.items():
        images = random.integers(0, 256, (count, 28, 28), np.uint8)
        labels = random.integers(0, 10, count).astype(np.uint8)
        for name, array in {"images-idx3": images, "labels-idx1": labels}.items():
            arrays[f"{part}-{name}-ubyte"] = array
            packed = gzip.compress(idx(array, 8), mtime=0)
            files[f"{part}-{name}-ubyte.gz"] = packed
    return files, arrays


FILES, ARRAYS = generated()
IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def source(*mirrors, files=None, waits=(0.01, 0.01)):
    """A source of the generated files, under checksums of their own."""
    return _cache.Source(
        title="Garments",
        folder="garments",
        files=tuple(
            _download.File(
                name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest()
            )
            for name, data in (files or FILES).items()
        ),
        mirrors=mirrors,
        layouts=("Garments/raw",),
        timeout=0.2,
        waits=waits,
    )


class _Handler(BaseHTTPRequestHandler):
    """Behaves as the first part of an address says."""

    server: "_Server"  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self):
        _, behaviour, name = self.path.split("/")
        asked = self.headers.get("Range")
        self.server.requests.append((behaviour, name, asked))
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        getattr(self, behaviour)(name, FILES[name], start)

    def answer(self, status, body, **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def part(self, data, start, body, total=None):
        if not start:
            return self.answer(200, body, Content_Length=len(data))
        span = f"bytes {start}-{len(data) - 1}/{total or len(data)}"
        left = len(data) - start
        return self.answer(206, body, Content_Length=left, Content_Range=span)

    def good(self, name, data, start):
        self.part(data, start, data[start:])

    def whole(self, name, data, start):
        self.answer(200, data, Content_Length=len(data))

    def unsized(self, name, data, start):
        self.answer(200, data)

    def endless(self, name, data, start):
        with contextlib.suppress(OSError):
            self.answer(200, data)
            while not self.server.over.is_set():
                self.wfile.write(bytes(2**16))

    def breaks(self, name, data, start):
        self.part(data, start, data[start : start + BREAK])

    def stalls(self, name, data, start):
        self.part(data, start, data[start : start + BREAK])
        self.server.over.wait(10)

    def once(self, name, data, start):
        """Stalls but where it is asked for the rest."""
        (self.good if start else self.stalls)(name, data, start)

    def silent(self, name, data, start):
        self.server.over.wait(10)

    def moved(self, name, data, start):
        self.answer(302, b"", Location=f"/good/{name}", Content_Length=0)

    def circle(self, name, data, start):
        self.answer(302, b"", Location=f"/circle/{name}", Content_Length=0)

    def long(self, name, data, start):
        self.answer(200, data, Content_Length=len(data) + 7)

    def short(self, name, data, start):
        self.answer(200, data, Content_Length=len(data) - 7)

    def othersize(self, name, data, start):
        self.part(data, start, data[start:], total=len(data) + 7 if start else None)

    def wrong(self, name, data, start):
        spoilt = data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
        self.part(spoilt, start, spoilt[start:])

    def spoils(self, name, data, start):
        """Breaks off after wrong bytes."""
        self.part(data, start, bytes(BREAK))

    def page(self, name, data, start):
        body = b"<html>log in first</html>"
        self.answer(200, body, Content_Length=len(body))

    def missing(self, name, data, start):
        self.answer(404, b"no such file", Content_Length=12)

    def busy(self, name, data, start):
        if len(self.server.requests) < 2:
            return self.answer(503, b"", Content_Length=0)
        return self.good(name, data, start)

    def unsatisfiable(self, name, data, start):
        if start:
            return self.answer(416, b"", Content_Length=0)
        return self.good(name, data, start)

    def shifted(self, name, data, start):
        if start:
            return self.part(data, start + 1, data[start + 1 :])
        return self.good(name, data, start)

    def nonsense(self, name, data, start):
        self.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        self.close_connection = True

    def log_message(self, format, *args):
        del format, args


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, str, str | None]] = []
        self.over = threading.Event()

    def url(self, behaviour):
        return f"http://127.0.0.1:{self.server_port}/{behaviour}/"

    def handle_error(self, request, client_address):
        """A client that went away is what some tests are about."""
        del request, client_address


@contextlib.contextmanager
def running():
    """Yields a server: its `url(behaviour)`, and the `requests` that it has had."""
    server = _Server()
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
