"""Describe the definition of a dataset for editors: JSON Schema, as served and as kept in docs/reference."""

from typing import Any

from libs.common.datasets.definition import DatasetDefinition

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def definition_schema() -> dict[str, Any]:
    """Return the JSON Schema of a definition: the body of ``PUT /v1/datasets/{name}``, or a file of `adsp datasets`."""
    schema = DatasetDefinition.model_json_schema()
    return {"$schema": DIALECT, **schema, "title": "Dataset of ADSP"}
