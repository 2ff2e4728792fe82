import base64
import json
import math

import numpy as np
import pytest

from experiments.harness import Explorable, Outcome, Plot, Quantised
from experiments.harness._packing import pack, script
from experiments.harness._page import _TEMPLATES
from tests.browser import opened

VALUES = np.array([[0.5, 1.0, 2.0], [4.0, math.inf, math.nan]])


def unpacked(packed):
    """What was packed, read back by NumPy alone."""
    content = base64.b64decode(packed["base64"])
    codes = np.frombuffer(content, packed["dtype"]).reshape(packed["shape"])
    if "low" not in packed:
        return codes
    top = 2 ** (8 * codes.itemsize) - 4
    values = packed["low"] + codes / top * (packed["high"] - packed["low"])
    for code, special in enumerate((-math.inf, math.inf, math.nan), top + 1):
        values = np.where(codes == code, special, values)
    return np.exp(values) if packed["log"] else values


@pytest.mark.parametrize(
    "array",
    [
        VALUES,
        VALUES.astype(np.float32),
        np.arange(6, dtype=np.uint8).reshape(1, 2, 3),
        np.array([-3, 2**31 - 1]),
        np.array([True, False]),
        np.zeros((0, 2), np.float32),
        np.array([0.1], ">f4"),
    ],
)
def test_arrays_keep_all_of_their_bits(array):
    found = unpacked(pack(array))
    assert found.shape == array.shape
    assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f")


@pytest.mark.parametrize("bits", [8, 16])
def test_levels_are_as_close_as_the_bits_allow(bits):
    values = np.random.default_rng(0).normal(size=(3, 50)) * 1e3
    error = np.abs(unpacked(pack(Quantised(values, bits))) - values)
    assert error.max() <= np.ptp(values) / (2**bits - 4) / 2 * (1 + 1e-9)
    assert error.max() > np.ptp(values) / 2**bits / 4


def test_levels_on_a_logarithmic_scale_are_relatively_close():
    values = np.append(np.geomspace(1e-30, 1e30, 200), 0.0)
    found = unpacked(pack(Quantised(values, log=True)))
    assert found == pytest.approx(values, rel=np.log(1e60) / 2**16)
    assert found[-1] == 0


@pytest.mark.parametrize("log", [False, True])
def test_what_is_not_finite_stays(log):
    found = unpacked(pack(Quantised(VALUES, log=log)))
    assert found == pytest.approx(VALUES, rel=1e-4, nan_ok=True)
    signs = np.array([-math.inf, math.inf, math.nan])
    assert np.array_equal(unpacked(pack(Quantised(signs))), signs, equal_nan=True)


def test_other_values_are_moved_to_the_bounds():
    values = np.array([-9.0, 1.0, 2.0, 9.0, math.inf])
    found = unpacked(pack(Quantised(values, bounds=(1.0, 2.0))))
    assert found.tolist() == [1.0, 1.0, 2.0, 2.0, math.inf]
    found = unpacked(pack(Quantised(values[1:], log=True, bounds=(1.0, 2.0))))
    assert found == pytest.approx([1.0, 2.0, 2.0, math.inf])


def test_equal_values_are_one_level():
    assert unpacked(pack(Quantised(np.full(3, 7.0)))).tolist() == [7.0] * 3


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (Quantised(VALUES, bits=12), ValueError, "bits must be 8 or 16; got 12"),
        (Quantised(-VALUES, log=True), ValueError, "must not be negative; got -inf"),
        (np.array([2**31]), ValueError, "fit into 32 bits; got 2147483648"),
        (np.array(["a"]), TypeError, "must be of .*; got <U1"),
        ({"a": [object()]}, TypeError, "plain or arrays; got <object"),
    ],
)
def test_what_a_page_cannot_unpack_is_refused(value, error, message):
    with pytest.raises(error, match=message):
        pack(value)


def test_plain_values_stay():
    plain = {"a": [1, 2.5, "</script>", None, True], "b": {"c": (np.float32(0.5),)}}
    packed = pack(plain)
    assert packed == {"a": plain["a"], "b": {"c": [0.5]}}
    assert json.loads(json.dumps(packed)) == packed


def test_the_still_figure_of_an_explorable_must_be_there():
    plots = {"loss": Plot("A loss.", lambda axes: None)}
    explorable = Explorable("Moves.", "thermometer", {}, "loss")
    assert Outcome(plots=plots, explorables={"moved": explorable}).explorables
    with pytest.raises(ValueError, match=r"'moved' needs .* \['loss'\]; got 'lost'"):
        Outcome(plots=plots, explorables={"moved": explorable._replace(still="lost")})


def test_a_browser_unpacks_the_same(chromium, tmp_path):
    data = {
        "exact": VALUES,
        "drawn": Quantised(VALUES, log=True),
        "list": [np.array([1, -2]), {"plain": math.inf}],
    }
    common = (_TEMPLATES / "explorables/common.js").read_text()
    (tmp_path / "data.js").write_text(script("name/stem", data))
    (tmp_path / "page.html").write_text(
        f"""<!doctype html><meta charset="utf-8">
        <div class="explorable" data-script="test" data-key="name/stem">
        <p class="live" hidden></p></div><script>{common}</script>
        <script>explore.define("test", (_, data) => {{ window.data = data; }})</script>
        <script src="data.js"></script>"""
    )
    expected = pack(data)
    with opened(chromium, tmp_path / "page.html") as page:
        found = page.evaluate(
            "[data.exact, data.drawn, data.list[0]].map("
            "({shape, values}) => [shape, [...values]])"
        )
        assert page.evaluate("[data.exact.at(0, 2), ...data.exact.at(1)]") == (
            pytest.approx([*VALUES[0, 2:], *VALUES[1]], nan_ok=True)
        )
        assert page.evaluate("data.list[1].plain") == math.inf
    packed = [expected["exact"], expected["drawn"], expected["list"][0]]
    for (shape, values), one in zip(found, packed, strict=True):
        assert shape == one["shape"]
        assert values == pytest.approx(unpacked(one).ravel().tolist(), nan_ok=True)
