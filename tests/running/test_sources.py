"""What training data are taken for."""

import numpy as np
import pytest

from funclearn.running import _sources
from funclearn.running._given import Function
from funclearn.running._mapped import Rows
from funclearn.running._sources import as_source
from tests.running.running_setting import DATA
from tests.running.streams import mapped, write_shards


def test_what_fits_in_a_block_is_read_at_once(tmp_path, monkeypatch):
    data = mapped(tmp_path, DATA)
    assert as_source(data, 4) is None and as_source(DATA, None) is None
    monkeypatch.setattr(_sources, "BLOCK", 87)  # bytes; there are 88
    assert isinstance(as_source(data, 4), Rows)
    assert as_source(data, None) is None  # the full batch has to be in memory anyway


def test_a_path_is_a_folder_of_shards_and_a_function_gives_batches(tmp_path):
    folder = write_shards(tmp_path / "shards", DATA, (5, 6))
    for path in (folder, str(folder)):
        source = as_source(path, 4)
        assert isinstance(source, Rows) and source.n_batches == 3
    assert isinstance(as_source(lambda key, epoch: [], None), Function)


def test_bad_sources_are_refused_by_name(tmp_path, in_parts):
    with pytest.raises(ValueError, match="batch_size must be given where train is a"):
        as_source(tmp_path, None)
    with pytest.raises(ValueError, match="batch_size must be None where train is a fu"):
        as_source(lambda key, epoch: [], 4)
    np.save(tmp_path / "texts.npy", np.array(["a", "b"]))
    with pytest.raises(TypeError, match=r"train must hold numbers; got text"):
        as_source(np.load(tmp_path / "texts.npy", mmap_mode="r"), 1)
    negative = DATA._replace(weights=np.arange(11.0) - 1)
    with pytest.raises(ValueError, match=r"train\.weights must be finite and not neg"):
        as_source(mapped(tmp_path, negative), 4)
    uneven = mapped(tmp_path, DATA)._replace(targets=DATA.targets[:5])
    with pytest.raises(ValueError, match="train must hold arrays with one leading"):
        as_source(uneven, 4)
    path = tmp_path / "1.npy"
    number = np.memmap(path, np.float32, mode="r", shape=())
    with pytest.raises(ValueError, match="train must hold arrays with one leading"):
        as_source(uneven._replace(targets=number), 4)


def test_lists_beside_mapped_arrays_are_arrays(tmp_path, in_parts):
    data = mapped(tmp_path, DATA)._replace(targets=DATA.targets.tolist())
    assert isinstance(as_source(data, 4), Rows)
