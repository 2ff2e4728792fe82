"""What a test of one's own says to the published slips, and who accepts what."""

import jax
import numpy as np
import pytest

import funclearn as fl
from experiments.gradient_check import Config, chapter, checks, page
from experiments.gradient_check.chapter import RIGHT, SWAPPED, WRONG_MODEL, Setting
from tests.experiments.every import SmallRun, studied

LINE_ONLY = Config(models=("line",))
LINE = Setting("line", "scaled", "float32")


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A small run: what is reported, and what its study found."""
    return studied(
        page, "gradient_check", LINE_ONLY, tmp_path_factory.mktemp("results")
    )


@pytest.fixture(scope="module")
def result(everything):
    return everything[1]


@pytest.fixture(scope="module")
def small(everything):
    return everything[0]


class TestSmallRun(SmallRun):
    pass


def test_right_gradient_passes(result):
    assert result.answers[RIGHT] == "passed"


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        (SWAPPED, "of the wrong sign, as if two arguments were swapped"),
        (WRONG_MODEL, "closed form and finite differences disagree, most of all at"),
    ],
)
def test_published_slips_are_named(result, slip, words):
    assert words in result.answers[slip]


def test_slips_are_those_of_the_sources():
    params, data = chapter.pose(LINE, Config())
    t_u, t_c = (np.asarray(column, float) for column in data[:2])
    w, b, n = float(params.weight), float(params.bias), len(t_u)

    # The sources' dloss_fn(t_p, t_c), called with the arguments the other way round.
    slopes = 2 * (t_c - (w * t_u + b)) / n
    grads = chapter.swapped_arguments(params, data)
    np.testing.assert_allclose(grads, (np.sum(slopes * t_u), np.sum(slopes)), rtol=1e-5)

    # The sources' model b + w * b.
    slopes = 2 * ((b + w * b) - t_c) / n
    grads = chapter.of_wrong_model(params, data)
    np.testing.assert_allclose(grads, (np.sum(slopes * t_u), np.sum(slopes)), rtol=1e-5)


def test_swapped_arguments_give_the_tampered_gradient():
    params, data = chapter.pose(LINE, Config())
    tampered = chapter.gradients("line", params, data)[SWAPPED]
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6),
        chapter.swapped_arguments(params, data),
        tampered(params, data),
    )


@pytest.mark.parametrize("model", ["line", "wide net"])
@pytest.mark.parametrize("readings", ["raw", "scaled"])
@pytest.mark.slow
def test_right_gradient_is_that_of_autodiff(model, readings):
    params, data = chapter.pose(Setting(model, readings, "float32"), Config())
    value_and_grad = fl.gradients.autodiff(chapter.OBJECTIVES[model])
    _, expected = value_and_grad(params, data, jax.random.key(0))
    found = chapter.gradients(model, params, data)[RIGHT](params, data)
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-4),
        found,
        expected,
    )


@pytest.mark.slow
def test_one_entry_is_wrong():
    params, data = chapter.pose(Setting("wide net", "raw", "float32"), Config())
    candidates = chapter.gradients("wide net", params, data)
    right, wrong = (
        np.concatenate([*map(np.ravel, candidates[name](params, data))])
        for name in (RIGHT, chapter.ONE_ENTRY)
    )
    (changed,) = np.nonzero(right != wrong)
    assert len(changed) == 1
    assert wrong[changed] == 2 * right[changed]
    assert WRONG_MODEL not in candidates


def test_precision_is_that_of_the_setting(float64):
    for leaf in jax.tree.leaves(
        chapter.pose(LINE._replace(precision="float64"), Config())
    ):
        assert leaf.dtype == np.float64


def test_gradient_that_nearly_agrees_is_accepted_and_counted():
    params, data = chapter.pose(LINE, Config())
    right = chapter.gradients("line", params, data)[RIGHT]
    candidates = {
        RIGHT: right,
        # Far below any slip, and far above the rounding of the line.
        "nearly right": jax.tree_util.Partial(
            lambda params, data: jax.tree.map(
                lambda leaf: leaf * np.float32(1 + 8e-6), right(params, data)
            )
        ),
    }
    duel = checks.fight(chapter.OBJECTIVES["line"], candidates, params, data)
    assert set(duel.verdicts[checks.OURS].values()) == {checks.ACCEPTS}
    assert duel.near == ("nearly right",)

    scores = {checks.OURS: page.score(checks.OURS, {LINE: duel})}
    duels = {LINE: duel, LINE._replace(precision="float64"): duel}
    said = " ".join(page._findings(duels, scores))
    assert "2 of the gradients that funclearn accepts agree only nearly" in said


def test_answers_are_on_the_page(everything):
    (_, outcome, _), result = everything
    (answers,) = (table for table in outcome.tables if "says" in table.title)
    names = [name for name, _ in answers.rows if name]
    assert names == [*result.answers]
    said = " ".join(str(line) for _, line in answers.rows)
    assert "closed form / finite difference = -1 The likely slip" in said
    assert "verdict" not in said
