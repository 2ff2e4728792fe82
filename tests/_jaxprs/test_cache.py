"""Files of compiled programs."""

import pytest
from jax._src.compilation_cache import compress_executable


@pytest.fixture
def cache():
    from funclearn._jaxprs import _cache

    return _cache


def test_programs_are_told_from_other_files(cache, tmp_path):
    (tmp_path / "jit_f-0-cache").touch()
    (tmp_path / "jit_f-0-atime").touch()
    (program,) = cache.kept_in(tmp_path)
    assert program.path == str(tmp_path / "jit_f-0-cache")
    with pytest.raises(FileNotFoundError):
        cache.kept_in(tmp_path / "nowhere")


@pytest.mark.parametrize("kept", [0, 1, -1])
def test_a_program_that_was_cut_short_is_not_whole(cache, tmp_path, kept):
    packed = compress_executable(bytes(range(256)) * 40)
    program = tmp_path / "jit_f-0-cache"
    program.write_bytes(packed)
    assert cache.is_whole(program)
    program.write_bytes(packed[:kept])
    assert not cache.is_whole(program)
    program.unlink()
    with pytest.raises(FileNotFoundError):
        cache.is_whole(program)
