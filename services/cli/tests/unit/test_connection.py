from pathlib import Path

import pytest

from services.cli.connection import Login, NotLoggedIn, current_login, keep_login, login_file
from services.cli.main import run


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give an empty home, and no address or key in the environment."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("ADSP_API_URL", "ADSP_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_login_is_kept_for_its_user_alone() -> None:
    keep_login(Login("https://a.example", "one"))
    file = keep_login(Login("https://a.example", "two"))

    assert current_login() == Login("https://a.example", "two")
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_login(Login("https://a.example", "kept"))
    monkeypatch.setenv("ADSP_API_KEY", "given")

    assert current_login() == Login("https://a.example", "given")


def test_a_kept_key_goes_to_no_other_address(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_login(Login("https://a.example", "kept"))
    monkeypatch.setenv("ADSP_API_URL", "https://b.example")

    assert current_login() == Login("https://b.example", None)


@pytest.mark.parametrize("content", ["{", "[]", '{"url": "x"}'])
def test_a_spoiled_login_is_named(content: str) -> None:
    login_file().parent.mkdir(parents=True)
    login_file().write_text(content)

    with pytest.raises(NotLoggedIn, match="run `adsp login` again"):
        current_login()


def test_without_a_login_the_command_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["jobs"]) == 64
    assert "adsp login" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lode"], "No such command"),
        (["load"], "FILE"),
        (["load", "/nowhere.csv", "--dataset", "items"], "does not exist"),
        (["jobs", "--limit", "0"], "--limit"),
        (["jobs", "--date", "today"], "today"),
        (["rejects", "1", "--csv", "--edit"], "choose one"),
        (["rejects", "1", "--check", "--replay"], "choose one"),
        (["rejects", "1", "--sheet", "--replay"], "choose one"),
        (["rejects", "1", "--reason", "check", "--replay"], "take all rows"),
        (["rejects", "1", "--apply", "/nowhere.csv"], "does not exist"),
    ],
)
def test_a_command_line_that_is_wrong_exits_with_64(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 64
    assert said in capsys.readouterr().err


def test_the_doctor_says_that_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADSP_API_URL", "http://127.0.0.1:9")

    assert run(["doctor"]) == 4
    assert "does not answer" in capsys.readouterr().out
