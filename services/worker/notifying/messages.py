"""Put into words what people hear of a job."""

from typing import Any, NamedTuple

from libs.common.datasets.notify import Occasion

_WORDS = {
    Occasion.FAILED: "failed",
    Occasion.GUARD: "was stopped by a guard",
    Occasion.LATE: "is late: it waits for its source",
    Occasion.COMPLETED_WITH_REJECTS: "loaded, with rejected rows",
    Occasion.DRIFT: "has another header than the last load",
    Occasion.RECOVERED: "loads again",
}
_COUNTS = ("rows_read", "rows_loaded", "rows_rejected", "rows_superseded")


class Message(NamedTuple):
    """What a person reads."""

    title: str
    body: str


def describe(payload: dict[str, Any], occasions: list[str], public_url: str | None) -> Message:
    """Return the message of an event; `public_url` is where people reach the console."""
    said = " and ".join(_WORDS[Occasion(each)] for each in occasions)
    lines = [
        f"Dataset {payload['dataset']}, data date {payload['data_date']}: {said}.",
        f"Source: {payload['source']}",
    ]
    error = payload.get("error")
    if error:
        lines.append(f"Error: {error['code']}: {error['message']}")
    if "waits_until" in payload:
        lines.append(f"It waits until {payload['waits_until']}.")
    if "header_changes" in payload:
        changes = payload["header_changes"]
        lines += [
            f"{word}: {', '.join(changes[key])}"
            for word, key in (("New columns", "added"), ("Lost columns", "lost"))
            if changes[key]
        ]
    if payload.get("rows_read"):
        counts = (f"{name.removeprefix('rows_')} {payload[name]:,}" for name in _COUNTS)
        lines.append(f"Rows: {', '.join(counts)}")
    job = f"/jobs/{payload['job_id']}"
    lines.append(f"Job: {public_url.rstrip('/')}{job}" if public_url else f"Job: {job}")
    return Message(
        f"ADSP: {payload['dataset']} {payload['data_date']} {said.partition(':')[0]}",
        "\n".join(lines),
    )
