"""What a run has made between two looks at it."""

from funclearn.running._chunk import Advancing
from funclearn.running._chunks import Program
from tests.running.running_setting import DATA, START, STEP


def test_a_program_can_make_epochs_again():
    program = Program(STEP, START, DATA, None, 3, {})
    assert isinstance(program, Advancing)
    assert int(program.advance(START, None, 2).epochs) == 2
