import importlib.util

import jax
import pytest

from experiments.harness import _environment

NVIDIA, TPU = "dev/nvidia0", "dev/accel0"

files_variables_plugins_says = [
    ([], {}, (), None),
    ([NVIDIA], {}, (), "funclearn[cuda]"),
    (["proc/driver/nvidia"], {}, (), "funclearn[cuda]"),
    ([TPU], {}, (), "funclearn[tpu]"),
    ([], {"TPU_NAME": "local"}, (), "funclearn[tpu]"),
    ([NVIDIA], {"JAX_PLATFORMS": "cpu"}, (), "JAX_PLATFORMS=cpu"),
    ([NVIDIA], {"JAX_PLATFORMS": "cuda,cpu"}, (), "funclearn[cuda]"),
    ([NVIDIA], {}, ("jax_cuda13_plugin",), "failed to start: no driver"),
]


@pytest.mark.parametrize(
    ("files", "variables", "plugins", "says"), files_variables_plugins_says
)
def test_reason_of_an_idle_accelerator(
    tmp_path, monkeypatch, files, variables, plugins, says
):
    def devices(platform):
        raise RuntimeError("no driver")

    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    monkeypatch.setattr(jax, "devices", devices)
    monkeypatch.setattr(
        _environment, "find_spec", lambda name: name if name in plugins else None
    )
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    reason = _environment.idle_accelerator(tmp_path, variables)
    assert reason is None if says is None else says in (reason or "")


def test_a_used_accelerator_needs_no_reason(tmp_path, monkeypatch):
    (tmp_path / "dev").mkdir()
    (tmp_path / NVIDIA).touch()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert _environment.idle_accelerator(tmp_path, {}) is None


def test_device_names_the_backend():
    assert jax.default_backend() in _environment.device()


def test_versions_name_every_package():
    versions = _environment.versions()
    assert versions["jax"] == jax.__version__
    assert all(versions.values())
    assert versions.keys() >= {"python", "jaxlib", "optax", "flax", "numpy"}
    assert importlib.util.find_spec("experiments")
