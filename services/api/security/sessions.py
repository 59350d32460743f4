"""Keep who has signed in to the console: a random token in a cookie, of which the ledger has the digest alone.

    key ──sign in──► adsp.sessions ──► cookie      each request: token ──► session ──► key, unless it is revoked

A session survives a restart of the api, holds for every api process, and ends with its key, by signing out or by its
age. Forms carry a second token that follows from the first: another site's page knows neither.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from sqlalchemy import delete
from sqlalchemy.orm import Session

from libs.common.ledger.models import KeyRecord, SessionRecord

COOKIE = "adsp_session"

_FORM = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class SessionToken:
    """What a browser holds: 256 random bits, of which the ledger keeps the SHA-256."""

    text: str

    @classmethod
    def make(cls) -> Self:
        """Make a new token from the system's random source."""
        return cls(secrets.token_hex(32))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the token that a browser sent, None when the text cannot be one."""
        return cls(text) if _FORM.fullmatch(text) else None

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 of the token."""
        return hashlib.sha256(self.text.encode()).digest()

    @property
    def csrf(self) -> str:
        """Return the token of its forms, from which nobody gets that of the session."""
        return hmac.digest(self.text.encode(), b"csrf", "sha256").hex()

    @property
    def counter(self) -> str:
        """Return the name under which its requests are counted."""
        return f"session {self.digest.hex()}"

    def __repr__(self) -> str:
        """Hide the secret, also from logs and tracebacks."""
        return "SessionToken()"


def begin_session(session: Session, key_id: str, hours: float) -> SessionToken:
    """Begin a session of a key, and forget those that are over."""
    token, now = SessionToken.make(), datetime.now(UTC)
    session.execute(delete(SessionRecord).where(SessionRecord.expires_at < now))
    expires_at = now + timedelta(hours=hours)
    session.add(SessionRecord(digest=token.digest, key_id=key_id, expires_at=expires_at))
    return token


def end_session(session: Session, token: SessionToken) -> None:
    """End a session."""
    session.execute(delete(SessionRecord).where(SessionRecord.digest == token.digest))


def find_key(session: Session, token: SessionToken) -> KeyRecord | None:
    """Return the key that somebody signed in with, None when the session is unknown or over."""
    record = session.get(SessionRecord, token.digest)
    if record is None or record.expires_at <= datetime.now(UTC):
        return None
    return session.get(KeyRecord, record.key_id)
