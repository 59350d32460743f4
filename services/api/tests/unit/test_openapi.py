import json
from typing import Any

from services.api.openapi import SNAPSHOT, render_document

ERROR_STATUSES = ("4", "5")


def test_the_committed_document_is_that_of_the_app() -> None:
    """Run `python -m services.api.openapi` and review the difference when this fails."""
    assert SNAPSHOT.read_text(encoding="utf-8") == render_document()


def test_every_error_in_the_document_is_a_problem() -> None:
    operations = [
        operation
        for path in json.loads(render_document())["paths"].values()
        for operation in path.values()
    ]
    errors = [
        answer
        for operation in operations
        for status, answer in operation["responses"].items()
        if status.startswith(ERROR_STATUSES)
    ]

    assert errors
    assert all(list(error["content"]) == ["application/problem+json"] for error in errors)


def test_every_operation_has_an_id_and_a_tag() -> None:
    operations = [
        operation
        for path in json.loads(render_document())["paths"].values()
        for operation in path.values()
    ]
    ids = [operation["operationId"] for operation in operations]

    assert len(set(ids)) == len(ids) == 47
    assert all(operation["tags"] for operation in operations)
    assert all("_" not in name for name in ids)


def test_no_body_takes_a_field_that_is_not_described() -> None:
    """What a body is made of too: a misspelt option must not be taken for one that was left out."""
    document = json.loads(render_document())
    bodies = [
        content["schema"]
        for path in document["paths"].values()
        for operation in path.values()
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items()
        if media_type == "application/json"
    ]
    schemas = {
        name: document["components"]["schemas"][name]
        for body in bodies
        for name in _named(body, document)
    }
    objects = {name: schema for name, schema in schemas.items() if "properties" in schema}

    assert {"JobCreation", "TriggerRequest", "DatasetDefinition", "FileFormat", "Schedule"} <= set(
        objects
    )
    assert all(schema["additionalProperties"] is False for schema in objects.values())


def _named(schema: object, document: dict[str, Any]) -> set[str]:
    """Return the names of all schemas that a schema refers to, and they in turn."""
    if isinstance(schema, list):
        return {name for part in schema for name in _named(part, document)}
    if not isinstance(schema, dict):
        return set()
    found = {name for part in schema.values() for name in _named(part, document)}
    reference = schema.get("$ref")
    if reference is not None:
        name = str(reference).rpartition("/")[2]
        found |= {name, *_named(document["components"]["schemas"][name], document)}
    return found
