"""One run at a time in a folder."""

import os

import pytest

from funclearn.running._lock import locked


def test_a_folder_is_held_by_one_at_a_time(tmp_path):
    (tmp_path / ".lock").write_text("999999999")  # of a process that was killed
    for _ in range(2):
        with locked(tmp_path):
            with pytest.raises(
                ValueError, match=f"folder is in use: process {os.getpid()} runs in"
            ):
                with locked(tmp_path):
                    pass
