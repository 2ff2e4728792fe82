"""Models as pairs of pure functions: `init(key) -> params`, `apply(params, inputs)`.

Parameters are initialised as PyTorch's linear layers are, uniform in ±1/√fan_in, but
for `mlp`, where flax does it, and for modules of flax and equinox, which do it
themselves.
"""

from funclearn._notes import Noted
from funclearn.models._equinox import from_equinox
from funclearn.models._linear import (
    LinearParams,
    PolynomialParams,
    affine,
    linear,
    neuron,
    polynomial,
)
from funclearn.models._linen import from_linen
from funclearn.models._model import Model
from funclearn.models._networks import WideNetParams, mlp, wide_net
from funclearn.models._nnx import from_nnx
from funclearn.models._precision import mixed_precision

__all__ = [
    "LinearParams",
    "Model",
    "Noted",
    "PolynomialParams",
    "WideNetParams",
    "affine",
    "from_equinox",
    "from_linen",
    "from_nnx",
    "linear",
    "mixed_precision",
    "mlp",
    "neuron",
    "polynomial",
    "wide_net",
]
