"""PyTorch's recorded rates (tools/record_torch_schedules.py made the data)."""

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest


class Recorded:
    """The cases of a file: their schedules, rates and momenta.

    Attributes:
        arrays: the file's, by name.
        cases: by name the function that makes a schedule, and its arguments.
    """

    functions: ClassVar = {
        "inverse": lambda count: 1.0 / (1.0 + 0.1 * count),
        "near_one": lambda count: 1.0 - 0.5 / (2.0 + count),
    }

    def __init__(self):
        with np.load(Path(__file__).with_name("schedules.npz")) as arrays:
            self.arrays = dict(arrays)
        self.cases = json.loads(str(self.arrays["cases"]))

    def schedule(self, case, **more):
        from funclearn.optimizers import schedules

        name, arguments = self.cases[case]
        arguments = {**arguments, **more}
        for key in {"lr_lambda", "scale_fn"} & arguments.keys():
            arguments[key] = self.functions[arguments[key]]
        if name == "sequential_lr":
            parts = [self.schedule(part, lr=0.25) for part in arguments["schedules"]]
            arguments["schedules"] = parts
        return getattr(schedules, name)(**arguments)

    def check(self, *names):
        """All cases of some functions, at all recorded counts, in one program."""
        import jax
        import jax.numpy as jnp

        cases = [case for case, (name, _) in self.cases.items() if name in names]
        assert len(cases) >= len(names)
        wanted = {case: self.arrays[case] for case in cases}
        made = {case: self.schedule(case) for case in cases}
        for case in cases:
            if f"{case}/momentum" in self.arrays:
                made[f"{case}/momentum"] = made[case].momentum
                wanted[f"{case}/momentum"] = self.arrays[f"{case}/momentum"]

        @jax.jit
        def rates():
            return {
                case: jax.vmap(schedule)(jnp.arange(len(wanted[case])))
                for case, schedule in made.items()
            }

        wide = jnp.result_type(float) == jnp.float64
        for case, got in rates().items():
            assert got.dtype == jnp.result_type(float)
            got, right = np.asarray(got, float), wanted[case]
            highest = np.max(abs(right))
            limit = 3e-16 * highest + 1e-12 * abs(right) if wide else 5e-7 * highest
            assert np.all(abs(got - right) <= limit), case
        return made


@pytest.fixture(scope="session")
def recorded():
    return Recorded()
