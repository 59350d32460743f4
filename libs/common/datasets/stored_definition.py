"""Read definitions that were stored under earlier rules."""

from typing import Any

from pydantic import (
    ValidationError,
)

from libs.common.datasets.definition import DatasetDefinition


def parse_stored(definition: dict[str, Any]) -> DatasetDefinition | ValidationError:
    """Return a stored definition in its typed form, or what today's rules say against it."""
    try:
        return DatasetDefinition.model_validate(definition)
    except ValidationError as exc:
        return exc


def describe_refusal(error: ValidationError) -> str:
    """Word what is wrong with a definition that was stored before the rule that refuses it."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'definition'}: {each['msg'].removeprefix('Value error, ')}"
        for each in error.errors(include_url=False)
    )
