"""Whether a gradient agrees, nearly agrees, disagrees, or cannot be told."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from funclearn.gradients._differences import Differences
from funclearn.gradients._evaluation import Gradient
from funclearn.gradients._judgement import judge, scales_of


def differences(
    values,
    *,
    error: ArrayLike = 1e-12,
    kinks=0.0,
    changes: ArrayLike = 1.0,
    settled=True,
):
    values = np.array(values, float)
    columns = (error, 0.0, kinks, changes, 0.0, settled)
    return Differences(values, *(np.broadcast_to(x, values.shape) for x in columns))


def gradient(values, *, spread=0.0, own=None):
    values = np.array(values, float)
    own = values if own is None else np.array(own, float)
    return Gradient(values, np.broadcast_to(spread, values.shape), own)


def verdicts(found, autodiff, form, *, sizes: ArrayLike = 1.0, resolution=1e-3):
    """What is said of autodiff and of a closed form, of one number or in all."""
    autodiff = None if autodiff is None else gradient(autodiff)
    leaf = np.zeros(found.values.shape, int)
    sizes = np.broadcast_to(sizes, leaf.shape)
    scales = scales_of(found, autodiff, leaf, sizes)
    tested, (form,) = judge(found, autodiff, {"f": gradient(form)}, scales, resolution)
    return str(tested.verdict), str(form.verdict)


FORMS = {
    2.0: "agrees",
    2.0 + 1e-12: "agrees",
    2.0 + 3e-5: "nearly agrees",
    2.0 + 5e-5: "disagrees",
    2.004: "disagrees",
    -2.0: "disagrees",
    0.0: "disagrees",
    np.nan: "disagrees",
    np.inf: "disagrees",
}


@pytest.mark.parametrize(("form", "verdict"), FORMS.items())
def test_closed_forms_beside_an_exact_program(form, verdict):
    assert verdicts(differences([2.0]), [2.0], [form]) == ("agrees", verdict)


def test_a_program_that_approximates_is_granted_its_accuracy():
    # Autodiff misses the program by 1e-5 of it: so may what is right.
    found = differences([2.0])
    near = ("nearly agrees", "nearly agrees")
    assert verdicts(found, [2 + 2e-5], [2 + 1.9e-4]) == near
    assert verdicts(found, [2 + 2e-5], [2 + 3e-4]) == ("nearly agrees", "disagrees")
    # A tighter resolution grants less.
    assert verdicts(found, [2 + 2e-5], [2 + 2e-5], resolution=1e-5)[1] == "disagrees"


def test_a_derivative_that_vanishes_is_held_against_its_surroundings():
    found = differences([1e-7], changes=0.1)
    assert verdicts(found, [0.0], [0.0]) == ("nearly agrees", "nearly agrees")
    assert verdicts(found, None, [0.0]) == ("cannot tell", "nearly agrees")
    # An exact program has an exact zero, and another sign is a slip.
    assert verdicts(found, [1e-7], [-1e-7]) == ("agrees", "disagrees")
    assert verdicts(found, [0.0], [0.01]) == ("nearly agrees", "disagrees")


@pytest.mark.parametrize("form", [0.0, 2.0, -7.0, np.inf, np.nan])
@pytest.mark.parametrize("autodiff", [2.0, np.inf, np.nan])
def test_nothing_infinite_is_a_yes(form, autodiff):
    unsettled = differences([2.0], settled=False)
    assert verdicts(unsettled, [autodiff], [form]) == ("cannot tell", "cannot tell")
    endless = differences([0.0], error=np.inf, changes=0.0)
    assert verdicts(endless, [autodiff], [form]) == ("cannot tell", "cannot tell")
    endless = differences([0.0], kinks=np.inf)
    assert verdicts(endless, [autodiff], [form])[1] != "agrees"


def test_an_infinite_spread_is_no_yes():
    found = differences([2.0])
    scales = np.array([2.0])
    wide = gradient([2.0], spread=np.inf)
    tested, (form,) = judge(found, wide, {"f": gradient([3.0])}, scales, 1e-3)
    assert (tested.verdict, form.verdict) == ("cannot tell", "disagrees")


def test_what_differences_cannot_see_has_to_be_autodiffs():
    # Of an array with a derivative of one, 1e-9 counts as zero.
    hidden = differences([1.0, 0.0], error=[1e-12, 5e-11], changes=[1.0, 0.0])
    assert verdicts(hidden, [1.0, 1e-10], [1.0, 1e-10]) == ("agrees", "agrees")
    for wrong in (-1e-10, 1.1e-10, 0.0):
        assert verdicts(hidden, [1.0, 1e-10], [1.0, wrong])[1] == "cannot tell"
    # Without autodiff there is nothing to go by.
    assert verdicts(hidden, None, [1.0, 1e-10]) == ("cannot tell", "cannot tell")


def test_units_decide_what_is_small():
    # As a number 1e-9 is small beside one; as a change by its size it is not.
    hidden = differences([1.0, 0.0], error=[1e-12, 5e-11], changes=[1.0, 0.0])
    same, own = np.ones(2), np.array([1.0, 1e9])
    assert verdicts(hidden, [1.0, 1e-10], [1.0, 1e-10], sizes=same)[1] == "agrees"
    assert verdicts(hidden, [1.0, 1e-10], [1.0, 1e-10], sizes=own)[1] == "cannot tell"


def test_between_the_slopes_of_a_kink_every_value_agrees():
    found = differences([2.0], kinks=0.5)
    for value in (1.5, 1.7, 2.5):
        assert verdicts(found, [1.5], [value]) == ("agrees", "agrees")
    for value in (1.4, 2.6, -2.0, np.nan):
        assert verdicts(found, [1.5], [value]) == ("agrees", "disagrees")


def test_power_is_where_the_verdict_flips():
    found = differences([2.0], error=1e-6)
    _, (form,) = judge(
        found, None, {"f": gradient([2.0])}, np.array([2.0]), resolution=1e-3
    )
    assert form.caught == pytest.approx(1e-5, rel=1e-9)
    assert form.floors == pytest.approx(1e-5, rel=1e-9)


def test_what_overflows_in_its_own_precision_disagrees():
    _, (form,) = judge(
        differences([2.0]),
        gradient([2.0]),
        {"f": gradient([2.0], own=[np.inf])},
        np.array([2.0]),
        resolution=1e-3,
    )
    assert form.verdict == "disagrees"
