"""Installing a system package is one line a step; what apt says is shown when it fails."""

from pathlib import Path

import pytest

from tools.bootstrap.commands import install_packages
from tools.bootstrap.errors import BootstrapError


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an `apt-get` first on PATH that talks much and fails when asked for what is not there."""
    program = tmp_path / "apt-get"
    program.write_text(
        "#!/bin/sh\n"
        'echo "$@" >>"$0.calls"\n'
        "echo Selecting previously unselected package\n"
        "echo Unpacking >&2\n"
        'case "$*" in *missing*) echo E: Unable to locate package >&2; exit 100;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return program


def test_apt_is_silent_while_it_works(apt: Path, capfd: pytest.CaptureFixture[str]) -> None:
    install_packages("rabbitmq-server", "pgbouncer")

    said = capfd.readouterr()
    lines = said.err.splitlines()
    assert said.out == ""
    assert len(lines) == 2
    assert lines[1].startswith("dev: installing rabbitmq-server, pgbouncer with apt … ")
    assert (
        apt.with_suffix(".calls").read_text().splitlines()[1].endswith("rabbitmq-server pgbouncer")
    )


def test_the_reason_is_shown_when_apt_fails(apt: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BootstrapError, match="installing missing with apt failed"):
        install_packages("missing")

    assert "E: Unable to locate package" in capfd.readouterr().err
