"""The log is JSON, one line an event, and holds no variable of the code that failed."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from libs.common.logs import configure_logging, get_logger
from libs.common.settings import LoggingSettings


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    """Leave the logging of the test run as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Return what was logged."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_both_kinds_of_loggers_write_json_with_the_service(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(LoggingSettings(log_format="json"), "probe")

    get_logger("ours").info("chunk_loaded", rows_loaded=3)
    logging.getLogger("theirs").warning("something %s", "happened")

    ours, theirs = lines(capsys)
    assert (ours["event"], ours["rows_loaded"], ours["service"]) == ("chunk_loaded", 3, "probe")
    assert (theirs["event"], theirs["level"]) == ("something happened", "warning")


def test_bound_ids_stand_in_lines_of_libraries_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LoggingSettings(log_format="json"), "probe")

    with structlog.contextvars.bound_contextvars(job_id="j1"):
        logging.getLogger("theirs").warning("inside")
    logging.getLogger("theirs").warning("outside")

    inside, outside = lines(capsys)
    assert inside["job_id"] == "j1"
    assert "job_id" not in outside


def test_traceback_shows_the_place_and_no_variable(capsys: pytest.CaptureFixture[str]) -> None:
    """Variables hold rows of files and passwords of URLs."""
    configure_logging(LoggingSettings(log_format="json"), "probe")
    password = "hunter2"

    try:
        raise ValueError(str(len(password)))
    except ValueError:
        get_logger("ours").exception("failed")

    [line] = lines(capsys)
    assert "test_logs.py" in json.dumps(line["exception"])
    assert password not in json.dumps(line)


HOSTILE = 'x\n{"event": "job_ended"}\r\x1b[2J\x00\u2028\x9b'


@pytest.mark.parametrize("form", ["json", "console"])
def test_text_of_others_makes_no_line_and_steers_no_terminal(
    capsys: pytest.CaptureFixture[str], form: Literal["json", "console"]
) -> None:
    configure_logging(LoggingSettings(log_format=form), "probe")

    get_logger("ours").info("request_answered", path=HOSTILE)
    logging.getLogger("theirs").warning(HOSTILE)

    written = capsys.readouterr().err
    plain = re.sub(r"\x1b\[[0-9;]*m", "", written)  # the colours are our own
    assert written.count("\n") == 2
    assert not set(plain) & {"\r", "\x1b", "\x00", "\x9b"}


def test_level_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LoggingSettings(log_format="json", log_level="warning"), "probe")

    get_logger("ours").info("quiet")
    get_logger("ours").warning("loud")

    assert [line["event"] for line in lines(capsys)] == ["loud"]
