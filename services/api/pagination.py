"""Cut lists into pages by key: a token names the last item seen, so pages stay right as rows come.

A token is opaque to clients and holds for the list and the filters that it was given out for.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from libs.common.errors import BadInput

Item = TypeVar("Item")
Key = TypeVar("Key")

DEFAULT_SIZE = 50
MAX_SIZE = 500


class PageQuery(BaseModel):
    """What every list takes; the filters of a list derive from it. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page_size: int = Field(DEFAULT_SIZE, ge=1, le=MAX_SIZE, description="Most items in the answer.")
    page_token: str | None = Field(
        None,
        max_length=512,
        description="`next_page_token` of the page before; omit for the first.",
    )


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_page_token: str | None = Field(description="Ask with it for the next page; null: the end.")


def write_token(last_key: str | int, *scope: object) -> str:
    """Return the token for the page after `last_key`; `scope` is the list and its filters."""
    content = json.dumps([last_key, _digest(scope)], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).rstrip(b"=").decode()


def read_token(token: str | None, parse: Callable[[Any], Key], *scope: object) -> Key | None:
    """Return the key that a page begins after, or None for the first page.

    `parse` makes the key of what the token holds, which may be anything in one that was changed.
    """
    if token is None:
        return None
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        key, digest = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if digest != _digest(scope):
            raise _invalid()
        return parse(key)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as exc:
        raise _invalid() from exc


def _digest(scope: tuple[object, ...]) -> str:
    text = json.dumps([None if part is None else str(part) for part in scope])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _invalid() -> BadInput:
    return BadInput(
        "page-token-invalid",
        "page_token belongs to another list or filter, or was changed; "
        "leave it out to begin at the first page",
    )
