"""Write and read the YAML of the console's boxes: whatever is written comes back, and reading has its bounds."""

from typing import Any

import yaml

from libs.common.errors import BadInput

MOST_CHARACTERS = 100_000
_WIDTH = 1 << 20
"""No line is folded: a browser breaks long ones where it shows them."""


def read_yaml(text: str) -> Any:
    """Read a definition, or a part of one; raise `BadInput` for what is no YAML, too long, or has aliases.

    By aliases a few lines may stand for millions. The compiled reader bounds how deep lists may stand in each other;
    the other one takes the square of that.
    """
    if len(text) > MOST_CHARACTERS:
        raise BadInput(
            "definition-malformed",
            f"the definition has more than {MOST_CHARACTERS} characters; shorten it, or PUT it as JSON",
        )
    try:
        tokens = yaml.scan(text, Loader=yaml.CSafeLoader)
        if any(isinstance(token, yaml.AliasToken) for token in tokens):
            raise BadInput("definition-malformed", "write the definition without aliases (*name)")
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise BadInput(
            "definition-malformed", f"the definition is no YAML that can be read: {exc}"
        ) from exc


def write_yaml(value: Any) -> str:
    """Return a value of a definition as YAML, without the line end; what cannot be seen is escaped."""
    text = str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=_WIDTH))
    if not all(part.isprintable() for part in text.split("\n")):
        text = str(yaml.safe_dump(value, sort_keys=False, width=_WIDTH))
    return text.removesuffix("...\n").rstrip("\n")
