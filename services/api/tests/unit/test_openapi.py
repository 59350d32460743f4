import json

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

    assert len(set(ids)) == len(ids) == 16
    assert all(operation["tags"] for operation in operations)
    assert all("_" not in name for name in ids)
