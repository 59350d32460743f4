"""Read what a dataset's page tells beside its definition: the table, what is missing, its versions and loads."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import yaml
from cronsim import CronSim
from psycopg2.extensions import connection as Connection  # a class in lower case
from sqlalchemy import select
from sqlalchemy.orm import Session

from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.stored_definition import parse_stored
from libs.common.errors import BadInput
from libs.common.ledger.models import Dataset, DatasetVersion
from libs.common.postgres.trigger_rights import find_lacking_rights
from libs.common.sql_files import statement
from services.api.dataset_changes import require_loadable

_MOST_VERSIONS = 20


@dataclass(frozen=True)
class Target:
    """The table of a dataset: its columns and constraints, and why a load could not write it."""

    columns: Sequence[Mapping[str, Any]]
    constraints: Sequence[Mapping[str, Any]]
    refusal: str | None
    warnings: list[str]


@dataclass(frozen=True)
class Chart:
    """Numbers of loads as bars, the oldest first; `heights` are parts of a thousand of the greatest."""

    label: str
    greatest: str
    heights: list[int]


def read_target(session: Session, dataset: Dataset) -> Target:
    """Return what the catalog says of the table, whether or not it can be loaded."""
    about = {"relation": dataset.definition.get("table")}
    columns = _rows(session, "target_columns", about)
    constraints = _rows(session, "target_constraints", about)
    refusal, warnings = _judge(session, dataset)
    return Target(columns, constraints, refusal, warnings)


def read_versions(session: Session, name: str) -> Sequence[DatasetVersion]:
    """Return the last versions of a definition, the newest first."""
    query = select(DatasetVersion).where(DatasetVersion.dataset == name)
    newest = query.order_by(DatasetVersion.version.desc()).limit(_MOST_VERSIONS)
    return session.scalars(newest).all()


def difference(session: Session, name: str, version: int) -> list[str] | None:
    """Return the lines in which a version differs from the one before, None when there is no such version."""
    found = session.get(DatasetVersion, (name, version))
    if found is None:
        return None
    before = session.get(DatasetVersion, (name, version - 1))
    old = as_yaml(before.definition).splitlines() if before else []
    lines = difflib.unified_diff(old, as_yaml(found.definition).splitlines(), lineterm="", n=3)
    return list(lines)[2:]


def read_history(session: Session, name: str, owner: str | None) -> Sequence[Mapping[str, Any]]:
    """Return the last loads, the oldest first; of all jobs without an owner, else of his."""
    about = {"dataset": name, "owner": owner}
    return _rows(session, "load_history", about)[::-1]


def charts_of(history: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Return rows, time and rejects of loads as charts."""
    return [
        _chart("Rows loaded", [int(load["rows_loaded"]) for load in history], ""),
        _chart("Duration", [float(load["seconds"]) for load in history], " s"),
        _chart("Rows rejected", [int(load["rows_rejected"]) for load in history], ""),
    ]


def next_due(dataset: Dataset) -> datetime | None:
    """Return when the schedule is due next, None without one or while it is paused."""
    schedule = dataset.definition.get("schedule")
    if not schedule or dataset.paused_at is not None:
        return None
    zone = ZoneInfo(schedule.get("time_zone") or "UTC")
    due = next(CronSim(schedule["cron"], datetime.now(zone)), None)
    return due.astimezone(UTC) if due else None


def as_yaml(document: Mapping[str, Any]) -> str:
    """Return a definition as a file of `adsp datasets apply` has it, without what is left at its default."""
    shown = {name: value for name, value in document.items() if value not in (None, [], {})}
    return str(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True))


def _judge(session: Session, dataset: Dataset) -> tuple[str | None, list[str]]:
    definition = parse_stored(dataset.definition)
    if not isinstance(definition, DatasetDefinition):
        return str(definition), []
    driver = cast(Connection, session.connection().connection.driver_connection)
    try:
        table = require_loadable(driver, definition)
    except BadInput as exc:
        return exc.message, []
    return None, find_lacking_rights(driver, table, definition.mode)


def _chart(label: str, values: Sequence[float], unit: str) -> Chart:
    greatest = max(values, default=0)
    heights = [round(1000 * value / greatest) if greatest else 0 for value in values]
    return Chart(label, f"{greatest:,.1f}{unit}" if unit else f"{greatest:,}", heights)


def _rows(session: Session, name: str, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = session.execute(statement(__package__, name), about)
    return [dict(row) for row in found.mappings()]
