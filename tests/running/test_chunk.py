"""What a run has made between two looks at it."""

import pytest

from funclearn.running._chunk import Advancing, next_number
from funclearn.running._chunks import Program
from tests.running.running_setting import DATA, START, STEP


def test_a_program_can_make_epochs_again():
    program = Program(STEP, START, DATA, None, 3, {})
    assert isinstance(program, Advancing)
    assert int(program.advance(START, None, 2).epochs) == 2


@pytest.mark.parametrize(
    ("number", "seconds", "wanted", "expected"),
    [
        (100, 0.5, 0.25, 50),
        (100, 0.05, 0.25, 500),
        (100, 0.001, 0.25, 1000),  # ten times as many at most
        (100, 0.0, 0.25, 1000),
        (1, 60.0, 0.25, 1),  # and one at least
        (8, 0.1, 0.0, 1),
    ],
)
def test_as_many_come_next_as_take_the_wanted_time(number, seconds, wanted, expected):
    assert next_number(number, seconds, wanted) == expected
