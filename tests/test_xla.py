"""What is asked of XLA, and when."""

import jax
import pytest

from funclearn import _xla


@pytest.fixture
def unasked(monkeypatch, tmp_path):
    """A process that has not asked yet, with an empty cache."""
    for name in ("FUNCLEARN_PLAIN", "FUNCLEARN_TRIAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    is_trusted = _xla._is_trusted
    is_trusted.cache_clear()
    yield tmp_path / "funclearn"
    is_trusted.cache_clear()


ENDS = {
    "passes": ("", True, "passed"),
    "finds a difference": ("import sys; sys.exit(3)", False, "failed"),
    "is ended": ("import os; os.abort()", False, "failed"),
    "cannot be made": ("import no_such_module", False, None),
}


@pytest.mark.parametrize(("script", "trusted", "kept"), ENDS.values(), ids=ENDS)
def test_the_trial_decides_and_is_kept(unasked, monkeypatch, script, trusted, kept):
    monkeypatch.setattr(_xla, "_TRIAL", script)
    assert _xla.may_ask() is trusted
    answers = [path.read_text() for path in unasked.glob("*")]
    assert answers == ([kept] if kept else [])
    # Another process reads the answer, and tries only where there is none.
    _xla._is_trusted.cache_clear()
    monkeypatch.setattr(_xla, "_TRIAL", "import no_such_module")
    assert _xla.may_ask() is trusted


def test_an_answer_is_for_one_version_and_one_processor(unasked, monkeypatch):
    names = {_xla._name()}
    monkeypatch.setattr(_xla, "_processor", lambda: "another")
    names.add(_xla._name())
    monkeypatch.setattr(_xla, "JAXLIB", "99.0")
    names.add(_xla._name())
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=AVX")
    names.add(_xla._name())
    assert len(names) == 4


def test_a_cache_that_cannot_be_written_costs_the_trial_alone(unasked, monkeypatch):
    unasked.write_text("a file where the folder should be")
    monkeypatch.setattr(_xla, "_TRIAL", "")
    assert _xla.may_ask()


def test_so_does_a_user_without_a_home(unasked, monkeypatch):
    def unknown():
        raise FileNotFoundError("no home folder is known")

    monkeypatch.setattr(_xla, "cache_folder", unknown)
    monkeypatch.setattr(_xla, "_TRIAL", "")
    assert _xla.may_ask()


def test_plain_asks_nothing(unasked, monkeypatch):
    monkeypatch.setenv("FUNCLEARN_PLAIN", "1")
    monkeypatch.setattr(_xla, "_is_trusted", lambda: pytest.fail("asked"))
    assert not _xla.may_ask()
    assert not _xla.may_keep_apart()


def test_a_new_version_is_tried_before_calls_are_kept_apart(unasked, monkeypatch):
    monkeypatch.setattr(_xla, "_TRIAL", "import os; os.abort()")
    monkeypatch.setattr(_xla, "_TESTED", frozenset())
    assert not _xla.may_keep_apart()


def test_accelerators_are_asked_nothing(unasked, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert not _xla.may_ask()
    assert not _xla.may_keep_apart()
