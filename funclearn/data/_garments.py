"""Drawn garments: silhouettes in the form and the classes of Fashion-MNIST.

A piece of clothing is what lies within a half-width of its middle line, which changes
from row to row, with two sleeves; a shoe is what lies above its sole, up to a height
that changes from column to column. The classes differ by the ranges from which the
measures are drawn. Every image then has its own shift, slant, brightness, texture and
noise.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray, UInt8

from funclearn._checks import check_key, integer_at_least
from funclearn.data._dataset import Dataset

__all__ = ["garments"]

SIDE, CLASSES = 28, 10


class _Measures(NamedTuple):
    """The measures of clothes and bags, in pixels, and of how they are made.

    Attributes:
        top: the first row.
        bottom: the last row.
        shoulder: half the width at the top.
        waist: half the width in the middle.
        hem: half the width at the bottom.
        neck: depth of the neckline.
        sleeve: length of the sleeves; none where it is less than 1.
        gap: half the width of what is left out below the middle, between legs.
        front: how much darker the middle line is: an opening, buttons.
        handle: radius of a handle above the top; none where it is less than 1.
    """

    top: Float[Array, "..."]
    bottom: Float[Array, "..."]
    shoulder: Float[Array, "..."]
    waist: Float[Array, "..."]
    hem: Float[Array, "..."]
    neck: Float[Array, "..."]
    sleeve: Float[Array, "..."]
    gap: Float[Array, "..."]
    front: Float[Array, "..."]
    handle: Float[Array, "..."]


# By label, the least and the greatest of every measure. Shoes have none of them.
# Dresses and pullovers overlap: a dress may have sleeves, a pullover may be slim.
_RANGES = {
    #     top     bottom    shoulder   waist      hem        neck
    0: ((2, 4), (23, 26), (5.5, 8), (5.5, 7.5), (5.5, 8), (1, 4)),
    1: ((1, 2), (25, 27), (3.5, 5), (4.5, 6.5), (4, 7.5), (0, 0)),
    2: ((2, 4), (22, 26), (4.5, 7), (4.5, 7.5), (4.5, 7.5), (1, 3)),
    3: ((1, 3), (23, 27), (2.5, 5.5), (2.5, 5.5), (3.5, 9), (1, 5)),
    4: ((1, 3), (24, 27), (5.5, 7.5), (5.5, 7.5), (6, 8.5), (1, 4)),
    6: ((2, 4), (23, 26), (5, 7.5), (5, 7.5), (5, 8), (2, 5)),
    8: ((9, 13), (22, 26), (7, 12), (8, 12.5), (8, 12.5), (0, 0)),
}
_EXTRAS = {
    #    sleeve      gap       front     handle
    0: ((5, 9), (0, 0), (0, 0), (0, 0)),
    1: ((0, 0), (0.6, 2), (0, 0), (0, 0)),
    2: ((14, 21), (0, 0), (0, 0.1), (0, 0)),
    3: ((-14, 14), (0, 0), (0, 0.15), (0, 0)),
    4: ((15, 22), (0, 0), (0.4, 0.9), (0, 0)),
    6: ((6, 20), (0, 0), (0.15, 0.5), (0, 0)),
    8: ((0, 0), (0, 0), (0, 0), (3, 8)),
}
_NOTHING = ((0.0, 0.0),)
# By label, heights of the upper above the sole at six columns from heel to toe.
_HEIGHTS = {
    5: (9.0, 8.0, 6.0, 5.0, 6.0, 4.0),
    7: (8.5, 9.0, 7.5, 5.5, 4.5, 3.0),
    9: (17.0, 17.0, 15.5, 8.0, 6.0, 4.0),
}
_SHOES = tuple(_HEIGHTS)


def garments(key: PRNGKeyArray, n: int) -> Dataset:
    """Drawn garments in the form of Fashion-MNIST, for where that cannot be had.

    There are as many of each class, to one; which comes where is drawn. As in the
    photographs, some dresses have sleeves and brightness varies more than form, so that
    the mean images of two classes are poor judges and what is learnt is a better one.

    Args:
        key: draws everything.
        n: number of images.

    Returns:
        Inputs uint8 `(n, 28, 28)`, 0 for the background and up to 255, and targets
        int32 `(n,)`, which index `FASHION_MNIST_CLASSES`.

    Raises:
        TypeError: if `key` is no typed key, or `n` no integer known at trace time.
        ValueError: if `n` is less than 1.

    Example:
        >>> images, labels = fl.data.garments(jax.random.key(0), 20)
        >>> print(images.shape, images.dtype, np.bincount(labels))
        (20, 28, 28) uint8 [2 2 2 2 2 2 2 2 2 2]
    """
    check_key("key", key)
    n = integer_at_least("n", n, 1)
    label_key, image_key = jax.random.split(key)
    return Dataset(*_draw_all(label_key, jax.random.split(image_key, n)))


@jax.jit
def _draw_all(
    label_key: PRNGKeyArray, keys: Key[Array, " n"]
) -> tuple[UInt8[Array, "n 28 28"], Int[Array, " n"]]:
    labels = jax.random.permutation(label_key, jnp.arange(len(keys)) % CLASSES)
    # One after the other: mapped at once, they take several times as long to compile.
    return jax.lax.map(lambda one: _draw(*one), (keys, labels)), labels


def _draw(key: PRNGKeyArray, label: Int[Array, ""]) -> UInt8[Array, "28 28"]:
    form_key, place_key, light_key, noise_key = jax.random.split(key, 4)
    rows, columns = _grid(place_key)
    cover = jnp.where(
        jnp.isin(label, jnp.asarray(_SHOES)),
        _shoe(form_key, label, rows, columns),
        _cloth(form_key, label, rows, columns),
    )
    light = cover * _cloth_light(light_key, rows, columns)
    # As in the photographs the background is black, without noise.
    light = light * (1 + 0.08 * jax.random.normal(noise_key, light.shape))
    return jnp.clip(255 * light, 0, 255).astype(jnp.uint8)


def _grid(key: PRNGKeyArray) -> tuple[Float[Array, "28 28"], Float[Array, "28 28"]]:
    """Rows and columns of the pixels, the middle column being 0, shifted, slanted."""
    rows, columns = jnp.mgrid[:SIDE, :SIDE] + 0.0
    draws = jax.random.uniform(key, (3,), minval=-1)
    down, right, slant = draws * jnp.array([1.0, 1.2, 0.05])
    columns = columns - (SIDE - 1) / 2 - right
    return rows - down, columns + slant * (rows - SIDE / 2)


def _measures(key: PRNGKeyArray, label: Int[Array, ""]) -> _Measures:
    names = len(_Measures._fields)
    ranges = jnp.array(
        [
            [*_RANGES[one], *_EXTRAS[one]] if one in _RANGES else _NOTHING * names
            for one in range(CLASSES)
        ]
    )
    least, greatest = ranges[label].T
    return _Measures(*(least + (greatest - least) * jax.random.uniform(key, (names,))))


def _cloth(
    key: PRNGKeyArray,
    label: Int[Array, ""],
    rows: Float[Array, "28 28"],
    columns: Float[Array, "28 28"],
) -> Float[Array, "28 28"]:
    """How much of every pixel a piece of clothing or a bag covers."""
    form_key, sleeve_key = jax.random.split(key)
    m = _measures(form_key, label)
    across = jnp.abs(columns)
    middle = (m.top + m.bottom) / 2
    below = (rows - middle) / (m.bottom - middle)  # 0 in the middle, 1 at the bottom
    width = (
        m.waist + jnp.where(below < 0, m.waist - m.shoulder, m.hem - m.waist) * below
    )
    body = jnp.minimum(width - across, rows - m.top)
    body = jnp.minimum(body, m.bottom - rows)
    # The neckline is a half-disc, the gap between the legs a wedge.
    body = jnp.minimum(body, jnp.hypot(across, rows - m.top) - m.neck)
    wedge = m.gap * below - across
    cut = (m.gap > 0) & (below > 0)
    body = jnp.where(cut, jnp.minimum(body, -wedge - 0.5), body)
    sleeve = jnp.where(m.sleeve < 1, -1.0, _sleeve(sleeve_key, m, rows, across))
    ring = 1.2 - jnp.abs(jnp.hypot(across, rows - m.top) - m.handle)
    handle = jnp.where((m.handle < 1) | (rows > m.top), -1.0, ring)
    cover = _soft(jnp.maximum(jnp.maximum(body, sleeve), handle))
    return cover * (1 - m.front * _soft(0.7 - across) * (rows > m.top + m.neck))


def _sleeve(
    key: PRNGKeyArray,
    m: _Measures,
    rows: Float[Array, "28 28"],
    across: Float[Array, "28 28"],
) -> Float[Array, "28 28"]:
    """How far inside a sleeve the pixels are: a bar from the shoulder downwards."""
    draws = jax.random.uniform(key, (2,))
    angle, half = 0.12 + 0.3 * draws[0], 1.6 + 0.7 * draws[1]
    right, down = across - m.shoulder + half, rows - m.top - half
    along = jnp.clip(right * jnp.sin(angle) + down * jnp.cos(angle), 0, m.sleeve)
    apart = jnp.hypot(right - along * jnp.sin(angle), down - along * jnp.cos(angle))
    return half - apart


def _shoe(
    key: PRNGKeyArray,
    label: Int[Array, ""],
    rows: Float[Array, "28 28"],
    columns: Float[Array, "28 28"],
) -> Float[Array, "28 28"]:
    """How much of every pixel a shoe covers; a sandal has bars with gaps between."""
    draws = jax.random.uniform(key, (3,))
    length, tall = 10.5 + 2.5 * draws[0], 0.8 + 0.5 * draws[1]
    table = jnp.array([_HEIGHTS.get(one, _HEIGHTS[7]) for one in range(CLASSES)])
    # Straight lines between the heights: hats over the places from heel to toe.
    places = jnp.arange(table.shape[1])
    heel_to_toe = (columns / length + 1) / 2 * places[-1]
    apart = jnp.abs(heel_to_toe[..., None] - places[None, None, :])
    upper = tall * jnp.maximum(1 - apart, 0) @ table[label]
    above = 21.0 - rows  # the sole's upper edge
    inside = jnp.minimum(length - jnp.abs(columns), upper - above)
    cover = _soft(jnp.minimum(inside, above))
    bars = _soft(2.5 * jnp.sin((0.6 + 0.4 * draws[2]) * (columns - 0.6 * rows)) - 0.5)
    cover = jnp.where(label == 5, cover * bars, cover)
    sole = jnp.minimum(length - jnp.abs(columns), 1.1 - jnp.abs(above + 0.6))
    return jnp.maximum(cover, 0.8 * _soft(sole))


def _cloth_light(
    key: PRNGKeyArray, rows: Float[Array, "28 28"], columns: Float[Array, "28 28"]
) -> Float[Array, "28 28"]:
    """Brightness of the cloth: its own, shading to the sides, and stripes on some."""
    draws = jax.random.uniform(key, (6,))
    # Most cloth is bright; the exponent is below 1.
    own = 0.2 + 0.75 * draws[0] ** 0.6
    shade = 1 - (0.1 + 0.2 * draws[1]) * jnp.abs(columns) / (SIDE / 2)
    angle, pitch = jnp.pi * draws[2], 0.6 + 1.2 * draws[3]
    wave = jnp.sin(pitch * (rows * jnp.cos(angle) + columns * jnp.sin(angle)))
    # One cloth in three is patterned.
    depth = jnp.where(draws[4] < 0.33, 0.15 + 0.3 * draws[5], 0.03)
    return own * shade * (1 + depth * wave)


def _soft(inside: Float[Array, "28 28"]) -> Float[Array, "28 28"]:
    """The share of a pixel that is covered, by how far it is inside the edge."""
    return jnp.clip(inside + 0.5, 0, 1)
