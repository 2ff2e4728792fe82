"""A folder of shards: arrays of NumPy's in files, mapped into memory."""

from pathlib import Path

import numpy as np

from funclearn._weights import check_weights
from funclearn.data import Dataset

__all__ = ["open_shards"]

_FIELDS = Dataset._fields


def open_shards(folder: Path) -> list[Dataset]:
    """Maps the shards of a folder, in the order of their names.

    Args:
        folder: with files `inputs-NAME.npy` and `targets-NAME.npy` for every shard, and
            `weights-NAME.npy` for all or for none.

    Raises:
        ValueError: if a file is missing, cannot be read, holds another type of rows
            than the first or no rows, or there is none; if weights are negative, not
            finite or all 0.
    """
    files = {
        field: {
            path.stem.partition("-")[2]: path for path in folder.glob(f"{field}-*.npy")
        }
        for field in _FIELDS
    }
    names = sorted(set().union(*files.values()))
    if not names:
        raise ValueError(
            f"train must be a folder with files inputs-NAME.npy and targets-NAME.npy; "
            f"{folder} has none."
        )
    fields = _FIELDS if files["weights"] else _FIELDS[:2]
    shards = []
    for name in names:
        missing = [field for field in fields if name not in files[field]]
        if missing:
            raise ValueError(f"train lacks {folder / f'{missing[0]}-{name}.npy'}.")
        shards.append(Dataset(*(_mapped(files[field][name]) for field in fields)))
        _check_alike(shards[-1], shards[0], name)
        check_weights(f"train[{name!r}]", shards[-1], padding=True)
    if files["weights"] and not any(np.any(shard.weights) for shard in shards):
        check_weights("train", shards[0])
    return shards


def _mapped(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"train holds {path}, which cannot be mapped: {error}"
        ) from None
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(
            f"train holds {path}, which must have rows; got {array.shape}."
        )
    return array


def _check_alike(shard: Dataset, first: Dataset, name: str) -> None:
    lengths = {len(leaf) for leaf in shard}
    if len(lengths) > 1:
        raise ValueError(
            f"train must have as many rows in all files of a shard; shard {name} has "
            f"{', '.join(map(str, sorted(lengths)))}."
        )
    for field, got, needed in zip(_FIELDS, shard, first, strict=False):
        if (got.dtype, got.shape[1:]) != (needed.dtype, needed.shape[1:]):
            raise ValueError(
                f"train must have rows of one type in all shards; {field}-{name}.npy "
                f"has {got.dtype}{list(got.shape[1:])}, the first shard "
                f"{needed.dtype}{list(needed.shape[1:])}."
            )
