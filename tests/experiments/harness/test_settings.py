import dataclasses
import math
import sys
from typing import Annotated

import pytest

from experiments.harness import Count, Fraction, Positives, Range, Settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Settings):
    epochs: Count = 3
    share: Fraction = 0.5
    rates: Positives = (0.1, 1.0)
    at: Annotated[tuple[float, float], Range(-1, 1)] = (0.0, 0.5)
    name: str = "any"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be from 1 to 1000000; got 0."),
        ({"epochs": 10**7}, "epochs must be from 1 to 1000000; got 10000000."),
        ({"share": 0.0}, "share must be between 0 and 1; got 0.0."),
        ({"share": 1.0}, "share must be between 0 and 1; got 1.0."),
        ({"share": math.nan}, "share must be between 0 and 1; got nan."),
        ({"rates": ()}, "rates must hold at least one value; got none."),
        (
            {"rates": (0.1, -1.0)},
            "rates must hold numbers from 1e-18 to 1e+18; got -1.0.",
        ),
        (
            {"rates": (math.inf,)},
            "rates must hold numbers from 1e-18 to 1e+18; got inf.",
        ),
        ({"at": (0.0, math.nan)}, "at must hold numbers from -1 to 1; got nan."),
    ],
)
def test_a_number_outside_its_range_is_refused(settings, message):
    with pytest.raises(ValueError) as refusal:
        Config(**settings)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"epochs": 1, "share": sys.float_info.min, "rates": (1e-18, 1e18)},
        {"at": (-1.0, 1.0), "epochs": 10**6},
    ],
)
def test_the_ends_of_a_range_belong_to_it(settings):
    for name, value in settings.items():
        assert getattr(Config(**settings), name) == value
