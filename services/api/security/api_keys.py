"""Recognise API keys and sessions: find the row of the one that was sent, and compare what is stored of it.

Whom a key belongs to is never remembered, so that a revoked one ends with the request that is under way. That it
was right is, to tell its holder from those who guess.
"""

import threading
from collections import OrderedDict
from datetime import UTC, datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session, sessionmaker

from libs.common.ledger.api_keys import ApiKey
from libs.common.ledger.models import KeyRecord
from services.api.security.caller import Caller
from services.api.security.sessions import SessionToken, find_key

Credential = ApiKey | SessionToken

USE_NOTED_AFTER = timedelta(minutes=1)
"""A key's use is written down no more often than this: not every request is to write."""

_NOBODY = bytes(32)

MOST_KNOWN = 10_000


class KnownKeys:
    """The keys and sessions that were right lately, by their digests. Safe for threads."""

    def __init__(self, most: int = MOST_KNOWN) -> None:
        """Know none yet, and never more than `most`."""
        self._most = most
        self._digests: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: Credential) -> bool:
        """Return whether the key was right lately, which makes it one of the last to be forgotten."""
        with self._lock:
            is_known = key.digest in self._digests
            if is_known:
                self._digests.move_to_end(key.digest)
            return is_known

    def add(self, key: Credential) -> None:
        """Note that the key was right."""
        with self._lock:
            self._digests[key.digest] = None
            if len(self._digests) > self._most:
                self._digests.popitem(last=False)

    def forget(self, key: Credential) -> None:
        """Note that the key holds no more."""
        with self._lock:
            self._digests.pop(key.digest, None)


def authenticate(sessions: sessionmaker[Session], sent: Credential) -> Caller | None:
    """Return whom a key or session belongs to, None when it is unknown, wrong, over or revoked."""
    with sessions.begin() as session:
        record = (
            _find_record(session, sent) if isinstance(sent, ApiKey) else find_key(session, sent)
        )
        if record is None or record.revoked_at is not None:
            return None
        _note_use(session, record)
        token = sent if isinstance(sent, SessionToken) else None
        return Caller(record.owner, frozenset(record.scopes), record.id, session=token)


def _find_record(session: Session, key: ApiKey) -> KeyRecord | None:
    record = session.get(KeyRecord, key.id)
    # Compared also when there is no such key: the time tells no ids apart.
    is_right = key.matches(record.digest if record else _NOBODY)
    return record if is_right else None


def _note_use(session: Session, record: KeyRecord) -> None:
    now = datetime.now(UTC)
    if record.last_used_at is None or record.last_used_at < now - USE_NOTED_AFTER:
        session.execute(
            update(KeyRecord)
            .where(KeyRecord.id == record.id)
            .values(last_used_at=now)
            .execution_options(synchronize_session=False)
        )
