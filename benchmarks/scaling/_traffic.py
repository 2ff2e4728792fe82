"""What devices tell each other in a step: by a formula, and read off a program.

With P trained parameters, B blocks, and numbers of s bytes, each of several devices
hears in a step of `fit`:

    a full batch    all-reduce of s (P + loss + extras)
    a minibatch     all-reduce of its rows, of which every device has some; then one
                    of s (P + loss), if the devices divide the rows: else all compute
                    the whole of it
    with blocks     all-gather of s B (P + loss + weight), as the first or the second

where loss and weight, by which a block counts, are one number each. A collective of
many arrays is one. Bytes are those of what it leaves on a device; what goes over a wire
for it is the algorithm's choice.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["Collective", "counted", "of_a_step"]


class Collective(NamedTuple):
    """One operation in which all devices take part.

    Attributes:
        kind: its name in HLO, such as `all-reduce`.
        n_bytes: of its results on a device.
    """

    kind: str
    n_bytes: int


def of_a_step(
    params: Any,
    data: Any,
    *,
    devices: int,
    batch_size: int | None = None,
    blocks: int | None = None,
    extras: int = 0,
) -> list[Collective]:
    """The formula.

    It is that of objectives that are a mean over rows, plus what the parameters alone
    determine; models that take notes of a batch tell these too.

    Args:
        params: those that are trained, arrays or their types.
        data: inputs and targets, arrays or their types; of weights every device has
            all, from before the first step.
        devices: how many there are.
        batch_size: rows of a minibatch; None for full batches.
        blocks: as of `fl.make_train_step`.
        extras: other means over all rows in every step, such as an evaluation.
    """
    if devices == 1:
        return []
    leaves = jax.tree.leaves(params)
    n_params, loss, weight = sum(leaf.size for leaf in leaves), 1, 1
    itemsize = jnp.result_type(jnp.float32, *leaves).itemsize
    found = []
    if batch_size is not None:
        columns = jax.tree.leaves(data)
        row = sum(leaf.size // len(leaf) * leaf.dtype.itemsize for leaf in columns)
        found.append(Collective("all-reduce", batch_size * row))
    if blocks is not None:
        entries = blocks * (n_params + loss + weight)
        found.append(Collective("all-gather", entries * itemsize))
    elif batch_size is None or batch_size % devices == 0:
        entries = n_params + loss + extras
        found.append(Collective("all-reduce", entries * itemsize))
    return found


_HEAD = re.compile(r"^(?:ENTRY )?%?([\w.-]+) .*\{$")
_COLLECTIVE = re.compile(
    r" = (.*?) ((?:ragged-)?(?:all|reduce|collective)-(?:reduce|gather|to-all|scatter"
    r"|permute|broadcast))(?:-start)?\("
)
_CALLED = re.compile(r"(\w+)=\{?((?:%[\w.-]+(?:, )?)+)\}?")
_ARRAY = re.compile(r"\b([a-z]+\d*\w*)\[([\d,]*)\]")
_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4}
_BYTES |= {"f32": 4, "s64": 8, "u64": 8, "f64": 8}


def counted(text: str) -> dict[int, list[Collective]]:
    """The collectives of a compiled program, by how many loops they are in.

    Args:
        text: `compiled.as_text()`, of a CPU's program: others split a collective in a
            start, whose results are more, and an end.
    """
    found: dict[str, list[Collective]] = defaultdict(list)
    callers: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for computation, line in _lines(text):
        if match := _COLLECTIVE.search(line):
            n_bytes = sum(map(_n_bytes, _ARRAY.findall(match[1])))
            found[computation].append(Collective(match[2], n_bytes))
        for role, names in _CALLED.findall(line):
            for name in names.split(", "):
                callers[name[1:]].append((computation, role == "body"))

    def loops_around(computation: str) -> int:
        around = callers[computation]
        return max((loops_around(one) + looped for one, looped in around), default=0)

    of_depth: dict[int, list[Collective]] = defaultdict(list)
    for computation, collectives in found.items():
        of_depth[loops_around(computation)] += collectives
    return dict(of_depth)


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Every line with the name of the computation that it is in."""
    name = ""
    for line in text.splitlines():
        if head := _HEAD.match(line):
            name = head[1]
        yield name, line


def _n_bytes(array: tuple[str, str]) -> int:
    dtype, shape = array
    n_bytes = _BYTES[dtype]
    for length in filter(None, shape.split(",")):
        n_bytes *= int(length)
    return n_bytes
