"""What ends a run, decided alike in all of its processes."""

import pytest

from funclearn._processes import Together
from funclearn.running._course import Course
from tests.processes import run_in_processes


class Several(Together):
    """Several processes, of which all but this one say what they are told to."""

    def __init__(self, *others, number=0):
        super().__init__({})
        self.others, self.count, self.number = others, 1 + len(others), number
        self.sent = []

    def exchange(self, value=None):
        self.sent.append(value)
        told = list(self.others)
        told.insert(self.number, value)
        return told


def decide(course, *numbers):
    assert course.decide is not None
    return course.decide(*numbers)


def course(together, heard=None, late=False, due=False):
    return Course(together, lambda: heard, lambda: late, lambda: due)


def test_one_process_goes_by_what_it_knows():
    alone = course(Together({}), heard=15, late=True, due=True)
    assert alone.decide is None
    assert (alone.heard(), alone.late(), alone.due()) == (15, True, True)
    assert alone.settle() == 15
    with pytest.raises(OSError, match="at once"), alone.deferring():
        raise OSError("at once")


def test_the_clock_of_the_first_process_counts():
    together = Several([40, 1, None, False, True], number=1)
    second = course(together, late=True)
    assert decide(second, 7, 0) == (40, 1)
    assert (second.heard(), second.late(), second.due()) == (None, False, True)
    assert together.sent == [[7, 0, None, True, False]]


def test_a_signal_in_any_process_ends_all():
    first = course(Several([9, None, False, False], [9, 15, False, False]))
    assert decide(first, 12) == (0,)
    assert first.heard() == 15 and not first.late()


def test_time_that_is_over_ends_all():
    first = course(Several([9, None, False, False]), late=True)
    assert decide(first, 12) == (0,) and first.late()


def test_what_fails_in_one_fails_at_the_next_exchange():
    together = Several([9, None, False, False])
    first = course(together)
    with first.deferring():
        raise OSError("full")
    for fails in (lambda: decide(first, 3), first.settle):
        with pytest.raises(OSError, match="full"):
            fails()
    assert together.sent == []


@pytest.mark.slow
def test_two_processes_end_at_the_same_epoch_whatever_ends_them(tmp_path):
    run_in_processes(f"""
        import functools, json, os, signal
        from pathlib import Path
        import numpy as np
        import funclearn as fl
        from funclearn.running import Failed, Terminated
        from tests.devices.settings import DATA, begin, placed

        folder = Path({str(tmp_path)!r})
        step, start = begin()
        state, train = placed(4, start, DATA)
        run = functools.partial(fl.running.run, step, state, train, progress=False)

        def at(epoch, act, report):
            if number == 1 and report.epoch >= epoch:
                act()

        def fail():
            raise ValueError("no room")

        for epoch, length in ((1, 10**7), (3, 3)):
            try:
                run(epochs=length, callbacks=[functools.partial(at, epoch, fail)])
            except Failed as error:
                cause, epochs = str(error.__cause__), int(error.run.epochs)
            assert "ValueError('no room')" in cause, cause
            assert number or cause.startswith("process 1 of 2 failed: RuntimeError")
            (folder / f"failed-{{epoch}}-{{number}}").write_text(str(epochs))

        left = [signal.SIGTERM]  # a second one would act as usual
        kill = lambda: left and os.kill(os.getpid(), left.pop())
        try:
            run(epochs=10**7, callbacks=[functools.partial(at, 2, kill)])
        except Terminated as error:
            assert error.signal == signal.SIGTERM
            (folder / f"ended-{{number}}").write_text(str(error.run.epochs))

        late = run(epochs=10**7, within=0.05 if number == 0 else 1000.0)
        assert str(late.reason) == "deadline"
        (folder / f"late-{{number}}").write_text(str(late.epochs))

        # The first alone saves, and the other looks for it elsewhere.
        kept = {{"folder": folder / str(number), "logs": (), "epochs": 1}}
        run(**kept)
        try:
            run(**kept, resume=True)
            raise AssertionError("two folders were taken for one")
        except fl.checkpoints.CheckpointError as error:
            told = str(error)
        assert "all 2 processes share" in told and "step 1, none" in told, told

        def gives(key, epoch):
            for first in (0, 8, 16):
                yield jax.tree.map(lambda rows: rows[first : first + 8], DATA)

        given = fl.running.run(step, state, gives, epochs=2, progress=False)
        alone = fl.running.run(step, start, gives, epochs=2, progress=False)
        np.testing.assert_array_equal(given.history.loss, alone.history.loss)
    """)
    for name in ("failed-1", "failed-3", "ended", "late"):
        first, second = (tmp_path / f"{name}-{one}" for one in range(2))
        assert first.read_text() == second.read_text(), name
    assert int((tmp_path / "ended-0").read_text()) >= 2
