"""Arrays over several devices, written and read by Orbax: each device its own part.

Each is a Zarr array of files in a folder of its own, a chunk a part, uncompressed. No
process ever holds more of it than its parts, and it can be read in any other parts.
Orbax is imported when there is something for it to do.
"""

import asyncio
import concurrent.futures
import os
import re
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Sharding

from funclearn._jaxprs import Tracer, is_key
from funclearn.checkpoints._errors import CheckpointError, Damage
from funclearn.checkpoints._leaves import DTYPES, Leaf

__all__ = ["is_sharded", "place_of", "read_arrays", "write_arrays"]

_R = TypeVar("_R")


def is_sharded(leaf: object) -> bool:
    """Whether devices hold different parts of an array.

    What lies on devices of this process alone, which is one of several, is its own.
    """
    if not isinstance(leaf, jax.Array) or isinstance(leaf, Tracer) or not leaf.size:
        return False
    if leaf.is_deleted() or leaf.is_fully_replicated:
        return False
    return jax.process_count() == 1 or not leaf.is_fully_addressable


def place_of(like: object) -> Sharding | None:
    """Where the parts of an array are to go; None if it is to be read as a whole."""
    if is_key(getattr(like, "dtype", None)):
        return None
    if isinstance(like, jax.Array) and not like.committed:
        return None
    return getattr(like, "sharding", None)


def write_arrays(folder: Path, arrays: Mapping[str, jax.Array]) -> None:
    """Writes the parts that this process has; they are on disk once this returns.

    Args:
        folder: of all arrays, in which each has one of its own.
        arrays: by the names of these.

    Raises:
        OSError: if they cannot be written.
    """
    handlers = _handlers()
    values = [
        jax.random.key_data(array) if is_key(array.dtype) else array
        for array in arrays.values()
    ]
    handler = handlers.ArrayHandler(
        use_replica_parallel=False, enable_write_sharding_file=False
    )

    async def written() -> None:
        infos = _infos(handlers, folder, arrays)
        for future in await handler.serialize(values, infos):
            await asyncio.to_thread(future.result)

    try:
        _run(written)
    # TensorStore has no classes for what the system says.
    except ValueError as error:
        number = re.search(r"os_error_code='(\d+)'", str(error))
        if number is None:
            raise OSError(str(error)) from error
        code = int(number[1])
        raise OSError(code, os.strerror(code), str(folder)) from error


def read_arrays(
    folder: Path, wanted: Mapping[str, tuple[str, Leaf, Sharding | None]]
) -> dict[str, jax.Array | np.ndarray]:
    """Reads arrays, of each the parts that this process is to have.

    Args:
        folder: of all arrays.
        wanted: by their names, of each the path in its state, what it is, and where its
            parts are to go; None has it read into the memory of the host.

    Raises:
        CheckpointError: if JAX would narrow the numbers.
        Damage: if they cannot be read.
    """
    for path, leaf, place in wanted.values():
        dtype = DTYPES[leaf.dtype]
        if place is not None and jax.dtypes.canonicalize_dtype(dtype) != dtype:
            raise CheckpointError(
                f"{path} was saved as {dtype}, which JAX holds only with "
                "jax_enable_x64 switched on."
            )
    handlers, found = _handlers(), {}

    async def read() -> None:
        for name, (_, leaf, place) in wanted.items():
            infos = _infos(handlers, folder, [name])
            if place is None:
                asked = [handlers.RestoreArgs(restore_type=np.ndarray)]
                (found[name],) = await handlers.NumpyHandler().deserialize(infos, asked)
                continue
            asked = handlers.ArrayRestoreArgs(
                sharding=place, global_shape=leaf.shape, dtype=DTYPES[leaf.dtype]
            )
            (found[name],) = await handlers.ArrayHandler().deserialize(infos, [asked])

    try:
        _run(read)
    # What Orbax and TensorStore raise has no class of theirs; the files are as written.
    except Exception as error:
        raise Damage(f"Orbax cannot read it: {error}") from error
    return found


def _handlers() -> Any:
    from orbax.checkpoint import type_handlers

    return type_handlers


def _infos(handlers: Any, folder: Path, names: Any) -> list[Any]:
    import tensorstore
    from etils import epath

    shared = {
        "parent_dir": epath.Path(folder),
        "is_ocdbt_checkpoint": False,
        "use_compression": False,
        "ts_context": tensorstore.Context(),
    }
    return [handlers.ParamInfo(name=name, **shared) for name in names]


def _run(call: Callable[[], Coroutine[Any, Any, _R]]) -> _R:
    """Runs to its end what waits, in notebooks as well, whose loop is running."""
    with concurrent.futures.ThreadPoolExecutor(1, "funclearn-orbax") as threads:
        return threads.submit(lambda: asyncio.run(call())).result()
