"""PyTorch's CPU random numbers from a seed, with NumPy alone.

PyTorch and NumPy draw the same 32-bit words from the Mersenne Twister, so a
`numpy.random.RandomState(seed)` stands for `torch.manual_seed(seed)`. What PyTorch
2.13 makes of the words differs, and is written out here: `uniform`, `normal` and
`permutation` are its `rand`, `randn` and `randperm`, `linear_layer` its `nn.Linear`.
They advance the generator as far as PyTorch does, so that calls follow one another.

With them a seed gives the data and the initial network of a run made in PyTorch:
`neuromatch_data` and `neuromatch_network` are those of Neuromatch's 1-512-1 network.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import RandomState

__all__ = [
    "WideNetwork",
    "linear_layer",
    "neuromatch_data",
    "neuromatch_network",
    "normal",
    "permutation",
    "uniform",
]

_BLOCK = 16
_SEED = 2021


class WideNetwork(NamedTuple):
    """Parameters of a 1-hidden-1 network, in PyTorch's layout.

    A layer is `inputs @ weight.T + bias`.

    Attributes:
        hidden_weight: (hidden, 1).
        hidden_bias: (hidden,).
        output_weight: (1, hidden).
        output_bias: (1,).
    """

    hidden_weight: np.ndarray
    hidden_bias: np.ndarray
    output_weight: np.ndarray
    output_bias: np.ndarray


def _words(generator: RandomState, count: int) -> np.ndarray:
    return generator.randint(2**32, size=count, dtype=np.uint32)


def uniform(generator: RandomState, count: int) -> np.ndarray:
    """The numbers of `torch.rand(count)`: the low 24 bits of a word, over 2^24.

    Args:
        generator: advanced by `count` words.
        count: how many numbers to draw.

    Returns:
        (count,) float32 in [0, 1), every bit PyTorch's.
    """
    return (_words(generator, count) % 2**24 / 2**24).astype(np.float32)


def _box_muller(uniforms: np.ndarray) -> np.ndarray:
    blocks = uniforms.reshape(-1, 2, _BLOCK // 2)
    radius = np.sqrt(-2 * np.log1p(-blocks[:, 0].astype(np.float64)))
    # PyTorch rounds the angle to float32, which shows wherever its cosine is small.
    angle = (np.float32(2 * np.pi) * blocks[:, 1]).astype(np.float64)
    normals = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return normals.astype(np.float32).ravel()


def normal(generator: RandomState, count: int) -> np.ndarray:
    """The numbers of `torch.randn(count)`, by Box and Muller in blocks of 16.

    A block takes 8 uniform numbers u, then 8 more v, and is
    sqrt(-2 ln(1 - u)) cos(2 pi v), then the same with the sine. Where 16 does not
    divide `count`, the last 16 numbers are drawn anew, over what was there.

    Args:
        generator: advanced by `count` words, and by 16 more for that last block.
        count: how many numbers to draw, 16 or more.

    Returns:
        (count,) float32, at most 3 units in the last place from PyTorch's on a
        processor with AVX2, and within about 2e-6 on one without.

    Raises:
        ValueError: if `count` is below 16, where PyTorch works in another way.
    """
    if count < _BLOCK:
        raise ValueError(f"`count` must be at least {_BLOCK}, got {count}")
    rest = count % _BLOCK
    normals = _box_muller(uniform(generator, count)[: count - rest])
    if rest == 0:
        return normals
    last = _box_muller(uniform(generator, _BLOCK))
    return np.concatenate([normals[: count - _BLOCK], last])


def permutation(generator: RandomState, count: int) -> np.ndarray:
    """The order of `torch.randperm(count)`: Fisher and Yates, from the front.

    Args:
        generator: advanced by `count - 1` words.
        count: how many indices to order, 1 or more.

    Returns:
        (count,) int64, each of 0 to `count - 1` once.
    """
    order = list(range(count))
    for place, word in enumerate(_words(generator, count - 1).tolist()):
        other = place + word % (count - place)
        order[place], order[other] = order[other], order[place]
    return np.array(order, dtype=np.int64)


def linear_layer(
    generator: RandomState, fan_in: int, fan_out: int
) -> tuple[np.ndarray, np.ndarray]:
    """The initial parameters of `torch.nn.Linear(fan_in, fan_out)`.

    Uniform in [-b, b) with b = 1 / sqrt(fan_in); the weight is drawn first.

    Args:
        generator: advanced by `(fan_in + 1) * fan_out` words.
        fan_in: number of inputs.
        fan_out: number of outputs.

    Returns:
        The weight (fan_out, fan_in) and the bias (fan_out,), float32, every bit
        PyTorch's on a processor with fused multiply-add.
    """
    bound = np.float64(np.float32(1 / np.sqrt(fan_in)))
    # Exact in float64, so that it is rounded once, as a fused multiply-add is.
    drawn = uniform(generator, (fan_in + 1) * fan_out) * (2 * bound) - bound
    weight, bias = np.split(drawn.astype(np.float32), [fan_in * fan_out])
    return weight.reshape(fan_out, fan_in), bias


def neuromatch_data() -> tuple[np.ndarray, np.ndarray]:
    """Neuromatch's noisy sine: 32 points of sin(pi x) + epsilon / 4 on [-1, 1].

    The noise epsilon is standard normal, of seed 2021.

    Returns:
        The inputs (32, 1) and the targets (32, 1), float32.
    """
    # torch.linspace multiplies a float32 step, from either end towards the middle.
    step = np.float64(np.float32(2 / 31))
    upper = (1 - step * np.arange(16)[::-1]).astype(np.float32)
    inputs = np.concatenate([-upper[::-1], upper])
    angle = np.float32(np.pi) * inputs
    sine = np.sin(angle.astype(np.float64)).astype(np.float32)
    targets = sine + normal(RandomState(_SEED), 32) / 4
    return inputs[:, None], targets[:, None]


def neuromatch_network() -> WideNetwork:
    """Neuromatch's 1-512-1 network as it starts: two `nn.Linear` of seed 2021."""
    generator = RandomState(_SEED)
    hidden = linear_layer(generator, 1, 512)
    return WideNetwork(*hidden, *linear_layer(generator, 512, 1))
