"""Recognise API keys: find the row of the one that was sent, and compare what is stored of it.

Nothing is remembered between requests, so that a revoked key ends with the request that is under way.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from libs.common.api_keys import ApiKey
from libs.common.db.models import KeyRecord
from libs.common.states import Scope
from services.api.callers import Caller

USE_NOTED_AFTER = timedelta(minutes=1)
"""A key's use is written down no more often than this: not every request is to write."""

_NOBODY = bytes(32)


def recognise(sessions: sessionmaker[Session], key: ApiKey) -> Caller | None:
    """Return whom a key belongs to, None when it is unknown, wrong or revoked."""
    with sessions.begin() as session:
        record = session.get(KeyRecord, key.id)
        # Compared also when there is no such key: the time tells no ids apart.
        is_right = key.matches(record.digest if record else _NOBODY)
        if record is None or not is_right or record.revoked_at is not None:
            return None
        _note_use(session, record)
        return Caller(record.owner, frozenset(map(Scope, record.scopes)), record.id)


def _note_use(session: Session, record: KeyRecord) -> None:
    now = datetime.now(UTC)
    if record.last_used_at is None or record.last_used_at < now - USE_NOTED_AFTER:
        session.execute(
            update(KeyRecord)
            .where(KeyRecord.id == record.id)
            .values(last_used_at=now)
            .execution_options(synchronize_session=False)
        )
