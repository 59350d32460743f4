"""Cut lists into pages by key: a token names the last item seen, so pages stay right as rows come.

A token is opaque to clients and holds for the list and the filters that it was given out for.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from libs.common.errors import BadInput
from libs.common.strict_model import StrictModel

Item = TypeVar("Item")
Row = TypeVar("Row")
Key = TypeVar("Key")

DEFAULT_SIZE = 50
MAX_SIZE = 500


class PageQuery(StrictModel):
    """What every list takes; the filters of a list derive from it. Unknown names are refused."""

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


@dataclass(frozen=True)
class Order(Generic[Row]):
    """What a list is in the order of: a column whose values are unique in it.

    `parse` makes a value of what a token holds, which may be anything in one that was changed.
    """

    column: InstrumentedAttribute[Any]
    parse: Callable[[Any], Any]
    is_descending: bool = False

    def begin_after(self, query: Select[Row], last: object) -> Select[Row]:
        """Return the query in this order, from what follows the last item seen; None: from the begin."""
        column = self.column
        if last is not None:
            query = query.where(column < last if self.is_descending else column > last)
        return query.order_by(column.desc() if self.is_descending else column)

    def token_after(self, row: Row, scope: Sequence[object]) -> str:
        """Return the token for the page that follows an item."""
        last = getattr(row, self.column.key)
        return write_token(last if isinstance(last, int) else str(last), *scope)


def read_rows(session: Session, query: Select[Row], most: int) -> tuple[Sequence[Row], bool]:
    """Return the first rows of a query and whether there are more."""
    rows = session.scalars(query.limit(most + 1)).all()
    return rows[:most], len(rows) > most


def paginate(
    session: Session,
    query: Select[Row],
    order: Order[Row],
    asked: PageQuery,
    scope: Sequence[object],
    show: Callable[[Row], Item],
    read: Callable[[Session, Select[Row], int], tuple[Sequence[Row], bool]] = read_rows,
) -> Page[Item]:
    """Return the page that was asked for; `scope` is the list and its filters, `show` makes an item of a row."""
    last = read_token(asked.page_token, order.parse, *scope)
    rows, has_more = read(session, order.begin_after(query, last), asked.page_size)
    token = order.token_after(rows[-1], scope) if has_more else None
    return Page(items=[show(row) for row in rows], next_page_token=token)


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
