"""Processes that fail as one; how two of them do is in `test_parts`."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from funclearn._processes import Elsewhere, Together, _together


def test_one_process_asks_nobody():
    together = Together({"w": jnp.ones(3)})
    assert together.alone and together.first and together.count == 1
    assert together.exchange(7) == [7]
    together.tell(ValueError("unheard"))
    with pytest.raises(ValueError, match="as it is"), together.alike():
        raise ValueError("as it is")


class Pair(Together):
    """Of two processes the one of a number; the other says what it is told to."""

    def __init__(self, monkeypatch, number, *others):
        super().__init__({})
        self.count, self.number = 2, number
        self.others, self.sent = list(others), []
        monkeypatch.setattr(_together, "from_all", self._both)

    def _both(self, sent, _):
        self.sent.append(json.loads(sent.tobytes().rstrip(b"\0")))
        other = self.others.pop(0)
        if isinstance(other, Exception):
            raise other
        message = np.zeros_like(sent)
        text = json.dumps(other).encode()
        message[: len(text)] = np.frombuffer(text, np.uint8)
        return np.stack([message, sent] if self.number else [sent, message])


def test_all_are_given_what_each_says(monkeypatch):
    pair = Pair(monkeypatch, 1, {"value": [1, None]})
    assert not pair.alone and not pair.first
    assert pair.exchange([2, True]) == [[1, None], [2, True]]


def test_what_fails_elsewhere_fails_here(monkeypatch):
    pair = Pair(monkeypatch, 0, {"error": "OSError: full"})
    told = "process 1 of 2 failed: OSError: full"
    with pytest.raises(Elsewhere, match=told), pair.alike():
        pass
    assert pair.sent == [{"value": None}]


def test_what_fails_here_is_told_once(monkeypatch):
    pair = Pair(monkeypatch, 0, {"value": None})
    with pytest.raises(ValueError, match="mine"), pair.alike():
        raise ValueError("mine")
    assert pair.sent == [{"error": "ValueError: mine"}]
    # Neither again further out, whatever has been made of it there.
    pair.others = [{"value": None}]
    with pytest.raises(OSError, match="outer"), pair.alike():
        try:
            with pair.alike():
                raise ValueError("inner")
        except ValueError:
            raise OSError("outer") from None
    assert pair.sent[1:] == [{"error": "ValueError: inner"}]
    pair.sent.pop()
    # What has come from others all know.
    with pytest.raises(Elsewhere), pair.alike():
        raise Elsewhere("theirs")
    assert len(pair.sent) == 1


@pytest.mark.parametrize("text", ["x" * 5000, "é" * 5000, '"\\' * 5000])
def test_a_long_message_is_cut(monkeypatch, text):
    pair = Pair(monkeypatch, 0, {"value": None})
    pair.tell(ValueError(text))
    (sent,) = pair.sent
    assert sent["error"].startswith(f"ValueError: {text[:20]}")
    assert sent["error"].endswith("...")


def test_a_process_that_is_lost_is_told(monkeypatch):
    pair = Pair(monkeypatch, 0, *[RuntimeError("Gloo: closed by peer")] * 2)
    with pytest.raises(Elsewhere, match="one of 2 processes was lost: Gloo: closed"):
        pair.exchange()
    pair.tell(ValueError("there is nobody to tell"))
