"""Records runs of PyTorch's L-BFGS for tests/optimizers/test_lbfgs.py.

    python tools/record_torch_lbfgs.py tests/optimizers/lbfgs.npz

It needs torch (2.13 made the file) and numpy; funclearn does not depend on it. All in
float64. Of every run are kept, after some of its steps: the parameters; the numbers of
iterations and evaluations; and how far PyTorch is then from itself, started from
parameters that differ by a rounding. L-BFGS multiplies roundings from step to step, so
of some runs PyTorch repeats no digit. So before some steps all that the optimizer goes
by is kept too, from which one step can be repeated.
"""

import argparse
import json

import numpy as np
import torch
from torch.optim.lbfgs import _strong_wolfe

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

STEPS = 200
KEPT = [1, 2, 4, 6, 10, 20, 50, 200]
REPEATED = [2, 4, 6, 10, 20, 50]
ROUNDED = 4

READINGS = (
    [35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4],
    [0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0],
)

RATES = [(1.0, 1.0), (0.1, 1.0), (0.5, 0.98)]  # with what it is multiplied by a step

WOLFE = {"line_search_fn": "strong_wolfe"}

SETTINGS = {
    "defaults": {},
    "one": {"max_iter": 1, "history_size": 5},
    "few": {"max_iter": 4, "max_eval": 3, "history_size": 2},
    "search": WOLFE,
    "search, one": {**WOLFE, "max_iter": 1, "history_size": 5},
    "search, few": {**WOLFE, "max_iter": 3, "max_eval": 9, "history_size": 2},
}


def thermometer():
    """A line through the readings."""
    inputs, targets = map(np.array, READINGS)
    scaled = torch.tensor(0.1 * inputs), torch.tensor(targets)

    def loss(w, b):
        return ((w * scaled[0] + b - scaled[1]) ** 2).mean()

    start = np.ones(()), np.zeros(())
    return loss, start, {"inputs": 0.1 * inputs, "targets": targets}


def quadratic():
    """A quadratic of condition number 1e4, turned."""
    generator = np.random.default_rng(0)
    turn, _ = np.linalg.qr(generator.normal(size=(6, 6)))
    matrix = turn @ np.diag(np.logspace(-2, 2, 6)) @ turn.T
    matrix = (matrix + matrix.T) / 2
    held = torch.tensor(matrix)

    def loss(x):
        return 0.5 * x @ (held @ x)

    return loss, (generator.normal(size=6),), {"matrix": matrix}


def network():
    """A 2-8-1 network."""
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(12, 2))
    targets = np.sin(2 * inputs[:, :1]) * inputs[:, 1:]
    given = torch.tensor(inputs), torch.tensor(targets)

    def loss(w1, b1, w2, b2):
        hidden = torch.tanh(given[0] @ w1 + b1)
        return ((hidden @ w2 + b2 - given[1]) ** 2).mean()

    shapes = (2, 8), (8,), (8, 1), (1,)
    start = tuple(0.5 * generator.normal(size=shape) for shape in shapes)
    return loss, start, {"inputs": inputs, "targets": targets}


PROBLEMS = {"thermometer": thermometer, "quadratic": quadratic, "network": network}


def run(loss, start, rate, factor, settings, kept_states=()):
    """The parameters and counts at the steps kept, and the states before others."""
    params = [torch.tensor(leaf, requires_grad=True) for leaf in start]
    optimizer = torch.optim.LBFGS(params, lr=rate, **settings)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, factor)

    def closure():
        optimizer.zero_grad()
        value = loss(*params)
        value.backward()
        return value

    def vector():
        return np.concatenate([leaf.detach().numpy().ravel() for leaf in params])

    rows, counts, states = [], [], []
    for step in range(1, STEPS + 1):
        before = vector()
        state = optimizer.state[params[0]]
        memory = copied(state, settings["history_size"]) if step in kept_states else {}
        optimizer.step(closure)
        scheduler.step()
        after = vector()
        if memory:
            states.append({"before": before, "after": after, **memory})
        if step in KEPT:
            rows.append(after)
            counts.append([state["n_iter"], state["func_evals"]])
    return np.stack(rows), np.array(counts, np.int32), states


def copied(state, size):
    """What the optimizer goes by, with zeros for the pairs that are not there yet."""

    def padded(rows):
        rows = np.array([row.numpy() for row in rows])
        return np.concatenate([np.zeros((size - len(rows), *rows.shape[1:])), rows])

    return {
        "iterations": state["n_iter"],
        "direction": state["d"].numpy().copy(),
        "step": float(state["t"]),
        "gradient": state["prev_flat_grad"].numpy().copy(),
        "steps": padded(state["old_stps"]),
        "differences": padded(state["old_dirs"]),
        "inverses": padded(state["ro"]),
        "scale": float(state["H_diag"]),
    }


def distance(rows, others):
    """The largest difference, relative to the largest entry, row by row."""
    return np.abs(rows - others).max(axis=1) / np.abs(rows).max(axis=1)


FUNCTIONS = {
    "parabola": lambda t: (t - 3.0) ** 2,
    "far away": lambda t: (t - 200.0) ** 2 / 100,
    "steep": lambda t: (t - 1e-3) ** 2 * 1e4,
    "wavy": lambda t: 0.1 * t**2 - t + 0.3 * torch.sin(2 * t),
    "exponential": lambda t: torch.exp(t) - 4 * t,
    "narrow": lambda t: -t / (t**2 + 1e-4),
    "kinked": lambda t: abs(t - 0.37) + 0.01 * t**2,
    "wall": lambda t: torch.where(t < 0.37, 0.37 - t, 50 * (t - 0.37)),
    "bent": lambda t: abs(t - 0.37) ** 1.1 - 0.2 * t,
    "endless": lambda t: -t,
    "not a number": lambda t: torch.sqrt(0.5 - t),
}
FIRST = [1.0, 0.1, 10.0, 1e-3, 0.4]
TURNS = [25, 5, 0]


def search(name, first, turns):
    """The step, the value there and the number of evaluations of PyTorch's search."""

    def evaluate(x, t, d):
        at = (x + t * d).requires_grad_()
        value = FUNCTIONS[name](at).sum()
        value.backward()
        return value.item(), at.grad

    x, d = torch.zeros(1), torch.ones(1)
    value, gradient = evaluate(x, 0.0, d)
    value, _, at, evaluations = _strong_wolfe(
        evaluate, x, first, d, value, gradient, gradient.dot(d), max_ls=turns
    )
    return float(at), value, evaluations


def record(problem, name, generator):
    """The runs of one problem and one setting at all rates, and PyTorch's own spread.

    Of the second rate also the states, where they are kept.
    """
    loss, start, _ = PROBLEMS[problem]()
    settings, kept = SETTINGS[name], REPEATED if name.endswith("few") else ()
    params, counts, spread, held = [], [], [], {}
    for index, rate in enumerate(RATES):
        rows, numbers, states = run(loss, start, *rate, settings, kept)
        itself = []
        for _ in range(ROUNDED):
            rounded = [
                leaf * (1 + 2.0**-52 * generator.integers(-1, 2, leaf.shape))
                for leaf in start
            ]
            itself.append(distance(rows, run(loss, rounded, *rate, settings)[0]))
        params.append(rows)
        counts.append(numbers)
        spread.append(np.max(itself, axis=0).astype(np.float32))
        if index == 1 and states:
            fields = states[0]
            held = {field: np.array([one[field] for one in states]) for field in fields}
        print(problem, name, rate, numbers[-1], spread[-1])
    return {"params": params, "counts": counts, "itself": spread}, held


def main(path):
    """Records everything."""
    generator = np.random.default_rng(2)
    data = {"settings": json.dumps(SETTINGS), "kept": KEPT, "rates": RATES}
    data["searches"] = [
        [[search(name, first, turns) for first in FIRST] for turns in TURNS]
        for name in FUNCTIONS
    ]
    print(np.array(data["searches"])[:, 0])
    for problem, make in PROBLEMS.items():
        _, start, given = make()
        data |= {f"{problem}/{name}": values for name, values in given.items()}
        data[f"{problem}/start"] = np.concatenate([leaf.ravel() for leaf in start])
        pairs = [record(problem, name, generator) for name in SETTINGS]
        runs, states = zip(*pairs, strict=True)
        for field in runs[0]:
            data[f"{problem}/{field}"] = np.array([one[field] for one in runs])
        states = [one for one in states if one]
        for field in states[0]:
            data[f"{problem}/{field}"] = np.array([one[field] for one in states])
    np.savez_compressed(path, **data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", help="where to write them")
    main(parser.parse_args().file)
