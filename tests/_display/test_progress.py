"""Which display a run gets."""

import io
import sys
import types

import pytest

from funclearn._display import Progress, Seen, progress


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def capable(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")


def kind(*args, **kwargs):
    return type(progress(*args, **kwargs)).__name__


def test_a_terminal_or_a_file():
    assert kind(True, stream=_Terminal()) == "Display"
    assert kind(None, stream=_Terminal()) == "Display"
    assert kind(True, stream=io.StringIO()) == "Lines"
    assert kind(None, stream=io.StringIO()) == "Silent"
    assert kind(False, stream=_Terminal()) == "Silent"


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch, term):
    monkeypatch.setenv("TERM", term)
    assert kind(True, stream=_Terminal()) == "Lines"


def test_errors_are_where_it_is_written(monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", file)
    with progress(True) as shown:
        shown.note("resumed")
    assert file.getvalue() == "resumed\n"


def test_without_a_stream_of_errors_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert kind(True) == "Silent"
    closed = _Terminal()
    closed.close()
    assert kind(True, stream=closed) == "Silent"


@pytest.mark.parametrize("kernel, expected", [(object(), "Cell"), (None, "Lines")])
def test_a_notebook_is_a_shell_with_a_kernel(monkeypatch, kernel, expected):
    shell = types.SimpleNamespace(kernel=kernel)
    module = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert kind(True) == expected
    assert kind(None) == (expected if kernel else "Silent")
    assert kind(True, stream=io.StringIO()) == "Lines"


class _Own:
    def __init__(self):
        self.calls = []

    def show(self, seen):
        self.calls.append(seen)

    def note(self, text):
        self.calls.append(text)

    def close(self, text=None):
        self.calls.append(("closed", text))


class _Managed(_Own):
    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close()


def test_an_object_of_ones_own():
    managed = _Managed()
    assert progress(managed) is managed and isinstance(managed, Progress)


def test_an_object_that_is_no_context_manager_becomes_one():
    own, seen = _Own(), Seen(1, 2, None, None, 3.0, None, None)
    with progress(own) as shown:
        shown.show(seen)
        shown.note("a")
        shown.close("b")
    assert own.calls == [seen, "a", ("closed", "b"), ("closed", None)]


@pytest.mark.parametrize("wanted", [1, "yes", _Own, object(), [True]])
def test_anything_else_is_refused(wanted):
    with pytest.raises(TypeError, match="progress must be True, False, None, or an"):
        progress(wanted)
