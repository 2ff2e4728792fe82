import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import jax
import pytest

from experiments.harness._workers import Died, n_processes, side_by_side


def nothing():
    pass


def pid_of(name):
    if name == "dies":
        os._exit(3)
    return name, os.getpid()


def sleep_after_telling(name):
    print(os.getpid(), flush=True)
    time.sleep(60)


@contextlib.contextmanager
def found(names: list[str], processes: int) -> Iterator[Iterator[Any]]:
    with contextlib.closing(side_by_side(pid_of, names, processes, nothing)) as results:
        yield results


@pytest.mark.slow
def test_every_name_is_called_and_what_dies_is_told():
    with found(["a", "b", "dies", "c"], 2) as results:
        results = dict(results)
    assert sorted(results) == ["a", "b", "c", "dies"]
    died = results.pop("dies")
    assert isinstance(died, Died)
    assert str(died) == "its process ended with status 3."
    assert [name for name, _ in results.values()] == list(results)
    assert os.getpid() not in {process for _, process in results.values()}
    assert not multiprocessing.active_children()


def test_one_process_takes_the_last_first_and_ends_with_the_iterator():
    with found(["a", "b", "c"], 1) as results:
        (first, (_, process)), (second, (_, same)) = next(results), next(results)
        assert (first, second, same) == ("c", "b", process)
        assert [child.pid for child in multiprocessing.active_children()] == [process]
    assert not multiprocessing.active_children()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.slow
def test_processes_end_with_their_parent_without_a_word(sent):
    script = (
        f"from {__name__} import *\n"
        "if __name__ == '__main__':\n"
        "    from experiments.harness._interrupts import until_interrupted\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    all_ = side_by_side(sleep_after_telling, ['a'], 1, nothing)\n"
        "    raise SystemExit(until_interrupted(lambda: len(list(all_))))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout
    child = int(parent.stdout.readline())
    # Ctrl-C goes to the children as well, but only the parent answers it.
    (os.killpg if sent == signal.SIGINT else os.kill)(parent.pid, sent)
    _, error = parent.communicate(timeout=30)
    assert (parent.returncode, error) == (130 if sent == signal.SIGINT else -9, "")
    for _ in range(300):
        if not _lives(child):
            break
        time.sleep(0.1)
    assert not _lives(child)


def _lives(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_accelerators_are_not_shared(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert list(map(n_processes, (1, 2, 9))) == [1, 2, 3]
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert n_processes(17) == 4
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert n_processes(9) == 1
