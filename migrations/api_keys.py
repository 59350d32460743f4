"""Keep API keys in the ledger, as its owner: what `./dev keys` runs, on this machine or in the migrations' image.

Postgres' port is not published by Docker Compose, so this goes to where it can be reached. The answer is JSON. A key
is made where it is shown, and only its digest comes here.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

from sqlalchemy import create_engine, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from libs.common.database_url import read_database_url
from libs.common.enums import AuditAction
from libs.common.ledger.api_keys import RIGHT_PATTERN
from libs.common.ledger.audit import OPERATOR, Actor, record_audit
from libs.common.ledger.models import KeyRecord

_SECONDS = 5
_SHOWN = [column for column in KeyRecord.__table__.columns if column.name != "digest"]


def create(session: Session, key: argparse.Namespace) -> None:
    """Store a key."""
    digest = bytes.fromhex(key.digest)
    session.add(
        KeyRecord(id=key.id, name=key.name, owner=key.owner, scopes=key.scope, digest=digest)
    )
    _audit(session, AuditAction.KEY_CREATE, key.id, owner=key.owner, scopes=key.scope)


def show(session: Session, _arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return every key's row, the oldest first, without its digest."""
    return [
        dict(row)
        for row in session.execute(select(*_SHOWN).order_by(KeyRecord.created_at)).mappings()
    ]


def revoke(session: Session, key: argparse.Namespace) -> str | None:
    """End a key and return its id, None when there is none; one that has ended stays as it is."""
    ended = func.coalesce(KeyRecord.revoked_at, func.now())
    found = session.scalar(
        update(KeyRecord)
        .where(KeyRecord.id == key.id)
        .values(revoked_at=ended)
        .returning(KeyRecord.id)
    )
    if found is not None:
        _audit(session, AuditAction.KEY_REVOKE, found)
    return found


def _audit(session: Session, action: AuditAction, key_id: str, **details: Any) -> None:
    record_audit(session, Actor(OPERATOR), action, f"key/{key_id}", **details)


def _right(text: str) -> str:
    """Return a right, or raise ValueError."""
    if not re.match(RIGHT_PATTERN, text):
        raise ValueError(text)
    return text


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    creating = commands.add_parser("create")
    for name in ("id", "name", "owner", "digest"):
        creating.add_argument(f"--{name}", required=True)
    creating.add_argument("--scope", action="append", type=_right, required=True)
    creating.set_defaults(run=create)
    commands.add_parser("list").set_defaults(run=show)
    revoking = commands.add_parser("revoke")
    revoking.add_argument("--id", required=True)
    revoking.set_defaults(run=revoke)
    return parser.parse_args(given)


def main() -> None:
    """Do what the arguments say in the database that ``ADSP_DATABASE_URL`` names."""
    arguments = _arguments(None)
    url = os.environ["ADSP_DATABASE_URL"]
    engine = create_engine(
        read_database_url(url),
        connect_args={"connect_timeout": _SECONDS, "options": "-c timezone=UTC"},
    )
    try:
        with Session(engine) as session, session.begin():
            json.dump(arguments.run(session, arguments), sys.stdout, default=str)
    except SQLAlchemyError as exc:
        sys.exit(str(getattr(exc, "orig", exc)).strip())
    finally:
        engine.dispose()


if __name__ == "__main__":
    main()
