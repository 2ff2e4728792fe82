"""The streams against numbers that PyTorch drew."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.random import RandomState

from experiments._torch_random import (
    linear_layer,
    neuromatch_data,
    neuromatch_network,
    normal,
    permutation,
    uniform,
)
from experiments.wide_net.chapter import TORCH_RUN


class Recorded(NamedTuple):
    seed: int
    rand: list[float]
    randperm: list[int]
    randn_16: list[float]
    randn_20: list[float]
    weight: list[list[float]]
    bias: list[float]


# PyTorch 2.13.0 on a processor with AVX2, one call after the other:
#     torch.manual_seed(seed)
#     torch.rand(4); torch.randperm(7); torch.randn(16)[::5]; torch.randn(20)[::4]
#     layer = torch.nn.Linear(3, 2); layer.weight; layer.bias
RECORDED = [
    Recorded(
        seed=0,
        rand=[0.4962566, 0.7682218, 0.08847743, 0.13203049],
        randperm=[1, 4, 0, 6, 5, 3, 2],
        randn_16=[0.49130496, 0.8503774, -0.19318303, -0.58549756],
        randn_20=[1.4436601, 0.93826073, 1.0553575, -1.5809939, 1.5209795],
        weight=[
            [-0.34199488, 0.17442161, 0.31694913],
            [-0.072871625, 0.022044124, 0.13377477],
        ],
        bias=[0.3581746, 0.5543683],
    ),
    Recorded(
        seed=123456789,
        rand=[0.4052539, 0.60617995, 0.7389709, 0.3675514],
        randperm=[5, 4, 0, 6, 2, 1, 3],
        randn_16=[-0.2680746, 0.36839673, 0.7986226, 0.33687273],
        randn_20=[-0.36508587, -0.41862375, 1.137686, -0.20957373, 1.2781312],
        weight=[
            [0.53688353, 0.17651846, 0.036282748],
            [0.23308091, -0.108588286, -0.12181235],
        ],
        bias=[0.43160796, -0.016947938],
    ),
]


@pytest.fixture(scope="module")
def torch_run():
    with np.load(TORCH_RUN) as run:
        return dict(run)


def assert_same_bits(actual, expected):
    expected = np.asarray(expected, np.float32)
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.seed)
def test_one_call_follows_another_as_in_pytorch(recorded):
    generator = RandomState(recorded.seed)
    assert_same_bits(uniform(generator, 4), recorded.rand)
    assert permutation(generator, 7).tolist() == recorded.randperm
    for count, stride, expected in [
        (16, 5, recorded.randn_16),
        (20, 4, recorded.randn_20),
    ]:
        actual = normal(generator, count)
        assert actual.shape == (count,) and actual.dtype == np.float32
        np.testing.assert_array_max_ulp(
            actual[::stride], np.asarray(expected, np.float32), maxulp=3
        )
    weight, bias = linear_layer(generator, fan_in=3, fan_out=2)
    assert_same_bits(weight, recorded.weight)
    assert_same_bits(bias, recorded.bias)


def test_fewer_than_16_normal_numbers_are_refused():
    with pytest.raises(ValueError, match=r"`count` must be at least 16, got 15"):
        normal(RandomState(0), 15)


def test_neuromatch_data(torch_run):
    inputs, targets = neuromatch_data()
    assert_same_bits(inputs, torch_run["inputs"])
    assert targets.shape == (32, 1) and targets.dtype == np.float32
    # A sine and a noise, either within one unit in the last place below 1.
    tolerance = 2 * np.spacing(np.float32(0.5))
    np.testing.assert_allclose(targets, torch_run["targets"], rtol=0, atol=tolerance)


def test_neuromatch_network(torch_run):
    for name, parameter in neuromatch_network()._asdict().items():
        assert_same_bits(parameter, torch_run[name])


def test_neuromatch_first_loss(torch_run):
    inputs, targets = neuromatch_data()
    network = neuromatch_network()
    hidden = np.tanh(inputs @ network.hidden_weight.T + network.hidden_bias)
    predictions = hidden @ network.output_weight.T + network.output_bias
    loss = np.mean((predictions - targets) ** 2)
    assert loss == pytest.approx(torch_run["losses"][0], rel=1e-6)
