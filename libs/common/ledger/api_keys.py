"""Make API keys and read what a client sends as one.

    adsp_<id>_<secret>      id: finds the row, no secret      secret: 256 random bits, kept as SHA-256 only

A plain SHA-256 is enough: nobody can try 2^256 secrets, so there is nothing that a slow hash would slow down.
See docs/decisions/0030.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Self

from libs.common.enums import Scope

_FORM = re.compile(r"adsp_([0-9a-f]{12})_([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True)
class ApiKey:
    """A key as its holder knows it; only `id` and `digest` are ever stored."""

    id: str
    secret: str

    @classmethod
    def make(cls) -> Self:
        """Make a new key from the system's random source."""
        return cls(secrets.token_hex(6), secrets.token_hex(32))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the key that a client sent, None when the text cannot be one."""
        found = _FORM.fullmatch(text)
        return cls(*found.groups()) if found else None

    @property
    def text(self) -> str:
        """Return what the holder is given, once."""
        return f"adsp_{self.id}_{self.secret}"

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 of the secret."""
        return hashlib.sha256(self.secret.encode()).digest()

    @property
    def counter(self) -> str:
        """Return the name under which its requests are counted."""
        return f"key {self.id}"

    def matches(self, digest: bytes) -> bool:
        """Compare with a stored digest in a time that tells nothing about it."""
        return hmac.compare_digest(self.digest, digest)

    def __repr__(self) -> str:
        """Hide the secret, also from logs and tracebacks."""
        return f"ApiKey(id={self.id!r})"


def grants(held: frozenset[Scope], needed: Scope) -> bool:
    """Return whether scopes allow what needs one of them; `admin` allows everything."""
    return needed in held or Scope.ADMIN in held
