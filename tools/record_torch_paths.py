"""Records the paths of PyTorch's optimizers for experiments/torch_optimizers.

    python tools/record_torch_paths.py

It needs torch (2.13 made the file) and numpy; neither experiment nor library depend on
torch. With `--rates` it prints, in place of that, how low every optimizer gets with the
rates 1, 2 and 5 times powers of ten, the lowest marked: the experiment has that one.
"""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parents[1] / "experiments" / "torch_optimizers"
# It imports nothing but the standard library; the packages around it need JAX.
SETTINGS = runpy.run_path(str(FOLDER / "rates.py"))

STEPS = 500
# The start in full, then every fifth step.
KEPT = [*range(20), *range(20, STEPS + 1, 5)]
RATES = [one * 10.0**power for power in range(-5, 3) for one in (1, 2, 5)]

NEAR = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)]

READINGS = [35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4]
CELSIUS = [0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0]
STARTS = {"thermometer": [1.0, 0.0], "valley": [-1.2, 1.0]}


def loss(problem: str, point: torch.Tensor) -> torch.Tensor:
    """The loss at a point `(2,)`."""
    x, y = point
    if problem == "valley":
        return (1 - x) ** 2 + 100 * (y - x**2) ** 2
    inputs, targets = torch.tensor(READINGS) / 10, torch.tensor(CELSIUS)
    return ((x * inputs + y - targets) ** 2).mean()


def follow(
    problem: str, name: str, rate: float, settings: dict, roundings=(0, 0)
) -> np.ndarray:
    """The path `(STEPS + 1, 2)` of an optimizer, from its start on.

    The numbers of the start are larger by so many roundings of 1.
    """
    start = torch.tensor(STARTS[problem])
    start += torch.tensor(roundings) * torch.finfo(start.dtype).eps
    # Muon takes matrices only.
    param = torch.nn.Parameter(start[None] if name == "Muon" else start)
    optimizer = getattr(torch.optim, name)([param], lr=rate, **settings)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(problem, param.ravel())
        value.backward()
        if name == "SparseAdam":  # takes gradients only that name their rows
            param.grad = param.grad.to_sparse_coo()
        return value

    path = [start.numpy().copy()]
    for _ in range(STEPS):
        optimizer.step(closure)
        path.append(param.detach().numpy().ravel().copy())
    return np.array(path)


def each():
    """Every problem with every optimizer, and the rate that it has there."""
    for problem in STARTS:
        for label, one in SETTINGS["OPTIMIZERS"].items():
            yield problem, label, one.name, one.rates[problem], one.settings


def print_rates() -> None:
    """Prints the loss at the end by rate."""
    torch.set_default_dtype(torch.float64)
    for problem, label, name, _, settings in each():
        ends = {}
        for rate in RATES:
            end = torch.tensor(follow(problem, name, rate, settings)[-1])
            ends[rate] = float(loss(problem, end))
        finite = {rate: end for rate, end in ends.items() if np.isfinite(end)}
        best = min(finite, key=finite.__getitem__)
        near = {f"{k:g}": f"{v:.3g}" for k, v in finite.items() if v < 1e3}
        print(f"{problem:12} {label:13} {best:g}   {near}", flush=True)


def main() -> None:
    """Records all paths, in float64 and in float32.

    Beside each stands how far PyTorch is from itself when it starts one rounding away.
    """
    arrays, told = {"kept": np.array(KEPT)}, {}
    for problem, label, name, rate, settings in each():
        told[f"{problem}/{label}"] = {"name": name, "lr": rate, **settings}
        for dtype in torch.float64, torch.float32:
            torch.set_default_dtype(dtype)
            path = follow(problem, name, rate, settings)
            others = [follow(problem, name, rate, settings, one) for one in NEAR]
            place = f"{problem}/{label}/{path.dtype}"
            arrays[place] = path[KEPT]
            arrays[f"{place}/itself"] = np.linalg.norm(others - path, axis=-1).max()
    arrays["settings"] = np.array(json.dumps(told))
    out = FOLDER / "torch_paths.npz"
    np.savez_compressed(out, **arrays)
    print(out.name, out.stat().st_size, torch.__version__)


if __name__ == "__main__":
    print_rates() if "--rates" in sys.argv else main()
