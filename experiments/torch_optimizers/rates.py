"""The optimizers as they run here, and as PyTorch's paths were recorded.

Every learning rate is 1, 2 or 5 times a power of ten, one that suits the optimizer on
that problem; `python tools/record_torch_paths.py --rates` prints how low each gets with
every rate. The other settings are PyTorch's defaults but for those named here. Muon's
decay is off: at 0.1 it holds every parameter within 10 of zero, and the least loss of
the thermometer lies at -17. LBFGS makes one iteration a step, so that its path shows.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

Problem: TypeAlias = Literal["thermometer", "valley"]
Name: TypeAlias = Literal[
    "SGD",
    "ASGD",
    "SGD momentum",
    "Muon",
    "Adagrad",
    "Adadelta",
    "RMSprop",
    "Adafactor",
    "Adam",
    "AdamW",
    "SparseAdam",
    "NAdam",
    "RAdam",
    "Adamax",
    "Rprop",
    "LBFGS",
]


class Optimizer(NamedTuple):
    """An optimizer of torch.optim.

    Attributes:
        name: PyTorch's.
        family: what its steps are made of.
        rates: problem -> learning rate.
        settings: what is not as it is by default.
    """

    name: str
    family: str
    rates: dict[Problem, float]
    settings: Mapping[str, Any] = MappingProxyType({})


def _on(thermometer: float, valley: float) -> dict[Problem, float]:
    return {"thermometer": thermometer, "valley": valley}


OPTIMIZERS: dict[Name, Optimizer] = {
    "SGD": Optimizer("SGD", "gradient", _on(0.02, 0.002)),
    "ASGD": Optimizer("ASGD", "gradient", _on(0.02, 0.002)),
    "SGD momentum": Optimizer("SGD", "momentum", _on(0.01, 0.001), {"momentum": 0.9}),
    "Muon": Optimizer("Muon", "momentum", _on(0.1, 0.02), {"weight_decay": 0}),
    "Adagrad": Optimizer("Adagrad", "adaptive", _on(2, 1)),
    "Adadelta": Optimizer("Adadelta", "adaptive", _on(10, 1)),
    "RMSprop": Optimizer("RMSprop", "adaptive", _on(0.1, 0.02)),
    "Adafactor": Optimizer("Adafactor", "adaptive", _on(0.01, 0.01)),
    "Adam": Optimizer("Adam", "adaptive, momentum", _on(0.2, 0.5)),
    "AdamW": Optimizer("AdamW", "adaptive, momentum", _on(0.2, 0.2)),
    "SparseAdam": Optimizer("SparseAdam", "adaptive, momentum", _on(0.2, 0.5)),
    "NAdam": Optimizer("NAdam", "adaptive, momentum", _on(0.2, 0.05)),
    "RAdam": Optimizer("RAdam", "adaptive, momentum", _on(0.05, 0.005)),
    "Adamax": Optimizer("Adamax", "adaptive, momentum", _on(0.5, 0.5)),
    "Rprop": Optimizer("Rprop", "sign", _on(0.1, 0.1)),
    "LBFGS": Optimizer(
        "LBFGS",
        "curvature",
        _on(1, 1),
        {"max_iter": 1, "max_eval": 25, "line_search_fn": "strong_wolfe"},
    ),
}
