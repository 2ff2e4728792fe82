"""Splits of every kind, judged by least squares on the rows that scikit-learn names."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import model_selection

import funclearn as fl
from funclearn import validation
from funclearn.validation._reading import read_splits

KEY = jax.random.key(0)
N_ROWS = 24
RNG = np.random.default_rng(5)
CLASSES = np.repeat([0, 1, 2], 8)[RNG.permutation(N_ROWS)]
GROUPS = np.repeat(np.arange(6), 4)
INPUTS = np.linspace(-1, 1, N_ROWS) + RNG.normal(0, 0.1, N_ROWS)
TARGETS = 3 * INPUTS + RNG.normal(0, 0.3, N_ROWS)
ROWS = fl.Dataset(np.float32(INPUTS), np.float32(TARGETS))


def least_squares(train, held_out, key):
    """The line of smallest training loss, in closed form."""
    del held_out, key
    centred = train.inputs - jnp.mean(train.inputs)
    slope = jnp.sum(centred * train.targets) / jnp.sum(centred**2)
    return slope, jnp.mean(train.targets) - slope * jnp.mean(train.inputs)


def squared_error(line, rows):
    return jnp.mean((line[0] * rows.inputs + line[1] - rows.targets) ** 2)


def validate(held_out, train=None, rows=ROWS):
    return validation.cross_validate(
        KEY, least_squares, rows, held_out, train=train, evaluate=squared_error
    )


def assert_is_a_loop_over(result, pairs):
    losses = []
    for train, held_out in pairs:
        line = np.polyfit(INPUTS[train], TARGETS[train], 1)
        losses.append(
            [
                np.mean((np.polyval(line, INPUTS[rows]) - TARGETS[rows]) ** 2)
                for rows in (train, held_out)
            ]
        )
    np.testing.assert_allclose(
        np.stack([result.losses.training, result.losses.validation], 1),
        losses,
        rtol=2e-4,
    )
    np.testing.assert_array_equal(result.trained, [len(train) for train, _ in pairs])
    np.testing.assert_array_equal(result.held_out, [len(held) for _, held in pairs])


SPLITTERS = {
    "k folds": model_selection.KFold(5, shuffle=True, random_state=0),
    "time series": model_selection.TimeSeriesSplit(4),
    "with a gap": model_selection.TimeSeriesSplit(3, gap=2, max_train_size=7),
    "leave one out": model_selection.LeaveOneOut(),
    "repeated": model_selection.RepeatedKFold(n_splits=2, n_repeats=2, random_state=0),
    "shuffled": model_selection.ShuffleSplit(3, test_size=0.2, random_state=0),
}


@pytest.mark.parametrize("splitter", SPLITTERS.values(), ids=SPLITTERS)
@pytest.mark.slow
def test_splitters_are_taken(splitter):
    assert_is_a_loop_over(validate(splitter), list(splitter.split(INPUTS)))


def test_splitters_are_given_the_classes():
    splitter = model_selection.StratifiedKFold(4, shuffle=True, random_state=0)
    for targets in (CLASSES, CLASSES[:, None]):
        splits = read_splits(splitter, None, fl.Dataset(INPUTS, targets), N_ROWS)
        for _, held_out in splits:
            assert np.bincount(CLASSES[held_out]).tolist() == [2, 2, 2]


def test_pairs_keep_groups_together():
    pairs = list(model_selection.GroupKFold(3).split(INPUTS, groups=GROUPS))
    for train, held_out in pairs:
        assert not set(GROUPS[train]) & set(GROUPS[held_out])
    assert_is_a_loop_over(validate(pairs), pairs)


@pytest.mark.parametrize("form", [tuple, iter, lambda pairs: (p for p in pairs)])
def test_pairs_come_in_any_sequence(form):
    pairs = [([0, 3, 5, 9], [1, 2]), (np.arange(8), jnp.array([20, 9]))]
    assert_is_a_loop_over(validate(form(pairs)), pairs)


def test_pairs_may_be_masks():
    masks = [(np.arange(N_ROWS) < 12, np.arange(N_ROWS) >= 20)]
    assert_is_a_loop_over(validate(masks), [(np.arange(12), np.arange(20, 24))])


def test_rows_may_be_drawn_more_than_once():
    drawn = RNG.integers(0, N_ROWS, N_ROWS)
    pairs = [(drawn, np.setdiff1d(np.arange(N_ROWS), drawn))]
    assert_is_a_loop_over(validate(pairs), pairs)


@pytest.mark.slow
def test_masks_may_leave_the_future_out():
    pairs = list(model_selection.TimeSeriesSplit(4).split(INPUTS))
    train, held_out = (
        np.array([np.isin(np.arange(N_ROWS), pair[part]) for pair in pairs])
        for part in (0, 1)
    )
    assert_is_a_loop_over(validate(held_out, jnp.asarray(train)), pairs)
    everything_else = [
        (np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in held_out
    ]
    assert_is_a_loop_over(validate(held_out), everything_else)


@pytest.mark.slow
def test_no_run_sees_the_future():
    def rows_of(train, held_out, key):
        return jnp.max(train.inputs), jnp.min(held_out.inputs)

    rows = fl.Dataset(np.arange(40.0), np.zeros(40))
    splitter = model_selection.TimeSeriesSplit(5)
    result = validation.cross_validate(
        KEY, rows_of, rows, splitter, evaluate=lambda *_: jnp.zeros(())
    )
    latest, earliest = result.fitted
    np.testing.assert_array_equal(latest + 1, earliest)


FOLDS = np.eye(3, N_ROWS, dtype=bool)


@pytest.mark.parametrize(
    ("train", "error", "message"),
    [
        (np.ones((3, N_ROWS)), TypeError, "train must be an array of booleans"),
        (np.ones((3, N_ROWS), int), TypeError, r"train must be .* got int64\(3, 24\)"),
        (~FOLDS[:2], ValueError, "as many splits as held_out, 3; got 2"),
        (~FOLDS[:, :-1], ValueError, r"train must be \(splits, 24\)"),
        (~FOLDS[0], ValueError, r"train must be \(splits, 24\)"),
        (FOLDS, ValueError, "share rows.* split 0 trains on 1 of its 1 .* as row 0"),
        (FOLDS & False, ValueError, "both sides of every split; split 0 trains on 0"),
    ],
)
def test_bad_training_masks_are_refused(train, error, message, plain_annotations):
    with pytest.raises(error, match=message):
        validate(FOLDS, train)


@pytest.mark.parametrize(
    ("held_out", "error", "message"),
    [
        ([([0, 1], [1, 2])], ValueError, "share rows.* split 0 .* such as row 1"),
        ([([0], [1]), ([], [1])], ValueError, "both sides .* split 1 trains on 0 and"),
        ([([0], [])], ValueError, "both sides"),
        ([([0, 24], [1])], ValueError, r"numbers of rows, 0 to 23; got 0 to 24 in spl"),
        ([([0], [-1])], ValueError, r"numbers of rows, 0 to 23; got -1 to -1"),
        ([([0.0], [1.0])], TypeError, "pairs of integers.*split 0"),
        ([(["a"], ["b"])], TypeError, "pairs of integers"),
        (
            ([0, 1], [2, 3]),
            TypeError,
            r"splitter, or a list of pairs .* got int64\(2, 2\)",
        ),
        (([0, 1], [2]), TypeError, "splitter, or a list of pairs of rows; got a tuple"),
        ([], TypeError, "held_out must be an array of booleans"),
        ("folds", TypeError, "held_out must be an array of booleans"),
        (None, TypeError, "held_out must be an array of booleans"),
        (5, TypeError, "held_out must be an array of booleans"),
        (
            model_selection.StratifiedKFold(2),
            ValueError,
            "held_out could not split the rows: Supported target types",
        ),
        (
            model_selection.GroupKFold(2),
            ValueError,
            "'groups' parameter should not be None.* hand over a list of its pairs",
        ),
        (model_selection.KFold(25), ValueError, "could not split the rows: .*n_splits"),
    ],
)
def test_bad_pairs_and_splitters_are_refused(held_out, error, message):
    with pytest.raises(error, match=message):
        validate(held_out)


def test_splitters_say_themselves_what_to_train_on(plain_annotations):
    with pytest.raises(TypeError, match="train must be None unless held_out is masks"):
        validate(model_selection.KFold(3), ~FOLDS)


@pytest.mark.parametrize(
    ("held_out", "error", "message"),
    [
        (np.eye(N_ROWS), TypeError, r"booleans.*got float64\(24, 24\)"),
        ([[True], [True, False]], TypeError, "booleans.*got a list"),
        (np.ones(N_ROWS, bool), ValueError, r"\(splits, 24\)"),
        (np.eye(10, dtype=bool), ValueError, r"\(splits, 24\)"),
        (np.zeros((0, N_ROWS), bool), ValueError, r"\(splits, 24\)"),
        (np.zeros((2, N_ROWS), bool), ValueError, "both sides"),
        (np.ones((2, N_ROWS), bool), ValueError, "both sides"),
    ],
)
def test_masks_that_are_no_splits_are_refused(held_out, error, message):
    with pytest.raises(error, match=message):
        validate(held_out)


@pytest.mark.parametrize("form", ["masks", "pairs"])
def test_traced_splits_are_refused(form):
    def losses(mask):
        held_out = mask[None] if form == "masks" else [(mask, ~mask)]
        return validate(held_out).losses

    with pytest.raises(TypeError, match="known at trace time"):
        jax.jit(losses)(jnp.arange(N_ROWS) < 5)
