"""Processes meet at the coordinator's port before JAX takes it.

JAX ends a process, without an exception, where a port is taken or another process does
not come. So they find each other first, by sockets of Python's: the others say who they
are, and process 0 says go once all have. The sockets stay open, for signs of life.
"""

import contextlib
import socket
import time

__all__ = ["host_and_port", "meet"]

_GO = b"go"
_LONGEST = 64


def host_and_port(address: object) -> tuple[str, int]:
    """The two parts of an address.

    Raises:
        TypeError: if it is no string.
        ValueError: if one of them is missing, or the port is none.
    """
    needed = "coordinator must be a host and a port, as '10.0.0.1:1234'"
    if not isinstance(address, str):
        raise TypeError(f"{needed}; got {address!r}.")
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and port.isdecimal() and 0 < int(port) < 2**16):
        raise ValueError(f"{needed}; got {address!r}.")
    return host, int(port)


def meet(
    address: str, processes: int, process: int, timeout: float
) -> dict[int, socket.socket]:
    """Returns once all processes have come.

    Args:
        address: the coordinator's, of process 0.
        processes: how many.
        process: the number of this one.
        timeout: for how many seconds to wait for the others.

    Returns:
        Connections to keep open until this process ends, by the numbers of those at the
        other ends: of process 0 to all others, of each other to process 0.

    Raises:
        OSError: in process 0, if the port is taken.
        TimeoutError: if others have not come in time.
    """
    deadline = time.monotonic() + timeout
    if process:
        return {0: _let_in(address, processes, process, deadline, timeout)}
    with contextlib.ExitStack() as stack:
        guests = _guests(address, processes, deadline, timeout, stack)
        for guest in guests.values():
            # One that has gone meanwhile is missed by JAX.
            with contextlib.suppress(OSError):
                guest.sendall(_GO)
        stack.pop_all()
    return guests


def _left(deadline: float) -> float:
    """Seconds until then; more than none, which to a socket means not to wait."""
    return max(deadline - time.monotonic(), 1e-3)


def _guests(
    address: str,
    processes: int,
    deadline: float,
    timeout: float,
    stack: contextlib.ExitStack,
) -> dict[int, socket.socket]:
    """Connections to all others."""
    missing = {_greeting(one, processes): one for one in range(1, processes)}
    guests: dict[int, socket.socket] = {}
    with _listening(address) as server:
        while missing:
            server.settimeout(_left(deadline))
            try:
                guest, _ = server.accept()
            except OSError as error:
                numbers = ", ".join(map(str, missing.values()))
                raise TimeoutError(
                    f"of {processes} processes these did not come to {address} within "
                    f"{timeout:g} s: {numbers}."
                ) from error
            process = missing.pop(_said(guest), None)
            if process is None:
                guest.close()
            else:
                guests[process] = stack.enter_context(guest)
    return guests


def _said(guest: socket.socket) -> bytes:
    """The greeting of one who came, who may be anybody."""
    with contextlib.suppress(OSError):
        guest.settimeout(1.0)
        return guest.recv(_LONGEST)
    return b""


def _listening(address: str) -> socket.socket:
    """On every interface, as JAX does."""
    _, port = host_and_port(address)
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        return socket.create_server(("", port), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise OSError(
            error.errno,
            f"the port of the coordinator, {address}, must be free in process 0: "
            f"{error.strerror}",
        ) from None


def _let_in(
    address: str, processes: int, process: int, deadline: float, timeout: float
) -> socket.socket:
    """The connection to process 0, once all others are there."""
    cause = None
    while time.monotonic() < deadline:
        with contextlib.ExitStack() as stack:
            try:
                door = socket.create_connection(host_and_port(address), _left(deadline))
                stack.enter_context(door)
                door.sendall(_greeting(process, processes))
                door.settimeout(_left(deadline))
                if door.recv(len(_GO)) == _GO:
                    stack.pop_all()
                    return door
            except OSError as error:  # not there yet, or not known by name
                cause = error
        time.sleep(0.05)
    raise TimeoutError(
        f"process 0 at {address} did not let process {process} in within {timeout:g} s."
    ) from cause


def _greeting(process: int, processes: int) -> bytes:
    return f"funclearn {process} of {processes}".encode()
