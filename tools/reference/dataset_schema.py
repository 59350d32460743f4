"""Write the JSON Schema of a dataset's definition: the same that the api serves, for editors without an api."""

import json

from libs.common.datasets.json_schema import definition_schema


def page() -> str:
    """Return the schema as it is kept."""
    return json.dumps(definition_schema(), indent=2, ensure_ascii=False) + "\n"
