"""Scores of runs, some of which a rule ended before their last epoch.

A run here is made of rows that are known beforehand: row k of lane i is `ROWS[i][k]`,
and the rule ends a lane after `RAN[i]` of them. So NumPy says what every score is.
"""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.stopping import Reason
from funclearn.sweeps import sweep
from funclearn.training import History, Run
from tests.runs import Display

EPOCHS = 6
LOSSES = np.float32(
    [
        [9, 8, 7, 6, 5, 4],  # all epochs
        [9, 5, 3, 0, 0, 0],  # stopped at a target
        [9, 99, np.inf, 0, 0, 0],  # diverged, and stopped by that rule
        [9, 7, np.nan, 0, 0, 0],  # not a number, when patience ended it
        [9, 6, 5, 4, 3, np.nan],  # not a number in its last epoch
    ]
)
RAN = np.array([6, 3, 3, 3, 6])
CODES = np.array([0, 1, 2, 3, 0])
NAMES = ("epochs", "target", "diverged", "patience")
MISTAKES = np.array([[3, 3, 2, 2, 2, 1], [3, 2, 2, 0, 0, 0]], np.int32)
BY_FINAL = [4, 3, np.inf, np.nan, np.nan]


def run(lane):
    ran = jnp.asarray(RAN)[lane]
    left = jnp.arange(EPOCHS) >= ran
    loss = jnp.where(left, jnp.nan, jnp.asarray(LOSSES)[lane])
    mistakes = jnp.where(left, 0, jnp.asarray(MISTAKES)[jnp.minimum(lane, 1)])
    history = History(loss, {"mistakes": mistakes, "loss": 2 * loss})
    final = jax.tree.map(lambda leaf: leaf[ran - 1], history)
    reason = Reason(jnp.asarray(CODES)[lane], NAMES)
    return Run(None, history, ran, reason, final=final)


@pytest.fixture(scope="module")
def swept():
    return sweep(run, {"lane": np.arange(len(RAN))})


def test_the_last_row_that_ran_is_scored(swept):
    best = swept.best(lambda run: run.final.loss)
    assert best.point["lane"] == np.nanargmin(BY_FINAL) == 1
    np.testing.assert_array_equal(swept.result.final.loss, BY_FINAL)


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (lambda run: jnp.nanmin(run.history.loss), np.nanmin),
        (lambda run: jnp.nanmean(run.history.loss), np.nanmean),
        (lambda run: -jnp.nanargmin(run.history.loss), lambda x: -np.nanargmin(x)),
        (lambda run: run.history.loss[0], lambda x: x[0]),
        (lambda run: run.history.loss[run.epochs - 1], lambda x: x[-1]),
    ],
    ids=["nanmin", "nanmean", "nanargmin", "first", "last"],
)
def test_scores_that_read_what_ran_are_taken(swept, by, expected):
    scores = [
        expected(row[:ran].astype(float)) for row, ran in zip(LOSSES, RAN, strict=True)
    ]
    assert swept.best(by).point["lane"] == np.nanargmin(scores)


@pytest.mark.parametrize(
    ("by", "got", "needed"),
    [
        (lambda run: run.history.loss[-1], "nan", "3"),
        (lambda run: jnp.min(run.history.loss), "nan", "3"),
        (lambda run: jnp.mean(run.history.loss), "nan", "5.667"),
        (lambda run: run.history.evaluation["loss"][-1], "nan", "6"),
        # These are numbers, and wrong ones.
        (lambda run: run.history.evaluation["mistakes"][-1], "0", "2"),
        (lambda run: jnp.argmin(run.history.loss), "3", "2"),
        (lambda run: jnp.mean(run.history.evaluation["mistakes"]), "1.167", "2.333"),
    ],
    ids=["last", "min", "mean", "evaluation", "integers", "argmin", "integers' mean"],
)
def test_scores_that_read_rows_that_never_ran_are_refused(swept, by, got, needed):
    message = (
        "by must read no rows that never ran: score run.final.* at lane=1 target ended "
        f"the run after 3 of 6 epochs, and by returns {got}, not {needed}\\.$"
    )
    with pytest.raises(ValueError, match=message):
        swept.best(by)


def test_a_row_that_never_ran_cannot_be_asked_for(swept):
    with pytest.raises(ValueError, match=r"epochs, and by returns nan\.$"):
        swept.best(lambda run: run.history.loss.reshape(2, 3)[1, 0])


def test_runs_within_a_result_and_along_several_axes_are_seen():
    swept = sweep(
        lambda lane, scale: {"scale": scale, "run": run(lane)},
        {"lane": [0, 1], "scale": [1.0, 2.0]},
    )
    best = swept.best(lambda result: result["scale"] * result["run"].final.loss)
    assert best.point == {"lane": 1, "scale": 1.0}
    with pytest.raises(ValueError, match="at lane=1, scale=1 target ended"):
        swept.best(lambda result: result["run"].history.loss[-1])


def test_runs_that_diverged_alone_are_skipped():
    swept = sweep(run, {"lane": [0, 2, 3, 4]})
    assert swept.best(lambda run: run.history.loss[-1]).point["lane"] == 0


@pytest.mark.parametrize(
    "by, best",
    [
        (None, None),
        ("final.loss", 3.0),
        ("mistakes", 0.0),
        (lambda run: run.final.loss, 3.0),
        (lambda run: -run.epochs, -6.0),
    ],
)
def test_the_best_so_far_goes_by_what_best_does(swept, by, best):
    display = Display()
    sweep(run, {"lane": np.arange(len(RAN))}, progress=display, best_by=by)
    assert display.seen[-1].best == best
    if by is not None:
        assert float(np.nanmin(swept._scores(by, "min"))) == best


@pytest.mark.parametrize("by", ["loss", "reason", "history.loss", "nothing", ""])
def test_the_best_so_far_needs_the_name_of_one_number(by):
    with pytest.raises(ValueError, match="best_by must be a function, or the name of"):
        sweep(run, {"lane": np.arange(2)}, progress=Display(), best_by=by)
