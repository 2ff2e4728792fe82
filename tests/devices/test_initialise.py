"""Several processes become one run."""

import re
import signal

import jax
import pytest

from funclearn import devices
from funclearn.devices import _initialise
from tests.processes import free_address, pair, started

ALONE = """
import socket, sys
import jax.numpy as jnp
from funclearn import devices

def told(address, process, timeout):
    try:
        devices.initialise(address, 2, process, timeout=timeout)
    except (OSError, RuntimeError) as error:
        print(type(error).__name__, error)

with socket.create_server(("127.0.0.1", 0)) as server:
    told(f"127.0.0.1:{server.getsockname()[1]}", 0, 60)
for process in (0, 1):
    told(sys.argv[1], process, 1)
devices.initialise()
devices.initialise()
jnp.ones(1).block_until_ready()
told(sys.argv[1], 0, 60)
"""

SLOW = """
import sys, time, warnings
import jax
warnings.simplefilter("error", UserWarning)
from funclearn import devices
address, number = sys.argv[1], int(sys.argv[2])
devices.initialise(address, 2, number, same={"rate": 0.1})
assert jax.process_count() == 2 and jax.process_index() == number
assert jax.config.jax_enable_recoverability
try:
    devices.initialise(address, 2, number)
except RuntimeError as error:
    print(error)
time.sleep(number)
"""

UNLIKE = """
import os, signal, sys, time
from funclearn import devices
number = int(sys.argv[2])
try:
    devices.initialise(sys.argv[1], 2, number, same={"rate": 0.1 * (1 + number)})
except ValueError as error:
    print(error, flush=True)
if number == 1:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    names = ("JAX_COORDINATOR_ADDRESS", *_initialise._VARIABLES.values())
    for name in names:
        monkeypatch.delenv(name, raising=False)


def test_alone_it_does_nothing():
    for _ in range(2):
        devices.initialise(same={"rate": 0.1})
        devices.initialise("node07:1234", 1, 0)
    assert jax.process_count() == 1 and not jax.distributed.is_initialized()


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((1234, 2, 0), TypeError, "coordinator must be a host and a port"),
        (("node07", 2, 0), ValueError, "coordinator must be a host and a port"),
        (("node07:1", 2.0, 0), TypeError, "processes must be an integer"),
        (("node07:1", "2", 0), TypeError, "processes must be an integer"),
        (("node07:1", 0, 0), ValueError, "processes must be at least 1; got 0"),
        (("node07:1", 2, True), TypeError, "process must be an integer"),
        (("node07:1", 2, -1), ValueError, "process must be at least 0; got -1"),
        (("node07:1", 2, 2), ValueError, "process must be less than processes, 2"),
        ((None, 1, 1), ValueError, "process must be less than processes, 1; got 1"),
        (("node07:1",), ValueError, "must all be given where no cluster tells them"),
        ((None, 2, 0), ValueError, "got {'coordinator': None, 'processes': 2, "),
    ],
)
def test_bad_places_are_refused(arguments, error, message, plain_annotations):
    with pytest.raises(error, match=re.escape(message)):
        devices.initialise(*arguments)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"timeout": 0}, ValueError, "timeout must be positive"),
        ({"timeout": "1"}, TypeError, "timeout must be a number"),
        ({"heartbeat": 0}, ValueError, "heartbeat must be at least 1"),
        ({"heartbeat": 1.5}, TypeError, "heartbeat must be an integer"),
        ({"same": [1]}, TypeError, "same must be a mapping"),
    ],
)
def test_bad_options_are_refused_in_one_process_too(
    options, error, message, plain_annotations
):
    with pytest.raises(error, match=message):
        devices.initialise(**options)


def test_the_environment_tells_the_place(monkeypatch):
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "node07:1")
    monkeypatch.setenv("JAX_NUM_PROCESSES", "3")
    monkeypatch.setenv("JAX_PROCESS_ID", "2")
    assert _initialise._place(None, None, None, 1.0) == ("node07:1", 3, 2)
    assert _initialise._place("here:2", 4, 0, 1.0) == ("here:2", 4, 0)
    monkeypatch.setenv("JAX_NUM_PROCESSES", "many")
    with pytest.raises(TypeError, match=r"processes must be an integer.*'many'"):
        devices.initialise()


@pytest.mark.slow
def test_others_that_do_not_come_and_a_taken_port_are_errors():
    address = free_address()
    script = started("-c", ALONE, address)
    out, error = script.communicate(timeout=60)
    assert script.returncode == 0, error
    taken, missing, refused, late = out.splitlines()
    assert re.match(r"OSError .*127.0.0.1:\d+, must be free in process 0", taken)
    assert missing.startswith("TimeoutError") and missing.endswith("within 1 s: 1.")
    assert refused.startswith(f"TimeoutError process 0 at {address} did not let")
    assert late.startswith("RuntimeError") and "before the first operation" in late


@pytest.mark.slow
def test_two_processes_end_in_order_whoever_is_last(tmp_path, monkeypatch):
    # Within a pod JAX warns, unless it may ask the API of Kubernetes.
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    script = tmp_path / "train.py"
    script.write_text(SLOW, "utf-8")
    for one in pair(script, script):
        assert one.status == 0, one.error
        assert "must be called once" in one.out and "Check failure" not in one.error


@pytest.mark.slow
def test_all_processes_are_told_what_differs(tmp_path):
    scripts = [tmp_path / "one.py", tmp_path / "two.py"]
    for script, end in zip(scripts, ("", "# changed"), strict=True):
        script.write_text(UNLIKE + end, "utf-8")
    ended = pair(*scripts)
    # The second ends itself by a signal, which the first does not wait for.
    assert [one.status for one in ended] == [0, -signal.SIGTERM], ended[0].error
    for one in ended:
        told = one.out.splitlines()[-1]
        assert "same['rate'] is 0.1 in process 0 and 0.2 in process 1" in told
        assert "the script's sha256 is" in told and "jax" not in told
