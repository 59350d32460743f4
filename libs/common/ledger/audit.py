"""Keep who changed what, when and from where: the entry is written by the transaction that makes the change.

Nobody changes or deletes an entry: the services may add and read.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from libs.common.enums import AuditAction
from libs.common.ledger.models import AuditEntry
from libs.common.logs import bound_request_id

ANYBODY = "anybody"
"""Who changes something through an api that asks for no keys."""

OPERATOR = "operator"
"""Who changes something past the api, as the ledger's owner."""


@dataclass(frozen=True)
class Actor:
    """Who makes a change: the owner of a key, its id, and the address that the request came from."""

    who: str
    key_id: str | None = None
    address: str | None = None


def record_audit(
    session: Session, actor: Actor, action: AuditAction, subject: str, **details: Any
) -> None:
    """Add the entry of a change to its transaction; `subject` is what was changed, such as ``job/<id>``.

    Details hold ids, names and numbers, never cells of rows or secrets.
    """
    entry = AuditEntry(
        who=actor.who,
        key_id=actor.key_id,
        address=actor.address,
        request_id=bound_request_id(),
        action=action.value,
        object=subject,
        details=details,
    )
    session.add(entry)
