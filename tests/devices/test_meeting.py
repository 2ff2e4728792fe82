"""Processes meet at the coordinator's port before JAX takes it."""

import re
import socket
import threading
import time
from typing import Any

import pytest

from funclearn.devices import _meeting
from tests.processes import free_address


class Meeting(threading.Thread):
    """One of the processes that meet, as a thread."""

    def __init__(self, *arguments):
        super().__init__()
        self.arguments: Any = arguments
        self.result: Any = None
        self.start()

    def run(self):
        try:
            self.result = _meeting.meet(*self.arguments)
        except OSError as error:
            self.result = error

    def end(self):
        self.join(30)
        return self.result


@pytest.mark.parametrize(
    "address, parts",
    [("node07:1234", ("node07", 1234)), ("[::1]:65535", ("::1", 65535))],
)
def test_an_address_is_a_host_and_a_port(address, parts):
    assert _meeting.host_and_port(address) == parts


@pytest.mark.parametrize(
    "address, error",
    [
        ("node07", ValueError),
        (":1234", ValueError),
        ("node07:", ValueError),
        ("node07:0", ValueError),
        ("node07:65536", ValueError),
        ("node07:x", ValueError),
        (1234, TypeError),
    ],
)
def test_an_address_without_a_port_is_refused(address, error):
    got = re.escape(repr(address))
    with pytest.raises(error, match=f"^coordinator must be a host and a port.*{got}"):
        _meeting.host_and_port(address)


def test_all_go_once_the_last_has_come():
    address = free_address()
    early = [Meeting(address, 3, number, 20.0) for number in (1, 0)]
    strange = socket.socket()
    while strange.connect_ex(_meeting.host_and_port(address)):
        time.sleep(0.01)
    strange.sendall(b"GET / HTTP/1.1")
    strange.settimeout(20)
    time.sleep(0.2)
    assert all(one.is_alive() for one in early)
    last = Meeting(address, 3, 2, 20.0)
    first, host, second = early[0].end(), early[1].end(), last.end()
    assert [sorted(one) for one in (first, host, second)] == [[0], [1, 2], [0]]
    host[2].sendall(b"2")
    assert second[0].recv(1) == b"2"
    assert strange.recv(9) == b""
    # The port is free for JAX although the connections are open.
    _meeting._listening(address).close()
    for connections in ({0: strange}, first, host, second):
        for connection in connections.values():
            connection.close()


def test_a_taken_port_is_an_error_that_names_it():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(OSError, match=f"{address}, must be free in process 0"):
            _meeting.meet(address, 2, 0, 20.0)


def test_who_does_not_come_is_named():
    address = free_address()
    meetings = [Meeting(address, 4, number, 0.5) for number in (0, 2)]
    host, guest = (meeting.end() for meeting in meetings)
    assert isinstance(host, TimeoutError) and isinstance(guest, TimeoutError)
    assert str(host).endswith(f"did not come to {address} within 0.5 s: 1, 3.")
    assert (
        str(guest) == f"process 0 at {address} did not let process 2 in within 0.5 s."
    )
