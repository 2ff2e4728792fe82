"""Runs of experiments that are saved and gone on with."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from experiments import fit_csv, wide_net
from experiments.harness import Resumable
from experiments.harness._launch import run_alone

LINE = fl.models.linear
DATA, _ = fl.data.standardise(fl.data.thermometer())
OPTIMIZER = optax.sgd(0.1)
STEP = fl.make_train_step(fl.make_objective(LINE, fl.losses.mse), OPTIMIZER)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Resumable):
    """Settings of a test."""

    epochs: int = 7


def trained(config, name, seed):
    key = jax.random.key(seed)
    state = fl.init_state(key, LINE.init(key), OPTIMIZER)
    return config.fit(name, STEP, state, DATA, epochs=config.epochs).history.loss


def test_seeds_are_one_sweep_or_runs_in_folders_of_their_own(tmp_path):
    plain, seeds = Config(), np.arange(2, dtype=np.uint32)
    kept = Config(checkpoint_dir=tmp_path)
    swept = plain.from_seeds("line", lambda name, s: trained(plain, name, s), seeds)
    saved = kept.from_seeds("line", lambda name, s: trained(kept, name, s), seeds)
    np.testing.assert_allclose(saved, swept, rtol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "line-seed-0",
        "line-seed-1",
    ]


def test_resuming_needs_a_folder():
    with pytest.raises(ValueError, match="pass --checkpoint-dir FOLDER"):
        Config(resume=True)


def test_where_a_run_is_saved_makes_no_other_settings(tmp_path):
    assert Config(checkpoint_dir=tmp_path, resume=True) == Config()


def test_only_what_is_not_saved_is_compiled_as_a_whole(tmp_path):
    seen = []

    def function(x):
        seen.append(x)
        return x

    ones = jnp.ones(2)
    Config().compiled(function)(ones)
    Config(checkpoint_dir=tmp_path).compiled(function)(ones)
    assert [x is ones for x in seen] == [False, True]


@pytest.mark.parametrize(
    "experiment, options",
    [(wide_net, {}), (fit_csv, {"repeats": 0, "batch_size": 64})],
    ids=["wide_net", "fit_csv"],
)
@pytest.mark.slow
def test_an_experiment_goes_on_to_the_same_losses(experiment, options, tmp_path):
    def run(epochs, **where):
        config = experiment.Config(epochs=epochs, **options, **where)
        return experiment.run(config).history

    folder = {"checkpoint_dir": tmp_path / "saved"}
    run(9, **folder)
    again = run(20, resume=True, **folder)
    whole = run(20)
    for name, losses in whole.items():
        np.testing.assert_array_equal(again[name], losses)


@pytest.mark.slow
def test_a_folder_with_a_run_is_told_in_one_line(tmp_path, capsys):
    options = ["--epochs", "3", "--out", str(tmp_path / "out")]
    options += ["--checkpoint-dir", str(tmp_path / "saved")]
    assert run_alone("wide_net", options) == 0
    capsys.readouterr()
    assert run_alone("wide_net", options) in (1, 2)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: folder holds a run already")
