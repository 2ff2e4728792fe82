"""Every public name stands on one page of the documentation, the core with examples."""

import importlib
import inspect
import itertools
import re
from pathlib import Path

import pytest

import funclearn

API = Path(__file__).parents[2] / "docs" / "api"
PAGES = {
    path.stem: path.read_text("utf-8")
    for path in API.glob("*.md")
    if path.stem != "index"
}
ENTRY = re.compile(
    r"^\.\. auto(?:function|class|data):: funclearn\.([\w.]+)$", re.MULTILINE
)
CELL = re.compile(r"^```\{code-cell\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PACKAGES = sorted(
    name for name in dir(funclearn) if hasattr(getattr(funclearn, name), "__all__")
)
NAMES = [
    f"{package}.{name}"
    for package in (*PACKAGES, "optimizers.schedules")
    if not package.startswith("_")
    for name in importlib.import_module(f"funclearn.{package}").__all__
]

CORE = """
analytic.linear_mse analytic.penalised analytic.wide_net_mse
checkpoints.fingerprint checkpoints.latest checkpoints.prune checkpoints.restore
checkpoints.save
data.batches data.encode data.folds data.garments data.noisy_sine data.read_csv
data.read_table data.split data.standardise data.take data.thermometer
devices.initialise devices.mesh devices.replicate devices.shard devices.worker
diagnosis.diagnose diagnosis.explain_divergence diagnosis.stability
gradients.accumulated gradients.autodiff gradients.compare
gradients.finite_difference gradients.given
graphs.to_dot graphs.to_svg graphs.to_text graphs.trace
hypergradients.checkpointed hypergradients.hypergradient
losses.binary_cross_entropy losses.cross_entropy losses.huber losses.l1 losses.l2
losses.mae losses.mean_of losses.mse
metrics.accuracy metrics.confusion_matrix metrics.f1 metrics.per_class_accuracy
metrics.r2 metrics.top_k_accuracy
models.Model models.affine models.from_equinox models.from_linen models.from_nnx
models.linear models.mixed_precision models.mlp models.neuron models.polynomial
models.wide_net
objectives.make_evaluation objectives.make_objective
optimizers.adadelta optimizers.adafactor optimizers.adagrad optimizers.adam
optimizers.adamax optimizers.adamw optimizers.asgd optimizers.lbfgs optimizers.muon
optimizers.nadam optimizers.radam optimizers.rmsprop optimizers.rprop optimizers.sgd
optimizers.sparse_adam
optimizers.schedules.cosine_annealing_lr optimizers.schedules.exponential_lr
optimizers.schedules.linear_lr optimizers.schedules.multi_step_lr
optimizers.schedules.one_cycle_lr optimizers.schedules.sequential_lr
optimizers.schedules.step_lr
plots.contours plots.distributions plots.fit plots.learning_curves plots.paths
plots.residuals
running.cache_programs running.run
stopping.closest stopping.diverged stopping.gradient_norm stopping.max_epochs
stopping.patience stopping.relative_change stopping.target stopping.when
sweeps.map_blocks sweeps.sweep
testing.assert_compiles_once testing.assert_deterministic
testing.assert_gradients_agree testing.assert_no_key_reuse
testing.assert_no_silent_broadcast testing.assert_resumes
testing.assert_same_under_jit testing.assert_vmap_equals_loop
training.History training.Run training.StepInfo training.TrainState
training.averaged training.fit training.init_state training.loss_scaling
training.make_train_step training.scale_by_epoch
validation.cross_validate validation.hold_out validation.leave_one_out
data.Dataset
""".split()


def test_every_public_name_is_on_its_page_and_on_no_other():
    assert sorted(PAGES) == sorted({name.rpartition(".")[0] for name in NAMES})
    entries = {page: ENTRY.findall(text) for page, text in PAGES.items()}
    for page, names in entries.items():
        assert {name.rpartition(".")[0] for name in names} == {page}
    assert sorted(name for names in entries.values() for name in names) == sorted(NAMES)


def own_names():
    """The names that the package itself hands on, where they come from."""
    for name in dir(funclearn):
        value = getattr(funclearn, name)
        if callable(value) and not name.startswith("_"):
            yield f"{value.__module__.split('.')[1]}.{name}"


def test_the_core_is_public_and_holds_what_the_package_hands_on():
    assert len(set(CORE)) == len(CORE) >= 40
    assert set(CORE) <= set(NAMES)
    assert set(own_names()) <= set(CORE)


def shows_output(docstring):
    """Whether an example ends in a line of output."""
    lines = [line.strip() for line in docstring.splitlines()]
    return any(
        one.startswith((">>>", "...")) and other and not other.startswith((">", "."))
        for one, other in itertools.pairwise(lines)
    )


@pytest.mark.parametrize("name", CORE)
def test_an_example_uses(name):
    package, _, short = name.rpartition(".")
    value = getattr(importlib.import_module(f"funclearn.{package}"), short)
    own = inspect.getdoc(value) or ""
    used = re.compile(rf"\b{short}\b")
    cells = CELL.findall(PAGES[package])
    assert shows_output(own) or any(map(used.search, cells))
