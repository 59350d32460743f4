"""The client reads what the api writes: their models are compared, since neither may import the other."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel

from libs.client import job_log, models
from libs.common import enums
from services.api.dataset_schemas import DatasetDocument
from services.api.routes.job_files import JobFileDocument
from services.api.routes.job_log import JobLogDocument, LogLineDocument
from services.api.schemas import (
    FailedRowDocument,
    HeaderChangesDocument,
    JobDocument,
    JobErrorDocument,
    JobWarningDocument,
    LoadPathDocument,
)

PAIRS: list[tuple[type[BaseModel], type[BaseModel]]] = [
    (JobDocument, models.Job),
    (JobErrorDocument, models.JobError),
    (JobWarningDocument, models.JobWarning),
    (LoadPathDocument, models.JobLoadPath),
    (HeaderChangesDocument, models.HeaderChanges),
    (JobFileDocument, models.JobFile),
    (FailedRowDocument, models.FailedRow),
    (JobLogDocument, job_log.JobLog),
    (LogLineDocument, job_log.LogLine),
]


def _nullable(model: type[BaseModel]) -> dict[str, bool]:
    """Return whether each field may be null."""
    return {name: _is_nullable(field.annotation) for name, field in model.model_fields.items()}


def _is_nullable(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


@pytest.mark.parametrize(("document", "model"), PAIRS, ids=lambda kind: str(kind.__name__))
def test_a_model_has_the_fields_of_its_document(
    document: type[BaseModel], model: type[BaseModel]
) -> None:
    assert _nullable(model) == _nullable(document)


def test_the_states_of_a_job_are_those_of_the_ledger() -> None:
    assert {*models.JobState} == {*enums.JobState}


def test_a_datasets_definition_is_what_stands_beside_nothing_else() -> None:
    document = DatasetDocument.model_validate(
        {
            "name": "items",
            "table": "public.items",
            "version": 3,
            "paused_at": None,
            "created_at": "2026-01-02T00:00:00Z",
            "updated_at": "2026-01-02T00:00:00Z",
        }
    )

    read = models.Dataset.of(document.model_dump(mode="json"))

    assert (read.name, read.version) == ("items", 3)
    assert read.definition["table"] == "public.items"
    assert not {"name", "version", "paused_at", "created_at", "updated_at"} & set(read.definition)
