from pathlib import Path

import pytest
import typer

from services.cli.dataset_folders import Change, read_folder


def test_files_are_read_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "items.yaml").write_text("table: public.items\n")
    (tmp_path / "prices.yml").write_text("table: public.prices\nkey: [sku]\n")
    (tmp_path / "README.md").write_text("no dataset")

    assert read_folder(tmp_path) == {
        "items": {"table": "public.items"},
        "prices": {"table": "public.prices", "key": ["sku"]},
    }


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no file"),
        ({"a.yaml": "- 1"}, "must hold the definition"),
        ({"a.yaml": "a: [1"}, "is not YAML"),
        ({"a.yaml": "a: 1", "a.yml": "a: 1"}, "two files for a"),
    ],
)
def test_a_folder_that_cannot_be_meant_is_a_usage_error(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)

    with pytest.raises(typer.BadParameter, match=said):
        read_folder(tmp_path)


def test_a_change_is_shown_as_the_lines_that_differ() -> None:
    before = {"table": "public.items", "mode": "append", "key": []}

    lines = Change("items", "change", before, {**before, "mode": "replace"}).lines()

    assert [line for line in lines if line[0] in "+-"] == ["-mode: append", "+mode: replace"]
