"""What a run is called with, taken apart."""

# What is passed here the types allow to be meant otherwise, and the tests know what
# their results are where the types leave it open.
# pyright: reportArgumentType=false, reportCallIssue=false
# pyright: reportOptionalMemberAccess=false

import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.hypergradients._arguments import (
    check_call,
    check_moving,
    names_of,
    take_apart,
)


def test_arrays_and_the_rest_come_together_again():
    given = {
        "data": {"x": jnp.ones(2), "rows": np.arange(3)},
        "share": 0.5,
        "steps": 7,
        "how": (len, "text", True, None),
    }
    arrays, fixed = take_apart(given)
    assert len(arrays) == 3
    assert fixed.fill(arrays) == given | {"data": given["data"]}
    # Equal numbers of two types do not compute the same.
    assert take_apart({"steps": 1})[1] != take_apart({"steps": True})[1]
    assert hash(take_apart({"steps": 1})[1]) == hash(take_apart({"steps": 1})[1])


def test_names(plain_annotations):
    assert names_of("rate") == ("rate",)
    assert names_of(["rate", "start"]) == ("rate", "start")
    with pytest.raises(TypeError, match="got 1 among them"):
        names_of(("rate", 1))


def test_numbers_are_counted():
    assert check_moving({"a": 1.0, "b": {"c": np.ones((2, 3)), "d": jnp.ones(())}}) == 8


def test_a_run_is_called_by_name(plain_annotations):
    check_call(lambda **arguments: 0.0, ["anything"])
    check_call(lambda rate, start: 0.0, ["rate"], partly=True)
    with pytest.raises(TypeError, match="run must be a function"):
        check_call(3.0, [])
    with pytest.raises(TypeError, match=r"run\(rate, /\) must take"):
        check_call(lambda rate, /: 0.0, ["rate"])
