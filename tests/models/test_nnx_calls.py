"""Nnx modules are told whether they train, by attributes and in calls."""

from typing import Any

from flax import nnx

from funclearn.models import _nnx_calls


class Tells(nnx.Module):
    def __call__(self, x, train=False):
        return x + train


class Around(nnx.Module):
    def __init__(self, *parts):
        self.parts = nnx.List(parts)

    def __call__(self, x):
        return self.parts[0](x)


class Decides(Around):
    def __call__(self, x, deterministic=True):
        return self.parts[0](x)


class Explicit(Around):
    def __call__(self, x):
        return self.parts[0](x, train=False)


def test_parts_are_told_but_for_those_under_a_module_with_a_mode():
    added = [
        (nnx.Sequential(Tells(), Tells()), 2),
        (Around(Tells()), 1),
        (nnx.Sequential(Decides(Tells()), Tells()), 1),
        (Explicit(Tells()), 0),
    ]
    for module, number in added:
        assert _nnx_calls.has_open_modes(module)
        for trains in (True, False, True):
            told = nnx.clone(module)
            _nnx_calls.tell(told, trains)
            assert told(0) == number * trains
        assert module(0) == 0
    assert not _nnx_calls.has_open_modes(nnx.Sequential(nnx.relu))


def test_attributes_that_are_booleans_are_set():
    base: Any = nnx.Module  # whose train is a method

    class Has(base):
        def __init__(self, *parts):
            self.parts = nnx.List(parts)
            self.train = self.inference = True
            self.training = 0.5
            self.deterministic = False

        def is_training(self):
            return None

    module = Has(Has())
    for trains in (True, False):
        _nnx_calls.switch(module, trains)
        for part in (module, module.parts[0]):
            assert (part.train, part.inference) == (trains, not trains)
            assert (part.training, part.deterministic) == (0.5, not trains)
            assert part.is_training() is None
