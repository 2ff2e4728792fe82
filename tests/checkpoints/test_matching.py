import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funclearn.checkpoints import CheckpointError, fingerprint, read, restore, save
from tests.checkpoints.settings import assert_same, network

CONFIG = {"optimizer": {"name": "adam", "rate": 0.1}, "epochs": 5}
DATA = {"x": np.arange(3.0)}


@pytest.fixture
def folder(tmp_path):
    save(tmp_path, network(1), config=CONFIG, data=DATA, more={"best": jnp.ones(2)})
    return tmp_path


def changed(**changes):
    return network()._replace(**changes)


@pytest.mark.parametrize(
    ("like", "message"),
    [
        (
            network(optimizer=optax.sgd(0.1)),
            r"state\.opt_state\[0\] was saved as .*Adam",
        ),
        (
            network(optimizer=optax.adamw(0.1)),
            r"state\.opt_state\[2\], .*EmptyState, is",
        ),
        (
            network(key=jax.random.key(0, impl="rbg")),
            r"state\.key was saved as a key of",
        ),
        (
            changed(params={"w": jnp.ones((3, 3)), "b": jnp.ones(2)}),
            r"state\.params\['w'\] was saved as float32\[3,2\] and is float32\[3,3\]",
        ),
        (
            changed(params={"w": jnp.ones((3, 2)), "b": jnp.ones(2, jnp.float16)}),
            r"state\.params\['b'\] was saved as float32\[2\] and is float16\[2\]",
        ),
        (changed(params={"w": jnp.ones((3, 2))}), r"state\.params\['b'\], float32"),
        (changed(step=1.0), r"state\.step was saved as int32\[\] and is .*float"),
        (tuple(network()), "state was saved as funclearn.training.*TrainState and is"),
        ({"a": jnp.ones(3)}, r"state was saved as .* and is builtins\.dict in like"),
    ],
)
def test_another_state_is_refused_with_the_difference(folder, like, message):
    for one in (like, jax.eval_shape(lambda: like)):
        with pytest.raises(CheckpointError, match=message):
            restore(folder, one)


def test_the_precision_of_jax_counts(folder):
    single = network()
    with jax.enable_x64(True):
        like = network()
        with pytest.raises(
            CheckpointError, match=r"float32.* and is float64"
        ) as caught:
            restore(folder, like)
        assert str(caught.value).endswith("; and so on.")
        expected = restore(folder, single)
    assert_same(expected, network(1))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"optimizer": {"name": "adam", "rate": 0.2}, "epochs": 5},
            r"config\['optimizer'\]\['rate'\] was saved as 0\.1 and is 0\.2 now",
        ),
        ({**CONFIG, "seed": 1}, r"config\['seed'\] is 1 and was not there when saved"),
        ({}, r"config\['optimizer'\] was saved as .* and is missing now"),
    ],
)
def test_another_configuration_is_refused(folder, config, message):
    with pytest.raises(CheckpointError, match=message):
        restore(folder, network(), config=config)


def test_other_data_are_refused(folder):
    for data in (DATA, fingerprint(DATA)):
        assert_same(restore(folder, network(), config=CONFIG, data=data), network(1))
    for other in ({"x": np.arange(4.0)}, "another"):
        with pytest.raises(CheckpointError, match=r"data was saved as '.*' and is '"):
            restore(folder, network(), data=other)


def test_what_was_not_said_when_saving_is_no_match(tmp_path):
    save(tmp_path, network(1))
    with pytest.raises(CheckpointError, match="config was saved as None and is"):
        restore(tmp_path, network(), config=CONFIG)
    with pytest.raises(CheckpointError, match="data was saved as None and is"):
        restore(tmp_path, network(), data=DATA)
    with pytest.raises(CheckpointError, match="more was not saved"):
        read(tmp_path, network(), more_like={"best": jnp.ones(2)})


def test_a_like_that_holds_no_arrays_is_refused(folder):
    with pytest.raises(TypeError, match=r"state\.params must be an array"):
        restore(folder, network()._replace(params="text"))


def test_numbers_are_not_read_where_they_do_not_fit(folder, monkeypatch):
    """So that a file cannot take memory that `like` does not."""
    monkeypatch.setattr("funclearn.checkpoints._reading.Opened.numbers", None)
    with pytest.raises(CheckpointError, match="does not fit"):
        restore(folder, {"a": jnp.ones(3)})
