import pytest

from funclearn.checkpoints._keeping import folder_of, listed, path_of, superfluous


def test_checkpoints_are_listed_by_step(tmp_path):
    steps = [3, 10**13, 0, 12]
    for step in steps:
        path_of(tmp_path, step).touch()
    for name in (
        "checkpoint-5.safetensors",
        "checkpoint-0000000000007.safetensors",
        "checkpoint-000000000008.safetensors.part",
        ".checkpoint-000000000009.safetensors.ab.tmp",
        "history.csv",
    ):
        (tmp_path / name).touch()
    assert list(listed(tmp_path)) == sorted(steps, reverse=True)
    assert listed(tmp_path)[3].name == "checkpoint-000000000003.safetensors"


def test_no_folder_holds_nothing_and_a_file_is_none(tmp_path):
    assert listed(tmp_path / "none") == {}
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        listed(tmp_path / "file")


def test_a_folder_is_a_path():
    assert folder_of("a") == folder_of(folder_of("a"))
    with pytest.raises(TypeError, match="folder must be a path; got 3"):
        folder_of(3)


@pytest.mark.parametrize(
    ("given", "step", "keep", "direction", "gone"),
    [
        ({1: None, 2: None, 3: None}, 3, 2, "min", {1}),
        ({1: 0.5, 2: 2.0, 3: 1.0}, 3, 1, "min", {2}),
        ({1: 0.5, 2: 2.0, 3: 1.0}, 3, 1, "max", {1}),
        ({1: float("nan"), 2: 1.0, 3: 2.0}, 3, 1, "min", {1}),
        ({1: float("nan"), 2: None, 3: float("nan")}, 3, 1, "max", {1, 2}),
        ({1: float("-inf"), 2: 1.0, 3: 2.0}, 3, 1, "min", {2}),
        ({1: 1.0, 2: 1.0, 3: 1.0}, 3, 1, "min", {2}),  # of equal ones the first
        ({1: 1.0, 2: 2.0, 8: 0.5, 9: None}, 2, 1, "min", {1}),  # later ones stay
        ({5: 1.0}, 5, 3, "min", set()),
    ],
)
def test_the_last_and_the_best_are_kept(given, step, keep, direction, gone):
    assert set(superfluous(given, step, keep, direction)) == gone
