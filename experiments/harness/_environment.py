"""Where a run happens: the device, the versions, and why an accelerator is idle."""

import os
import platform
from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import jax

__all__ = ["device", "idle_accelerator", "versions"]


class _Accelerator(NamedTuple):
    """How to detect one kind of accelerator, and what JAX needs to use it."""

    label: str
    extra: str
    platforms: tuple[str, ...]
    plugins: tuple[str, ...]
    files: tuple[str, ...]
    variables: tuple[str, ...]


_ACCELERATORS = (
    _Accelerator(
        label="an NVIDIA GPU",
        extra="cuda",
        platforms=("cuda", "gpu"),
        plugins=("jax_cuda13_plugin", "jax_cuda12_plugin"),
        files=("dev/nvidia0", "proc/driver/nvidia"),
        variables=(),
    ),
    _Accelerator(
        label="a TPU",
        extra="tpu",
        platforms=("tpu",),
        plugins=("libtpu",),
        files=("dev/accel0", "dev/vfio/0"),
        variables=("TPU_NAME", "TPU_WORKER_ID"),
    ),
)


def device() -> str:
    """Names the devices that JAX computes on: platform, kind and number."""
    backend, kind = jax.default_backend(), jax.devices()[0].device_kind
    name = backend if kind == backend else f"{backend} ({kind})"
    return name if jax.device_count() == 1 else f"{jax.device_count()} x {name}"


def versions() -> dict[str, str]:
    """Looks up the versions that a result depends on."""
    packages = ("jax", "jaxlib", "optax", "flax", "numpy", "funclearn")
    return {"python": platform.python_version()} | {
        package: _version(package) for package in packages
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def idle_accelerator(
    root: Path = Path("/"), environ: Mapping[str, str] = os.environ
) -> str | None:
    """Says why an accelerator of this machine is not used.

    Args:
        root: where the machine's device files start.
        environ: environment variables.

    Returns:
        A sentence, or None where JAX runs on an accelerator or there is none.
    """
    if jax.default_backend() != "cpu":
        return None
    for accelerator in _ACCELERATORS:
        files = any((root / name).exists() for name in accelerator.files)
        if files or any(name in environ for name in accelerator.variables):
            reason = _reason(accelerator, environ.get("JAX_PLATFORMS", ""))
            return f"This machine has {accelerator.label} that is not used: {reason}."
    return None


def _reason(accelerator: _Accelerator, requested: str) -> str:
    if requested and not set(accelerator.platforms) & set(requested.split(",")):
        return f"JAX_PLATFORMS={requested} leaves it out"
    if not any(map(find_spec, accelerator.plugins)):
        return (
            "jaxlib has no plugin for it; "
            f"pip install 'funclearn[{accelerator.extra}]' brings one"
        )
    try:
        jax.devices(accelerator.platforms[0])
    except RuntimeError as error:
        return f"its backend failed to start: {error}"
    return "JAX found it and prefers the cpu"
