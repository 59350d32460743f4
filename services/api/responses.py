"""Describe answers in the OpenAPI document, and give the one that every new job gets."""

from http import HTTPStatus
from typing import Any

from fastapi import Response

from services.api.errors.problems import MEDIA_TYPE, Problem
from services.api.idempotency import REPLAYED_HEADER
from services.api.schemas import JobDocument
from services.api.submission import Submission

Responses = dict[int | str, dict[str, Any]]

_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_DESCRIPTIONS = {
    401: "No API key, or one that is unknown or revoked.",
    403: "The key lacks the scope that this needs, or its owner has no room for more files.",
    404: "It is not there, or belongs to another owner.",
    422: "Something given is wrong: `code` names it, `detail` says how to fix it.",
    408: "Nothing more came of the body.",
    429: "Too many requests, uploads, unfinished jobs or failed rows; try again after `Retry-After` seconds.",
    503: "A server that the api needs is away; try again after `Retry-After` seconds.",
}


def problems(*statuses: int) -> Responses:
    """Document problem answers by status."""
    return {
        status: {
            "description": _DESCRIPTIONS.get(status, HTTPStatus(status).phrase),
            "content": _PROBLEM,
        }
        for status in statuses
    }


REFUSALS: Responses = problems(401, 403, 429)
"""What every call that needs a key may answer."""


def add_problem_schema(document: dict[str, Any]) -> None:
    """Define in an OpenAPI document what `problems` refers to."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    document["components"]["schemas"].update({**schema.pop("$defs"), "Problem": schema})


JOB_ACCEPTED: Responses = {
    202: {
        "description": "The job is on record and will be loaded.",
        "headers": {
            "Location": {"description": "Where the job is.", "schema": {"type": "string"}},
            REPLAYED_HEADER: {
                "description": "`true` when an earlier request with this key made the job.",
                "schema": {"type": "string"},
            },
        },
    },
    **problems(400, 404, 413, 415, 422, 503),
}


def accepted(submission: Submission, response: Response) -> JobDocument:
    """Return the job and set the headers that go with it."""
    response.headers["Location"] = f"/v1/jobs/{submission.job.id}"
    if submission.is_repeat:
        response.headers[REPLAYED_HEADER] = "true"
    return JobDocument.of(submission.job)
