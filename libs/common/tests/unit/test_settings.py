"""Settings come from the environment and from secret files, and are checked."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from libs.common.settings import DatabaseSettings, LoggingSettings, MessagingSettings


class _Settings(LoggingSettings, DatabaseSettings, MessagingSettings):
    """Settings as a service combines them."""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give an environment with the settings that have no default."""
    monkeypatch.setenv("ADSP_BROKER_URL", "amqp://localhost/")
    monkeypatch.setenv("ADSP_REDIS_URL", "redis://localhost/0")
    monkeypatch.setenv("ADSP_DATABASE_URL", "postgresql+psycopg2://localhost/adsp")
    monkeypatch.delenv("ADSP_SECRETS_DIR", raising=False)
    return monkeypatch


def test_settings_are_read_from_variables(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ADSP_PUBLISH_TIMEOUT", "2.5")

    assert _Settings.read().publish_timeout == 2.5


def test_a_secret_file_stands_in_for_a_variable(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "adsp_database_url").write_text("postgresql+psycopg2://secret@db/adsp\n")
    environment.delenv("ADSP_DATABASE_URL")
    environment.setenv("ADSP_SECRETS_DIR", str(tmp_path))

    assert _Settings.read().database_url == "postgresql+psycopg2://secret@db/adsp"


def test_a_missing_setting_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("ADSP_DATABASE_URL")

    with pytest.raises(ValidationError, match="database_url"):
        _Settings.read()


def test_a_broker_that_is_not_rabbitmq_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ADSP_BROKER_URL", "redis://localhost/1")

    with pytest.raises(ValidationError, match="broker_url"):
        _Settings.read()


def test_an_error_shows_no_value(environment: pytest.MonkeyPatch) -> None:
    """It ends in the log, and settings hold passwords."""
    environment.setenv("ADSP_BROKER_URL", "hunter2")  # short: pydantic cuts what is long
    environment.delenv("ADSP_DATABASE_URL")

    with pytest.raises(ValidationError, match="database_url") as caught:
        _Settings.read()

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value)
