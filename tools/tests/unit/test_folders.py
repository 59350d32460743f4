"""A generated folder is whole or absent, whatever happened to its builder."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tools.bootstrap import folders


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(folders, "STATE", tmp_path)
    return tmp_path


def _builder(built: list[Path]) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        built.append(folder)
        folder.mkdir()
        (folder / "probe").touch()

    return build


def test_a_folder_is_built_once_for_the_same_inputs(state: Path) -> None:
    built: list[Path] = []

    links = {folders.make_once("venv", "a" * 12, "probe", _builder(built)) for _ in range(2)}

    assert links == {state / "venv"}
    assert len(built) == 1


def test_new_inputs_make_a_new_folder_and_leave_the_one_in_use(state: Path) -> None:
    built: list[Path] = []

    for inputs in ("a" * 12, "b" * 12):
        folders.make_once("venv", inputs, "probe", _builder(built))

    assert (state / "venv").resolve() == built[1]
    assert built[0].exists()


def test_the_third_build_removes_the_first(state: Path) -> None:
    built: list[Path] = []

    for inputs in ("a" * 12, "b" * 12, "c" * 12):
        folders.make_once("venv", inputs, "probe", _builder(built))

    assert [folder.exists() for folder in built] == [False, True, True]


def test_what_a_killed_build_left_is_built_afresh(state: Path) -> None:
    half = state / "envs" / f"venv-{'a' * 12}"
    half.mkdir(parents=True)
    (half / "probe").touch()
    built: list[Path] = []

    folders.make_once("venv", "a" * 12, "probe", _builder(built))

    assert built == [half]


def test_a_failed_build_is_not_taken_for_a_whole_one(state: Path) -> None:
    def fail(folder: Path) -> None:
        folder.mkdir()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        folders.make_once("venv", "a" * 12, "probe", fail)

    assert not (state / "venv").is_symlink()


def test_a_folder_that_lost_its_program_is_built_again(state: Path) -> None:
    built: list[Path] = []
    made = folders.make_once("venv", "a" * 12, "probe", _builder(built))
    (made / "probe").unlink()

    folders.make_once("venv", "a" * 12, "probe", _builder(built))

    assert len(built) == 2


def test_two_at_once_build_one_folder(state: Path) -> None:
    built: list[Path] = []

    with ThreadPoolExecutor(4) as pool:
        starts = [
            pool.submit(folders.make_once, "venv", "a" * 12, "probe", _builder(built))
            for _ in range(4)
        ]
    made = {start.result() for start in starts}

    assert made == {state / "venv"}
    assert len(built) == 1
