"""Modules that are too long are refused, tests are not, and nothing is read that git does not list."""

import subprocess
from pathlib import Path

import pytest

from tools.checks import sizes


def test_a_module_of_more_lines_is_named_with_their_number(tmp_path: Path) -> None:
    names = ["a/short.py", "a/long.py", "a/tests/long.py", "a/removed.py"]
    for name in names[:3]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        extra = "long" in name
        (tmp_path / name).write_text("x = 1\n" * (sizes.MOST_LINES + extra))

    assert list(sizes.too_long(tmp_path, names)) == [
        "a/long.py: 301 lines, more than 300; split it by what it does"
    ]


def test_the_check_reads_what_git_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sizes, "ROOT", tmp_path)
    for name in ("listed.py", "other.py"):
        (tmp_path / name).write_text("x = 1\n" * (sizes.MOST_LINES + 1))
    for command in (["init", "--quiet"], ["add", "listed.py"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)

    assert sizes.main() == 1
    assert capsys.readouterr().out.startswith("listed.py: 301 lines")

    (tmp_path / "listed.py").write_text("x = 1\n")

    assert sizes.main() == 0
    assert capsys.readouterr().out == ""
