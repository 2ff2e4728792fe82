"""Where a run is, in the output of a notebook's cell."""

import sys
import types

import pytest


class Shell:
    """A shell with a kernel, and what its notebook shows."""

    kernel = "here"

    def __init__(self):
        self.display_pub, self.shown, self.error = self, {}, None
        self.texts = []

    def publish(self, data, metadata=None, *, transient, update=False):
        if self.error:
            raise self.error
        assert [*data] == ["text/plain"]
        # An update of what is not there shows nothing.
        assert update == (transient["display_id"] in self.shown)
        self.shown[transient["display_id"]] = data["text/plain"]
        self.texts.append(data["text/plain"])


@pytest.fixture
def shell():
    return Shell()


@pytest.fixture
def cell(shell, clock):
    from funclearn._display._cell import Cell

    return Cell(shell, clock)


def test_one_line_takes_the_place_of_the_one_before(cell, shell, clock, seen):
    with cell as shown:
        for epoch, loss in ((1, 0.123456), (2, 1.0), (3, 1.0)):
            shown.show(seen(epoch, loss=loss))
            clock.now += 0.3
    assert shell.texts == [
        "epoch 2 / 100, loss 1, 49 s left, 2 epochs/s",
        "epoch 3 / 100, loss 1, 49 s left, 2 epochs/s",
    ]
    assert len(shell.shown) == 1


def test_notes_stand_above_and_the_end_below(cell, shell, clock, seen):
    cell.note("resumed")
    clock.now = 1.0
    cell.show(seen(99))
    cell.note("saved")
    cell.close("stopped: patience")
    cell.close("twice")
    (text,) = shell.shown.values()
    assert text.splitlines() == [
        "resumed",
        "saved",
        "epoch 99 / 100, loss 0.5, 1 s left, 2 epochs/s",
        "stopped: patience",
    ]
    assert shell.texts[0] == "resumed"


def test_where_nothing_was_seen_nothing_is_shown(cell, shell):
    cell.close()
    assert not shell.texts


def test_a_notebook_that_is_gone_does_not_end_a_run(cell, shell, clock, seen):
    shell.error = RuntimeError("no socket")
    with cell as shown:
        for clock.now in range(1, 5):
            shown.show(seen())
            shown.note("a")


def test_an_interrupt_goes_through(cell, shell, clock, seen):
    shell.error, clock.now = KeyboardInterrupt(), 1.0
    with pytest.raises(KeyboardInterrupt):
        cell.show(seen())


@pytest.mark.parametrize("kernel", [True, False])
def test_the_shell_of_a_kernel_is_found(monkeypatch, shell, kernel):
    from funclearn._display._cell import kernel_shell

    module = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)
    if not kernel:
        shell.kernel = None  # as in IPython on a terminal
    assert kernel_shell() is (shell if kernel else None)
    monkeypatch.delitem(sys.modules, "IPython")
    assert kernel_shell() is None


def test_runs_and_sweeps_have_an_output_each(monkeypatch, shell, capsys):
    import jax
    import optax

    import funclearn as fl

    module = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)
    key, line = jax.random.key(0), fl.models.linear
    data, _ = fl.data.standardise(fl.data.thermometer())
    objective = fl.make_objective(line, fl.losses.mse)

    def made(rate):
        optimizer = optax.sgd(rate)
        step = fl.make_train_step(objective, optimizer)
        return step, fl.init_state(key, line.init(key), optimizer), data

    def loss(rate):
        return fl.fit(*made(rate), epochs=3).final.loss

    fl.running.run(*made(0.1), epochs=3)
    fl.sweeps.sweep(loss, {"rate": jax.numpy.array([0.1, 0.01])}, progress=True)
    run, sweep = shell.shown.values()
    assert run.startswith("epoch 3 / 3, loss ") and "\n" not in run
    assert sweep.startswith("lanes 2 / 2, best ") and "\n" not in sweep
    shown = capsys.readouterr()
    assert shown.out == shown.err == ""
