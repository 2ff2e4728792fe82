"""What a run starts from."""

import xml.etree.ElementTree

import jax
import jax.numpy as jnp
import optax
import pytest
import rich.console

import funclearn as fl

KEY = jax.random.key(0)

SGD = optax.sgd(0.1)

STATES = {
    "integer": ((KEY, {"w": jnp.arange(3)}), TypeError, r"params\['w'\] .*got int"),
    "Python integer": ((KEY, {"w": 1}), TypeError, r"params\['w'\] .*got int"),
    "complex": ((KEY, jnp.array(1j)), TypeError, "params must .*got complex64"),
    "nothing": ((KEY, {}), ValueError, r"params must have at least one leaf; got {}"),
    "legacy key": ((jax.random.PRNGKey(0), 1.0), TypeError, r"key must be a typed key"),
    "seed": ((0, 1.0), TypeError, "key must be a typed key, .*; got 0"),
    "keys": ((jax.random.split(KEY), 1.0), ValueError, "key must be a single key"),
}


@pytest.mark.parametrize("arguments, error, message", STATES.values(), ids=STATES)
@pytest.mark.usefixtures("plain_annotations")
def test_init_state_refuses_by_name(arguments, error, message):
    key, params = arguments
    with pytest.raises(error, match=message):
        fl.init_state(key, params, SGD)


def test_init_state_counts_from_zero_and_takes_python_numbers():
    state = fl.init_state(KEY, {"w": 1.5}, optax.adam(0.1))
    assert (state.step, state.epoch) == (0, 0)
    assert state.step.dtype == jnp.asarray(state.epoch).dtype == jnp.int32
    assert state.params["w"].dtype == jnp.float32
    assert not state.params["w"].weak_type


def test_a_state_of_four_fields_is_at_epoch_0():
    assert fl.TrainState({}, (), KEY, jnp.int32(3)).epoch == 0


class Printer:
    """What IPython writes text with."""

    def __init__(self):
        self.written = ""

    def text(self, text: str, /) -> None:
        self.written += text


def test_a_run_shows_itself():
    """Its numbers are those of its fields, in each of the four ways."""
    data = fl.data.thermometer()
    optimizer, line = optax.sgd(1e-4), fl.models.linear
    step = fl.make_train_step(fl.make_objective(line, fl.losses.mse), optimizer)
    run = fl.fit(step, fl.init_state(KEY, line.init(KEY), optimizer), data, epochs=12)
    ends = [f"{float(run.history.loss[at]):.6g}" for at in (0, -1)]
    printer, console = Printer(), rich.console.Console(width=100)
    run._repr_pretty_(printer, False)
    with console.capture() as captured:
        console.print(run)
    root = xml.etree.ElementTree.fromstring(run._repr_html_())
    html = "\n".join(" ".join(row.itertext()) for row in root.iter("tr"))
    for text in (str(run), captured.get(), html, printer.written):
        (row,) = [row for row in text.splitlines() if "training loss" in row]
        assert row.split()[2:4] == ends
    assert str(run).startswith("Run: 12 of 12 epochs; reason: epochs\n")
    assert printer.written == str(run)
    assert "█" in captured.get() and "<svg" in run._repr_html_()
