"""What happens between two chunks: signals, saving, the display."""

import signal
import threading
import time

import numpy as np
import pytest

import funclearn as fl
from funclearn.running import Interrupted, Terminated, run
from tests.running.running_setting import DATA, EVALUATE, START, STEP, check_same
from tests.runs import bits


class Display:
    """Writes down what it is shown."""

    def __init__(self):
        self.seen, self.notes, self.closed = [], [], 0

    def show(self, seen):
        self.seen.append(seen)

    def note(self, text):
        self.notes.append(text)

    def close(self, text=None):
        self.closed += 1


@pytest.fixture
def interrupts():
    """Hears interrupts, which jobs in the background and xdist's workers ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def asking(number):
    """A callback that sends a signal once."""
    sent = []

    def ask(report):
        if report.epoch > 5 and not sent:
            sent.append(number)
            signal.raise_signal(number)

    return ask


@pytest.mark.parametrize(
    "number, kind, status",
    [(signal.SIGINT, Interrupted, 130), (signal.SIGTERM, Terminated, 143)],
)
def test_a_signal_ends_it_saved_and_it_goes_on(
    number, kind, status, tmp_path, interrupts
):
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    kept = {"folder": tmp_path, "resume": True}
    display = Display()
    with pytest.raises(kind, match="saved; resume=True goes on") as caught:
        run(
            STEP,
            START,
            DATA,
            epochs=300,
            callbacks=[asking(number)],
            progress=display,
            **kept,
        )
    assert [
        signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)
    ] == handlers
    left = caught.value.run
    assert caught.value.code == status and left.reason.name == "signal"
    assert left.history.loss.shape == (int(left.epochs),) and int(left.epochs) < 300
    assert bits(left.state) == bits(
        fl.fit(STEP, START, DATA, epochs=int(left.epochs)).state
    )
    saved = fl.checkpoints.latest(tmp_path)
    assert saved is not None and saved.step == int(left.epochs)
    assert display.notes == [str(caught.value)] and display.closed
    whole = fl.fit(STEP, START, DATA, epochs=300)
    check_same(run(STEP, START, DATA, epochs=300, progress=False, **kept), whole)


def test_without_a_folder_a_signal_gives_back_the_run(interrupts):
    ask = asking(signal.SIGINT)
    with pytest.raises(Interrupted, match="nothing was saved") as caught:
        run(STEP, START, DATA, epochs=300, callbacks=[ask], progress=False)
    assert int(caught.value.run.epochs) > 5


def test_it_runs_off_the_main_thread():
    made = []
    thread = threading.Thread(
        target=lambda: made.append(run(STEP, START, DATA, epochs=30, progress=False))
    )
    thread.start()
    thread.join()
    check_same(made[0], fl.fit(STEP, START, DATA, epochs=30))


def test_the_display_is_told_what_there_is(tmp_path):
    display = Display()
    made = run(
        STEP,
        START,
        DATA,
        DATA,
        epochs=300,
        evaluate=EVALUATE,
        stop=fl.stopping.max_epochs(200),
        folder=tmp_path,
        progress=display,
    )
    last = display.seen[-1]
    assert (last.epoch, last.epochs) == (200, 300)
    assert np.float32(last.loss) == made.final.loss
    assert np.float32(last.validation) == made.final.evaluation
    assert (last.closest, last.saving) == ("max_epochs 200/200", "saved epoch 200")
    assert last.rate > 0 and display.closed


def test_checkpoints_come_as_often_as_asked_and_the_last_always(tmp_path):
    often, seldom = tmp_path / "often", tmp_path / "seldom"
    pause = [lambda report: time.sleep(0.03)]  # in which the save ends
    quiet = {"progress": False, "epochs": 300, "keep": 99, "callbacks": pause}
    run(STEP, START, DATA, folder=often, save_every=0.0, **quiet)
    run(STEP, START, DATA, folder=seldom, save_every=1e9, **quiet)
    steps = sorted(int(p.stem.split("-")[1]) for p in often.glob("checkpoint-*"))
    assert len(steps) > 1 and steps[-1] == 300
    assert [p.stem[-3:] for p in seldom.glob("checkpoint-*")] == ["300"]


def test_a_log_that_fails_gives_back_the_run(tmp_path):
    def remove(report):
        if report.epoch > 5:
            (tmp_path / "history.csv").unlink(missing_ok=True)

    quiet = {"progress": False, "folder": tmp_path, "callbacks": [remove]}
    with pytest.raises(fl.running.Failed, match=r"history\.csv") as caught:
        run(STEP, START, DATA, epochs=300, **quiet)
    left = caught.value.run
    assert left.history.loss.shape == (int(left.epochs),)
    part = fl.fit(STEP, START, DATA, epochs=int(left.epochs))
    assert bits(left.state) == bits(part.state)


def test_a_disk_that_fails_gives_back_the_run(tmp_path, monkeypatch):
    real, calls = fl.checkpoints.save, []

    def failing(*given, **named):
        calls.append(1)
        if len(calls) > 1:
            raise OSError(28, "No space left on device", str(tmp_path))
        return real(*given, **named)

    monkeypatch.setattr(fl.checkpoints, "save", failing)
    pause = [lambda report: time.sleep(0.03)]
    quiet = {"progress": False, "folder": tmp_path, "save_every": 0.0}
    quiet["callbacks"] = pause
    with pytest.raises(fl.running.Failed, match="No space left") as caught:
        run(STEP, START, DATA, epochs=300, **quiet)
    left, saved = caught.value.run, fl.checkpoints.latest(tmp_path)
    assert isinstance(caught.value.__cause__, OSError)
    assert saved is not None and 0 < saved.step < int(left.epochs)
    monkeypatch.setattr(fl.checkpoints, "save", real)
    whole = fl.fit(STEP, START, DATA, epochs=300)
    check_same(run(STEP, START, DATA, epochs=300, resume=True, **quiet), whole)
