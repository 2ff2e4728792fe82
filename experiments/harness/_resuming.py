"""Experiments whose training can be killed and gone on with."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

import funclearn as fl
from experiments.harness._files import require_folder
from experiments.harness._settings import Settings
from funclearn.sweeps import sweep

__all__ = ["Resumable"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resumable(Settings):
    """The base of a `Config` whose runs are saved where the user asks for it."""

    # They do not make a run another one.
    checkpoint_dir: Path | None = dataclasses.field(default=None, compare=False)
    """Folder to save training in as it goes; by default nothing is saved."""
    resume: bool = dataclasses.field(default=False, compare=False)
    """Whether to go on with the training that the folder holds."""

    def __post_init__(self) -> None:
        """Checks every setting, and those that go together."""
        super().__post_init__()
        if self.resume and self.checkpoint_dir is None:
            raise ValueError(
                "resume needs the folder to go on with; pass --checkpoint-dir FOLDER."
            )

    def require_folder(self) -> None:
        """Looks whether training can be saved where the user asks for it.

        Raises:
            OSError: if it cannot.
            ValueError: if the path holds a zero byte.
        """
        if self.checkpoint_dir is not None:
            require_folder(self.checkpoint_dir, "checkpoints", "--checkpoint-dir")

    def compiled(
        self, function: Callable[..., fl.Run], *static: str
    ) -> Callable[..., fl.Run]:
        """A function that trains, as one program unless the run is saved."""
        if self.checkpoint_dir is None:
            return jax.jit(function, static_argnames=static)
        return function

    def fit(self, name: str, *arguments: Any, **options: Any) -> fl.Run:
        """Trains by `fit`, or to the same bits in a folder of the given name."""
        if self.checkpoint_dir is None:
            return fl.fit(*arguments, **options)
        return fl.running.run(
            *arguments,
            folder=self.checkpoint_dir / name,
            resume=self.resume,
            **options,
        )

    def from_seeds(
        self, name: str, run: Callable[[str, Any], PyTree], seeds: np.ndarray
    ) -> PyTree:
        """Calls `run(name of the run, seed)` for all seeds and stacks the results.

        It is one sweep, unless the runs are saved.
        """
        if self.checkpoint_dir is None:
            return sweep(lambda seed: run(name, seed), {"seed": seeds}).result
        runs = [jax.device_get(run(f"{name}-seed-{seed}", seed)) for seed in seeds]
        return jax.tree.map(lambda *leaves: np.stack(leaves), *runs)
