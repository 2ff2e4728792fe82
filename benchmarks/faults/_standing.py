"""What a run has left in its folder."""

from pathlib import Path

from safetensors.numpy import load_file

from benchmarks.faults._training import RESULT

__all__ = ["standing"]


def standing(folder: Path) -> dict[str, bytes]:
    """What a run that ended has left, but for what depends on the time of its saves."""
    newest = max(folder.glob("checkpoint-*.safetensors"))
    names = ("history.rows", "history.csv", "history.jsonl", RESULT)
    found = {name: (folder / name).read_bytes() for name in names}
    arrays = load_file(newest)
    found["checkpoint"] = b"".join(
        name.encode() + arrays[name].tobytes() for name in sorted(arrays)
    )
    found["step"] = newest.name.encode()
    return found
