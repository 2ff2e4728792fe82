"""Networks start with flax's and PyTorch's distributions, in one program."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

import funclearn as fl

KEY = jax.random.key(0)


def test_the_wide_net_has_its_1537_parameters():
    params = fl.models.wide_net.init(KEY)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 1537
    bounds = jax.tree.map(lambda leaf: float(jnp.max(jnp.abs(leaf))), params)
    assert 0.9 < bounds.hidden_weight <= 1 and 0.9 < bounds.hidden_bias <= 1
    assert max(bounds.output_weight, bounds.output_bias) <= 512**-0.5


REFUSALS = {
    "mlp(3)": (lambda: fl.models.mlp((3,)), r"widths must hold .* got \[3\]"),
    "mlp(1, 0)": (lambda: fl.models.mlp((1, 0, 1)), r"widths\[1\] must be at least 1"),
}


@pytest.mark.parametrize("call, message", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.usefixtures("plain_annotations")
def test_refusals_name_the_argument(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def eager(key, widths, activation):
    """The parameters as flax makes them, every operation by itself."""
    layers = []
    for width in widths[1:]:
        layers += [linen.Dense(width), activation]
    module = linen.Sequential(layers[:-1])
    return module.init(key, jnp.zeros((1, widths[0])))["params"]


def assert_same(found, expected):
    """The same bits, and dictionaries with their entries in the same order."""
    # JAX sorts the entries of dictionaries; Python prints them.
    assert repr(found) == repr(expected)
    pairs = zip(*map(jax.tree.leaves, (found, expected)), strict=True)
    for one, other in pairs:
        assert one.dtype == other.dtype
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


class Scaled(linen.Module):
    """An activation with a parameter."""

    @linen.compact
    def __call__(self, inputs):
        return inputs * self.param("factor", linen.initializers.normal(), ())


def both_signs(inputs):
    """An activation that doubles the number of columns."""
    return jnp.concatenate([jax.nn.relu(inputs), jax.nn.relu(-inputs)], axis=-1)


def not_traceable(inputs):
    """An activation that needs to know its inputs."""
    return jnp.asarray(np.tanh(np.asarray(inputs)))


ACTIVATIONS = {
    "tanh": jnp.tanh,
    "with a parameter": Scaled(),
    "of flax": linen.PReLU(),
    "of another shape": both_signs,
    "not traceable": not_traceable,
}


@pytest.mark.parametrize(
    "widths, activation",
    [
        ((1, 3, 1), jnp.tanh),
        ((1,) + 7 * (3,), jnp.tanh),
        *(((2, 5, 4, 1), activation) for activation in ACTIVATIONS.values()),
    ],
    ids=["shallow", "deep", *ACTIVATIONS],
)
@pytest.mark.slow
def test_an_mlp_starts_as_flax_would_start_it(widths, activation):
    model = fl.models.mlp(widths, activation)
    for key in jax.random.split(KEY, 4):
        assert_same(model.init(key), eager(key, widths, activation))


def test_the_wide_net_starts_as_its_four_draws_do():
    keys = jax.random.split(KEY, 4)
    bounds = 1.0, 1.0, 512**-0.5, 512**-0.5
    shapes = (1, 512), (512,), (512, 1), (1,)
    draws = [
        jax.random.uniform(key, shape, minval=-bound, maxval=bound)
        for key, shape, bound in zip(keys, shapes, bounds, strict=True)
    ]
    assert_same(fl.models.wide_net.init(KEY), fl.models.WideNetParams(*draws))


def test_an_mlp_compiles_its_start_once():
    calls = []

    def activation(inputs):
        calls.append(type(inputs))
        return jnp.tanh(inputs)

    model = fl.models.mlp((1, 3, 3, 1), activation)
    first, second = (model.init(jax.random.key(seed)) for seed in range(2))
    assert len(calls) == 2
    assert not jnp.array_equal(
        first["layers_0"]["kernel"], second["layers_0"]["kernel"]
    )


@pytest.mark.parametrize("traceable", [True, False])
def test_an_activation_does_not_outlive_its_model(traceable):
    def activation(inputs):
        return jnp.tanh(inputs) if traceable else not_traceable(inputs)

    model = fl.models.mlp((1, 3, 1), activation)
    model.init(KEY)
    reference = weakref.ref(activation)
    del model, activation
    gc.collect()
    assert reference() is None


def test_an_activation_that_raises_says_so():
    def activation(inputs):
        raise RuntimeError(f"no value at {inputs.shape}")

    with pytest.raises(RuntimeError, match=r"no value at \(1, 3\)"):
        fl.models.mlp((1, 3, 1), activation).init(KEY)


def test_batch_statistics_are_refused():
    model = fl.models.mlp((1, 3, 1), linen.BatchNorm(use_running_average=False))
    with pytest.raises(ValueError, match=r"keeps \['batch_stats', 'params'\]"):
        model.init(KEY)


@pytest.mark.parametrize(
    "model", [fl.models.mlp((1, 4, 1)), fl.models.wide_net], ids=["mlp", "wide net"]
)
@pytest.mark.slow
def test_a_start_is_mapped_compiled_and_differentiated(model):
    keys = jax.random.split(KEY, 2)
    expected = [model.init(key) for key in keys]
    for init in (jax.vmap(model.init), jax.jit(jax.vmap(model.init))):
        for lane, alone in enumerate(expected):
            found = jax.tree.map(lambda leaf, lane=lane: leaf[lane], init(keys))
            jax.tree.map(np.testing.assert_array_equal, found, alone)

    def size(scale):
        leaves = jax.tree.leaves(model.init(keys[0]))
        return sum(jnp.sum((scale * leaf) ** 2) for leaf in leaves)

    assert jax.grad(size)(1.0) == pytest.approx(2 * float(size(1.0)), rel=1e-5)
    shapes = jax.eval_shape(model.init, KEY)
    assert jax.tree.map(jnp.shape, expected[0]) == jax.tree.map(jnp.shape, shapes)
