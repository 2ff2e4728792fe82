"""Several processes become one run."""

import atexit
import math
import os
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import jax

from funclearn._checks import integer_at_least, positive_number
from funclearn._jaxprs import backends_exist, detected
from funclearn.devices._alike import check_alike, facts
from funclearn.devices._meeting import host_and_port, meet
from funclearn.devices._signs import Signs

__all__ = ["initialise"]

_VARIABLES = {"processes": "JAX_NUM_PROCESSES", "process": "JAX_PROCESS_ID"}
_SETTINGS = {
    # Else JAX ends all processes as soon as one is lost.
    "jax_enable_recoverability": True,
    # Else it takes SIGTERM for a notice alone, and the process does not end.
    "jax_enable_preemption_service": False,
}
_LONGEST, _LONGEST_IF_FAILED = 60.0, 5.0


def initialise(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
    *,
    timeout: float | int = 60,
    heartbeat: int = 10,
    same: Mapping[str, Any] | None = None,
) -> None:
    """Makes this process one of those that run the same script.

    To be called before anything of JAX but its settings, such as the number of devices.

    What is not given is read from JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and
    JAX_PROCESS_ID, or from the cluster that JAX detects: SLURM, Open MPI, Kubernetes,
    TPUs. Where there is none, and where there is one process, it does nothing, so that
    the same script runs alone.

    Beyond `jax.distributed.initialize`: a port that is taken, and processes that do not
    come, are exceptions, where JAX ends the process; all are checked to run alike; when
    one is lost the others go on until they need it (`jax_enable_recoverability`);
    SIGTERM ends a process, where JAX only takes note (`jax_enable_preemption_service`);
    and at its end process 0, without which JAX ends the others, waits for them for up
    to a minute.

    Args:
        coordinator: host and port of process 0; the port must be free there.
        processes: how many there are.
        process: the number of this one, from 0.
        timeout: for how many seconds to wait for the others.
        heartbeat: after how many seconds without a sign a process is taken for lost.
        same: what else must be the same in all processes, such as a configuration and
            `funclearn.checkpoints.fingerprint(data)` of arrays of NumPy's, since those
            of JAX do not exist yet; whatever JSON holds.

    Raises:
        TypeError: if an argument is of the wrong type, or JSON does not hold `same`.
        ValueError: if a number is out of range, `coordinator` has no port, or some are
            given and others not to be found; or, in all processes, if they differ in
            the versions of Python, jax, jaxlib and funclearn, in the script, or in
            `same`.
        OSError: in process 0, if the port is taken.
        TimeoutError: if the others do not come.
        RuntimeError: if there are several processes, and it was called before or JAX
            has made an operation.

    Example:
        >>> fl.devices.initialise(same={"learning rate": 0.1})
        >>> jax.process_count()
        1
    """
    own = facts(same)
    timeout = positive_number("timeout", timeout)
    heartbeat = integer_at_least("heartbeat", heartbeat, 1)
    place = _place(coordinator, processes, process, timeout)
    if place is not None:
        _join(*place, timeout, heartbeat)
        check_alike(own)


def _join(
    coordinator: str, processes: int, process: int, timeout: float, heartbeat: int
) -> None:
    """Has JAX connect this process with the others."""
    if jax.distributed.is_initialized() or backends_exist():
        raise RuntimeError(
            "funclearn.devices.initialise() must be called once, before the first "
            "operation of JAX; it was called before, or after one."
        )
    connections = meet(coordinator, processes, process, timeout)
    for name, value in _SETTINGS.items():
        if hasattr(jax.config, name):
            jax.config.update(name, value)
    with warnings.catch_warnings():
        # JAX asks for the devices of this process too, which Kubernetes does not tell.
        warnings.filterwarnings("ignore", r"\s*Kubernetes environment detected")
        jax.distributed.initialize(
            coordinator,
            processes,
            process,
            initialization_timeout=math.ceil(timeout),
            heartbeat_timeout_seconds=heartbeat,
        )
    atexit.register(_end, process, Signs(connections, heartbeat))


def _place(
    coordinator: str | None, processes: int | None, process: int | None, timeout: float
) -> tuple[str, int, int] | None:
    """Where the processes meet, how many they are, and which this is; None if alone."""
    if coordinator is None:
        coordinator = os.environ.get("JAX_COORDINATOR_ADDRESS")
    given = (
        coordinator,
        _number("processes", processes, 1),
        _number("process", process, 0),
    )
    known = None not in given
    address, n, number = given if known else detected(*given, math.ceil(timeout))
    if address is not None:
        host_and_port(address)
    if n is not None and number is not None and number >= n:
        raise ValueError(f"process must be less than processes, {n}; got {number}.")
    if n == 1 or (address, n, number) == (None, None, None):
        return None
    if address is None or n is None or number is None:
        told = {"coordinator": address, "processes": n, "process": number}
        raise ValueError(
            "coordinator, processes and process must all be given where no cluster "
            f"tells them; got {told}."
        )
    return address, n, number


def _number(name: str, value: int | None, least: int) -> int | None:
    """What was given, or what the environment says."""
    if value is None:
        text = os.environ.get(_VARIABLES[name])
        if text is None:
            return None
        return integer_at_least(name, int(text) if text.isdecimal() else text, least)
    return integer_at_least(name, value, least)


def _end(process: int, signs: Signs) -> None:
    """Leaves; as process 0, which JAX needs to be the last, once the others have."""
    if process == 0:
        # After an uncaught error others may wait for what this process will not do.
        failed = hasattr(sys, "last_value")
        signs.join(_LONGEST_IF_FAILED if failed else _LONGEST)
    jax.distributed.shutdown()
