"""Records PyTorch's optimizers as data: `python tools/record_optimizers.py`.

Needs PyTorch and NumPy alone. Three problems are trained at once, a leaf of parameters
each (or more); every run once with a constant rate, once with `LambdaLR`, in float64
and, its end alone, in float32. What is written says by itself what was run:
tests/optimizers/torch_runs.npz holds the settings as JSON, the data of the problems,
the initial parameters, and the parameters after some of the steps.
"""

import json
from pathlib import Path

import numpy as np
import torch

OUT = Path(__file__).parents[1] / "tests" / "optimizers" / "torch_runs.npz"
KEPT = {0.0: (1, 2, 20, 100, 200), 0.02: (100, 200)}  # by the decay of the rate
STEPS = 200
MATRICES = ("quadratic", "first", "second")

# Ours, PyTorch's, the numbers; those of a schedule as [first, change in a step].
RUNS = [
    ("sgd", "SGD", {"lr": 0.02}),
    ("sgd", "SGD", {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1}),
    ("sgd", "SGD", {"lr": 0.01, "momentum": 0.8, "dampening": 0.3}),
    ("sgd", "SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
    ("sgd", "SGD", {"lr": 0.01, "momentum": [0.9, -0.002]}),
    ("adam", "Adam", {"lr": 0.05}),
    ("adam", "Adam", {"lr": 0.05, "weight_decay": 0.1, "betas": [0.8, 0.99]}),
    ("adam", "Adam", {"lr": 0.1, "amsgrad": True, "betas": [0.9, 0.95]}),
    ("adam", "Adam", {"lr": 0.05, "betas": [[0.95, -0.001], 0.99]}),
    ("adamw", "AdamW", {"lr": 0.1, "weight_decay": 0.1}),
    ("adamw", "AdamW", {"lr": 0.1, "amsgrad": True, "eps": 1e-3}),
    ("adamax", "Adamax", {"lr": 0.05}),
    ("adamax", "Adamax", {"lr": 0.05, "weight_decay": 0.1, "betas": [0.8, 0.99]}),
    ("nadam", "NAdam", {"lr": 0.05}),
    ("nadam", "NAdam", {"lr": 0.02, "weight_decay": 0.1, "momentum_decay": 0.02}),
    (
        "nadam",
        "NAdam",
        {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    ("radam", "RAdam", {"lr": 0.05}),
    ("radam", "RAdam", {"lr": 0.05, "weight_decay": 0.1, "betas": [0.8, 0.99]}),
    (
        "radam",
        "RAdam",
        {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    ("adadelta", "Adadelta", {"lr": 0.2, "eps": 1e-5}),
    ("adadelta", "Adadelta", {"lr": 2.0, "rho": 0.8, "weight_decay": 0.1}),
    ("adagrad", "Adagrad", {"lr": 0.05}),
    ("adagrad", "Adagrad", {"lr": 0.5, "lr_decay": 0.01, "weight_decay": 0.1}),
    ("adagrad", "Adagrad", {"lr": 0.5, "initial_accumulator_value": 0.3}),
    ("adafactor", "Adafactor", {"lr": 0.01}),
    (
        "adafactor",
        "Adafactor",
        {"lr": 0.02, "weight_decay": 0.1, "d": 1.5, "eps": [1e-4, 1e-2]},
    ),
    ("rmsprop", "RMSprop", {"lr": 0.02}),
    ("rmsprop", "RMSprop", {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.1}),
    ("rmsprop", "RMSprop", {"lr": 0.002, "centered": True, "momentum": 0.5}),
    ("rprop", "Rprop", {"lr": 0.01}),
    ("rprop", "Rprop", {"lr": 0.1, "etas": [0.4, 1.3], "step_sizes": [1e-4, 0.5]}),
    ("asgd", "ASGD", {"lr": 0.02}),
    ("asgd", "ASGD", {"lr": 0.02, "lambd": 0.05, "t0": 50, "weight_decay": 0.1}),
    ("muon", "Muon", {"lr": 0.02}),
    ("muon", "Muon", {"lr": 0.02, "nesterov": False, "weight_decay": 0.0}),
    ("muon", "Muon", {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw"}),
    ("sparse_adam", "SparseAdam", {"lr": 0.05}),
    ("sparse_adam", "SparseAdam", {"lr": 0.1, "betas": [0.8, 0.9], "eps": 1e-3}),
    ("lbfgs", "LBFGS", {"lr": 0.1, "max_iter": 1, "history_size": 5}),
]


def problems() -> dict[str, np.ndarray]:
    """The data of the three problems, and of rows that are looked up."""
    draw = np.random.RandomState(0)
    rotation = np.linalg.qr(draw.randn(4, 4))[0]
    inputs = draw.uniform(-1, 1, (12, 2))
    return {
        # The thermometer: degrees Celsius, and a tenth of the unknown unit's readings.
        "celsius": np.array([0.5, 14, 15, 28, 11, 8, 3, -4, 6, 13, 21]),
        "unknown": np.array(
            [3.57, 5.59, 5.82, 8.19, 5.63, 4.89, 3.39, 2.18, 4.84, 6.04, 6.84]
        ),
        # Half of x.T A x, of condition number 10**4, less the sum of B x.
        "curvature": (rotation * np.geomspace(1e-3, 10, 4)) @ rotation.T,
        "slope": draw.randn(4, 3),
        # Twelve rows for the network with 8 hidden units.
        "inputs": inputs,
        "targets": np.sin(3 * inputs[:, :1]) * inputs[:, 1:],
        # Of the table's rows two are looked up in a step, maybe twice the same.
        "rows": draw.randint(0, 5, (STEPS, 2)),
        "wanted": draw.randn(6, 3),
    }


def initial() -> dict[str, np.ndarray]:
    """The parameters that all runs begin with."""
    draw = np.random.RandomState(1)
    return {
        "weight": np.array(1.0),
        "bias": np.array(0.0),
        "quadratic": draw.randn(4, 3),
        "first": draw.randn(8, 2),
        "first_bias": 0.1 * draw.randn(8),
        "second": 0.5 * draw.randn(1, 8),
        "second_bias": np.zeros(1),
        "table": draw.randn(6, 3),
    }


def loss(p: dict[str, torch.Tensor], data: dict[str, torch.Tensor], step: int):
    """The sum of the losses of all problems, which share no parameter."""
    line = p["weight"] * data["unknown"] + p["bias"]
    quadratic = p["quadratic"]
    bowl = 0.5 * (quadratic * (data["curvature"] @ quadratic)).sum()
    hidden = torch.tanh(data["inputs"] @ p["first"].T + p["first_bias"])
    network = hidden @ p["second"].T + p["second_bias"]
    rows = data["rows"][step].long()
    looked_up = torch.nn.functional.embedding(rows, p["table"], sparse=True)
    return (
        ((line - data["celsius"]) ** 2).mean()
        + bowl
        - (data["slope"] * quadratic).sum()
        + ((network - data["targets"]) ** 2).mean()
        + ((looked_up - data["wanted"][rows]) ** 2).sum()
    )


def moved(name: str) -> list[str]:
    """The leaves that an optimizer moves; the others stay."""
    if name == "muon":
        return list(MATRICES)
    if name == "lbfgs":  # which would join the problems; more of it elsewhere
        return ["quadratic"]
    leaves = list(initial())
    return leaves[-1:] if name == "sparse_adam" else leaves[:-1]


def now(setting, step: int):
    """A setting in a step."""
    return setting[0] + setting[1] * step if isinstance(setting, list) else setting


def train(name: str, kind: str, settings: dict, decay: float, dtype, maximize: bool):
    """The moved parameters after every step, and ASGD's average at the end."""
    torch.set_default_dtype(dtype)  # PyTorch's scalars in the state have it
    data = {key: torch.tensor(value, dtype=dtype) for key, value in problems().items()}
    params = {
        key: torch.nn.Parameter(torch.tensor(value, dtype=dtype))
        for key, value in initial().items()
    }
    names = moved(name)
    given = {
        key: tuple(now(one, 0) for one in value)
        if key in ("betas", "etas", "step_sizes", "eps") and isinstance(value, list)
        else now(value, 0)
        for key, value in settings.items()
    }
    if maximize:
        given["maximize"] = True
    optimizer = getattr(torch.optim, kind)([params[one] for one in names], **given)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda count: 1 / (1 + decay * count)
    )
    after = []
    for step in range(STEPS):
        (group,) = optimizer.param_groups
        if isinstance(settings.get("momentum"), list):
            group["momentum"] = now(settings["momentum"], step)
        if "betas" in settings:
            group["betas"] = tuple(now(beta, step) for beta in settings["betas"])

        def evaluate(step: int = step) -> torch.Tensor:
            optimizer.zero_grad()
            value = loss(params, data, step)
            value = -value if maximize else value
            value.backward()
            return value

        optimizer.step(evaluate)
        schedule.step()
        row = [params[one].detach().numpy().ravel() for one in names]
        after.append(np.concatenate(row))
    average = [
        optimizer.state[params[one]]["ax"].numpy().ravel()
        for one in names
        if name == "asgd"
    ]
    return np.array(after), np.concatenate(average) if average else None


def main() -> None:
    """Records all runs."""
    arrays = {f"data/{key}": value for key, value in problems().items()}
    arrays |= {f"initial/{key}": value for key, value in initial().items()}
    told = []
    for number, (name, kind, settings) in enumerate(RUNS):
        told.append({"name": name, "torch": kind, "settings": settings})
        told[-1]["leaves"] = moved(name)
        # The second run of each climbs minus the loss; Muon cannot.
        second = [run[0] for run in RUNS[:number]].count(name) == 1
        told[-1]["maximize"] = maximize = second and name != "muon"
        for decay, kept in KEPT.items():
            run = (name, kind, settings, decay)
            after, average = train(*run, torch.float64, maximize)
            arrays[f"{number}/{decay}"] = after[[step - 1 for step in kept]]
            if average is not None:
                arrays[f"{number}/{decay}/average"] = average
            single, _ = train(*run, torch.float32, maximize)
            arrays[f"{number}/{decay}/float32"] = single[-1]
            largest = np.abs(after[-1]).max()
            print(name, settings, decay, f"{largest:.3g}", np.isfinite(after).all())
    arrays["settings"] = np.array(
        json.dumps({"runs": told, "kept": {str(d): k for d, k in KEPT.items()}})
    )
    np.savez_compressed(OUT, **arrays)
    print(OUT.name, OUT.stat().st_size, torch.__version__)


if __name__ == "__main__":
    main()
