"""List the events that are published, as the ledger makes them, and those in the log, as the code writes them."""

import ast
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from sqlalchemy.orm import Session

from libs.common.enums import END_STATES, JobState, Trigger
from libs.common.ledger.job_end import event_payload
from libs.common.ledger.jobs import record_growth, record_wait
from libs.common.ledger.models import Event, Job
from libs.common.messaging.names import EVENTS_EXCHANGE
from tools.reference.markdown import code, table
from tools.reference.source_code import Call, calls, words_of

_HEAD = f"""\
# Events

## Published

On the topic exchange `{EVENTS_EXCHANGE}` of RabbitMQ, at least once. Routing key and type of a message are the
event's name; its `message_id` is the same each time that it is sent. The body is JSON. What the ends of a job
mean says the [glossary](../glossary.md#states-of-a-job).
"""
_LOGGED = """\
## Logged

Each line has `event` and the fields below ("…": and others that belong together), `timestamp`, `level`, and the ids
that are known there, such as `request_id`. The ones to look for first:
[run in production](../howto/run-in-production.md#what-to-look-for-in-the-logs).
"""
_LEVELS = ("debug", "info", "warning", "error", "exception")
_MOMENT = datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
_WHEN = {
    "job.late": "a job begins to wait for its source",
    "job.source-grew": "a file became longer after its load",
}


def page() -> str:
    """Return the page: published events with an example, and events of the log."""
    header = ("event", "published when", "fields beside those of the example")
    published = table(header, _published())
    example = f"For example:\n\n```json\n{json.dumps(event_payload(_job()), indent=2)}\n```\n"
    logged = table(("event", "level", "fields", "module"), _logged())
    return f"{_HEAD}\n{published}\n{example}\n{_LOGGED}\n{logged}"


def _published() -> Iterator[tuple[str, str, str]]:
    ends = [state for state in JobState if state in END_STATES]
    yield ", ".join(code(f"job.{state.value}") for state in ends), "a job has ended so", ""
    usual = event_payload(_job()).keys()
    for event in _between():
        fields = [code(name) for name in event.payload if name not in usual]
        yield code(event.type), _WHEN[event.type], ", ".join(fields)


def _between() -> list[Event]:
    """Let the ledger make the events that are no ends, into nothing."""
    made = _Events()
    session = cast("Session", made)
    record_wait(session, _job(JobState.RUNNING), until=_MOMENT, next_attempt_at=_MOMENT)
    record_growth(session, _job(), "/srv/incoming/prices.csv", 1, 2)
    return made.added


class _Events:
    """Stands in for a session of an empty ledger; `added` is what came into it."""

    def __init__(self) -> None:
        self.added: list[Event] = []

    def add(self, event: Event) -> None:
        self.added.append(event)

    def scalar(self, _statement: object) -> None:
        """Find nothing."""

    def flush(self) -> None:
        """Write nothing."""


def _job(state: JobState = JobState.COMPLETED_WITH_REJECTS) -> Job:
    counts = {"rows_read": 10_000, "rows_loaded": 9_961, "rows_rejected": 39, "rows_superseded": 0}
    return Job(
        id=UUID("019ab35e-7c00-7000-8000-000000000000"),
        dataset="prices",
        data_date=date(2026, 11, 24),
        source="prices-2026-11-24.csv",
        state=state,
        trigger=Trigger.SCHEDULE,
        warnings=[],
        attempt=1,
        created_at=_MOMENT,
        finished_at=_MOMENT,
        **counts,
    )


def _logged() -> list[tuple[str, str, str, str]]:
    """Return each event of the log once, with the levels, fields and modules that it has anywhere."""
    found: dict[str, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    for call in calls(_LEVELS):
        for name in _names(call):
            parts = found[name]
            parts["levels"][_level(call.name)] = None
            parts["fields"] |= dict.fromkeys(_fields(call.node))
            parts["modules"][_short(call.module)] = None
    return [(code(name), *_cells(parts)) for name, parts in sorted(found.items())]


def _cells(parts: Mapping[str, Mapping[str, Any]]) -> tuple[str, str, str]:
    fields = ", ".join(map(code, parts["fields"]))
    return ", ".join(parts["levels"]), fields, ", ".join(map(code, parts["modules"]))


def _names(call: Call) -> list[str]:
    """Return the event's name, or both of a choice."""
    first = call.node.args[0] if call.node.args else None
    choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
    return [words_of(each) for each in choices if isinstance(each, ast.Constant)]


def _level(method: str) -> str:
    return "error" if method == "exception" else method


def _fields(node: ast.Call) -> list[str]:
    return [keyword.arg or "…" for keyword in node.keywords if keyword.arg != "exc_info"]


def _short(module: Path) -> str:
    return str(module.with_suffix("")).removeprefix("libs/")
