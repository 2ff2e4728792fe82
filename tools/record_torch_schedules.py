"""Records PyTorch's learning-rate schedulers for tests/optimizers/schedules.

    python tools/record_torch_schedules.py tests/optimizers/schedules/schedules.npz

It needs torch (2.13 made the file) and numpy; funclearn does not depend on it. Of every
case the rates at the counts from 0 on are kept, with the momenta where they are cycled;
of ReduceLROnPlateau the losses that it was given and the rates after each.
"""

import argparse
import json
import warnings

import numpy as np
import torch
from torch.optim import lr_scheduler

COUNTS = 240

# By the names and arguments of funclearn; the first argument is the optimizer's rate,
# but for those two that have it among PyTorch's own.
CASES = {
    "step": ("step_lr", {"lr": 0.8, "step_size": 7, "gamma": 0.9}),
    "step, defaults": ("step_lr", {"lr": 0.1, "step_size": 30}),
    "steps": (
        "multi_step_lr",
        {"lr": 0.1, "milestones": [80, 3, 3, 30, 80, 150], "gamma": 0.5},
    ),
    "steps from 0": ("multi_step_lr", {"lr": 0.1, "milestones": [0, 200]}),
    "constant": ("constant_lr", {"lr": 0.3}),
    "constant, long": ("constant_lr", {"lr": 0.3, "factor": 0.7, "total_iters": 99}),
    "linear": ("linear_lr", {"lr": 0.3}),
    "linear, falling": (
        "linear_lr",
        {"lr": 0.3, "start_factor": 1.0, "end_factor": 0.01, "total_iters": 150},
    ),
    "polynomial": ("polynomial_lr", {"lr": 0.3}),
    "polynomial, long": (
        "polynomial_lr",
        {"lr": 0.3, "total_iters": 210, "power": 1.7},
    ),
    "exponential": ("exponential_lr", {"lr": 0.4, "gamma": 0.97}),
    "cosine": ("cosine_annealing_lr", {"lr": 0.2, "T_max": 50, "eta_min": 0.001}),
    "cosine, once": ("cosine_annealing_lr", {"lr": 0.2, "T_max": 239}),
    "cosine, odd": ("cosine_annealing_lr", {"lr": 0.2, "T_max": 7, "eta_min": 0.05}),
    "restarts": ("cosine_annealing_warm_restarts", {"lr": 0.2, "T_0": 17}),
    "restarts, longer": (
        "cosine_annealing_warm_restarts",
        {"lr": 0.2, "T_0": 5, "T_mult": 2, "eta_min": 0.01},
    ),
    "restarts, thrice": (
        "cosine_annealing_warm_restarts",
        {"lr": 0.2, "T_0": 3, "T_mult": 3},
    ),
    "one": ("one_cycle_lr", {"max_lr": 0.5, "total_steps": 239}),
    "one, of epochs": (
        "one_cycle_lr",
        {
            "max_lr": 0.5,
            "epochs": 23,
            "steps_per_epoch": 10,
            "pct_start": 0.25,
            "div_factor": 10.0,
            "final_div_factor": 100.0,
            "base_momentum": 0.7,
            "max_momentum": 0.9,
        },
    ),
    "one, straight": (
        "one_cycle_lr",
        {"max_lr": 0.5, "total_steps": 233, "anneal_strategy": "linear"},
    ),
    "one, three phases": (
        "one_cycle_lr",
        {"max_lr": 0.5, "total_steps": 231, "three_phase": True},
    ),
    "one, three straight": (
        "one_cycle_lr",
        {
            "max_lr": 0.5,
            "total_steps": 207,
            "three_phase": True,
            "anneal_strategy": "linear",
            "cycle_momentum": False,
        },
    ),
    "one, no rise": (
        "one_cycle_lr",
        {"max_lr": 0.5, "total_steps": 9, "pct_start": 0.0},
    ),
    "cyclic": (
        "cyclic_lr",
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 10, "step_size_down": 23},
    ),
    "cyclic, halved": (
        "cyclic_lr",
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 9, "mode": "triangular2"},
    ),
    "cyclic, decayed": (
        "cyclic_lr",
        {
            "base_lr": 0.01,
            "max_lr": 0.1,
            "step_size_up": 12,
            "mode": "exp_range",
            "gamma": 0.99,
            "base_momentum": 0.5,
            "max_momentum": 0.99,
        },
    ),
    "cyclic, jumping": (
        "cyclic_lr",
        {
            "base_lr": 0.01,
            "max_lr": 0.1,
            "step_size_up": 8,
            "step_size_down": 0,
            "cycle_momentum": False,
        },
    ),
    "cyclic, by cycle": (
        "cyclic_lr",
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 6, "scale_fn": "inverse"},
    ),
    "cyclic, by count": (
        "cyclic_lr",
        {
            "base_lr": 0.01,
            "max_lr": 0.1,
            "step_size_up": 6,
            "scale_fn": "inverse",
            "scale_mode": "iterations",
        },
    ),
    "lambda": ("lambda_lr", {"lr": 0.3, "lr_lambda": "inverse"}),
    "multiplied": ("multiplicative_lr", {"lr": 0.3, "lr_lambda": "near_one"}),
    "sequence": (
        "sequential_lr",
        {"schedules": ["linear", "exponential"], "milestones": [11]},
    ),
    "sequence of four": (
        "sequential_lr",
        {
            "schedules": ["constant, long", "cosine", "step", "restarts"],
            "milestones": [20, 131, 180],
        },
    ),
}

FUNCTIONS = {
    "inverse": lambda count: 1.0 / (1.0 + 0.1 * count),
    "near_one": lambda count: 1.0 - 0.5 / (2.0 + count),
}

PYTORCH = {
    "cosine_annealing_warm_restarts": "CosineAnnealingWarmRestarts",
    "cyclic_lr": "CyclicLR",
    "one_cycle_lr": "OneCycleLR",
}

PLATEAUS = {
    "defaults": {},
    "small": {"factor": 0.5, "patience": 2, "threshold": 0.01},
    "absolute": {
        "factor": 0.5,
        "patience": 1,
        "threshold": 0.02,
        "threshold_mode": "abs",
        "cooldown": 3,
        "min_lr": 0.05,
    },
    "rising": {"mode": "max", "patience": 3, "factor": 0.3, "cooldown": 1},
    "rising, absolute": {
        "mode": "max",
        "patience": 0,
        "factor": 0.7,
        "threshold": 0.05,
        "threshold_mode": "abs",
        "eps": 0.02,
    },
}


def make_optimizer(lr):
    """One with a momentum."""
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=lr, momentum=0.9)


def make_scheduler(optimizer, name, arguments):
    """The scheduler of a case."""
    known = {key: value for key, value in arguments.items() if key != "lr"}
    if name == "sequential_lr":
        parts = [CASES[part] for part in known["schedules"]]
        made = [make_scheduler(optimizer, *part) for part in parts]
        return lr_scheduler.SequentialLR(optimizer, made, known["milestones"])
    for key in ("lr_lambda", "scale_fn"):
        if key in known:
            known[key] = FUNCTIONS[known[key]]
    words = name.removesuffix("_lr").split("_")
    kind = PYTORCH.get(name, "".join(map(str.capitalize, words)) + "LR")
    return getattr(lr_scheduler, kind)(optimizer, **known)


def run(name, arguments):
    """The rates and momenta at counts from 0 on, as many as PyTorch has."""
    if name == "sequential_lr":  # whose parts share one rate
        arguments = {**arguments, "lr": 0.25}
    optimizer = make_optimizer(arguments.get("lr", 0.1))
    scheduler = make_scheduler(optimizer, name, arguments)
    rates, momenta = [], []
    for _ in range(COUNTS):
        rates += scheduler.get_last_lr()
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        try:
            scheduler.step()
        except (ValueError, ZeroDivisionError):
            break
    return np.array(rates, float), np.array(momenta, float)


def plateau(arguments, values):
    """The rates after each value."""
    optimizer = make_optimizer(0.4)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **arguments)
    rates = []
    for value in values:
        scheduler.step(value)
        rates += scheduler.get_last_lr()
    return rates


def main(path):
    """Records everything."""
    warnings.simplefilter("ignore")
    data = {"cases": json.dumps(CASES), "plateaus": json.dumps(PLATEAUS)}
    for case, (name, arguments) in CASES.items():
        rates, momenta = run(name, arguments)
        data[case] = rates
        if arguments.get("cycle_momentum", name in ("one_cycle_lr", "cyclic_lr")):
            data[f"{case}/momentum"] = momenta
        print(case, len(rates), rates[:3], rates[-3:])
    generator = np.random.default_rng(0)
    falling = 1 / np.arange(1, 61) + 0.02 * generator.normal(size=60)
    falling[7] = np.nan
    data["losses"] = falling
    data["reduced"] = [
        plateau(arguments, -falling if arguments.get("mode") == "max" else falling)
        for arguments in PLATEAUS.values()
    ]
    print(np.array([sorted(set(rates)) for rates in data["reduced"]], object))
    np.savez_compressed(path, **data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", help="where to write them")
    main(parser.parse_args().file)
