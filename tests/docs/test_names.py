"""What the documents name exists: settings, metrics, commands, and the events of the log that people look for."""

import re
from pathlib import Path

import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.api.corrections.sheet import sheet_columns

REPOSITORY = Path(__file__).resolve().parents[2]
REFERENCE = REPOSITORY / "docs" / "reference"
MADE = {"adsp.md", "settings.md", "metrics.md", "events.md", "error-codes.md", "cli.md"}
DOCUMENTS = sorted(
    file
    for file in [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
    # The changelog and the decisions speak of what was, too.
    if file.name not in MADE | {"CHANGELOG.md"} and "decisions" not in file.parts
)
OF_COMMANDS = {"ADSP_API_URL", "ADSP_API_KEY"}
OF_THE_STACK = {
    "ADSP_ALERT_WEBHOOK_URL",
    "ADSP_GRAFANA_PASSWORD",
    "ADSP_MONITOR_PASSWORD",
    "ADSP_WATCHDOG_WEBHOOK_URL",
}
OF_PROCESSES = {"ADSP_SECRETS_DIR", "ADSP_FAULTS", "ADSP_FAILPOINTS", "ADSP_FAILPOINT_TOKENS"}
OTHERS = OF_COMMANDS | OF_THE_STACK | OF_PROCESSES
GROUPS = {"keys"}  # `./dev keys create` is `keys.create`
ROLES_AND_SCHEMAS = {
    "adsp_staging",
    "adsp_owner",
    "adsp_api",
    "adsp_worker",
    "adsp_loader",
    "adsp_monitor",
    "adsp_reader",
}
COLUMNS_OF_SHEETS = set(sheet_columns([], ["one.csv", "another.csv"]))

_SETTING = re.compile(r"\bADSP_[A-Z_]+\b")
_METRIC = re.compile(r"\badsp_[a-z_]+[a-z]\b(?!…)")
_SERIES = re.compile(r"_(?:count|sum|bucket)$")
_COMMAND = re.compile(r"\./dev ([a-z.]+)")
_FIRST_CELL = re.compile(r"^\| `([^`]+)`", re.MULTILINE)
_OPTIONS = re.compile(r"^\| ((?:`[a-z_]+`(?:, )?)+) \|", re.MULTILINE)
_NAME = re.compile(r"`([a-z_]+)`")


def _first_cells(page: str) -> set[str]:
    return set(_FIRST_CELL.findall((REFERENCE / page).read_text(encoding="utf-8")))


def _names(document: Path, pattern: re.Pattern[str]) -> set[str]:
    return set(pattern.findall(document.read_text(encoding="utf-8")))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_settings_metrics_and_commands_exist(document: Path) -> None:
    metrics = {_SERIES.sub("", name) for name in _names(document, _METRIC)}
    commands = _names(document, _COMMAND) - GROUPS

    assert _names(document, _SETTING) - _first_cells("settings.md") - OTHERS == set()
    files = {name.lower() for name in _first_cells("settings.md")}  # in ADSP_SECRETS_DIR
    known = ROLES_AND_SCHEMAS | COLUMNS_OF_SHEETS | files
    assert metrics - _first_cells("metrics.md") - known == set()
    assert commands - _first_cells("cli.md") == set()


def test_every_option_of_a_dataset_is_listed_and_exists() -> None:
    page = (REFERENCE / "datasets.md").read_text(encoding="utf-8").partition("\n## ")[0]
    listed = {name for row in _OPTIONS.findall(page) for name in _NAME.findall(row)}

    assert listed == set(DatasetDefinition.model_fields)


def test_the_events_to_look_for_are_written_to_the_log() -> None:
    text = (REPOSITORY / "docs" / "howto" / "run-in-production.md").read_text(encoding="utf-8")
    rows = text.partition("## What to look for in the logs")[2].splitlines()
    named = {name for row in rows for name in _NAME.findall(row.partition(" | ")[0])}

    assert len(named) > 10
    assert named - _first_cells("events.md") == set()
