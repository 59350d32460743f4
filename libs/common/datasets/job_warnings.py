"""Say what was odd about a job and allowed: the `warnings` of a job.

    plan ──► jobs.warnings ──────────┐
    load ──► chunks.warnings ──► the job's end ──► GET /v1/jobs/{id}, the job's page

A job has at most one warning of each code, and their messages are cut, so that lists of jobs stay small.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from libs.common.enums import WarningCode
from libs.common.errors import cut_message


@dataclass(frozen=True, slots=True)
class JobWarning:
    """What was odd: a stable code, words that say what was done about it, and the numbers in question."""

    code: WarningCode
    message: str
    counts: Mapping[str, int] = field(default_factory=dict)

    def as_document(self) -> dict[str, Any]:
        """Return it as the ledger keeps it."""
        return {
            "code": self.code.value,
            "message": cut_message(self.message),
            "counts": dict(self.counts),
        }


def merge_warnings(warnings: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return warnings as the ledger keeps them, of each code the first one with the sum of their counts.

    Dates are ambiguous where some contradict their order and others fit both: chunks may each have seen one kind.
    """
    merged: dict[str, dict[str, Any]] = {}
    for warning in warnings:
        first = merged.setdefault(warning["code"], {**warning, "counts": {}})
        for name, count in warning["counts"].items():
            first["counts"][name] = first["counts"].get(name, 0) + count
    return [
        warning
        for warning in merged.values()
        if warning["code"] != WarningCode.AMBIGUOUS_DATES or all(warning["counts"].values())
    ]
