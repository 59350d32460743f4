"""Make API keys and read what a client sends as one.

    adsp_<id>_<secret>      id: finds the row, no secret      secret: 256 random bits, kept as SHA-256 only

What a key may do is a set of rights: a scope, for all datasets or for those of a name.

    read      submit:items      submit:sales-*      admin

A plain SHA-256 is enough: nobody can try 2^256 secrets, so there is nothing that a slow hash would slow down.
See docs/decisions/0022.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self

from libs.common.enums import Scope

RIGHT_PATTERN = r"^(admin|(read|submit)(:[a-z*][a-z0-9_*-]{0,62})?)$"
"""A right as text; `*` in a dataset's name stands for any characters. Migration 0012 has it too."""

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


class Rights:
    """What the holder of a key may do."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Take rights as they are stored, each of `RIGHT_PATTERN`."""
        self._names: dict[Scope, list[str]] = {}
        for text in texts:
            scope, _, name = text.partition(":")
            self._names.setdefault(Scope(scope), []).append(name or "*")

    def has_scope(self, scope: Scope) -> bool:
        """Return whether they allow what needs a scope, for one dataset at least; `admin` allows everything."""
        return Scope.ADMIN in self._names or scope in self._names

    def datasets(self, scope: Scope) -> Sequence[str] | None:
        """Return the names of the datasets that a scope is for, with `*` for any characters; None: for all."""
        names = self._names.get(scope, [])
        return None if Scope.ADMIN in self._names or "*" in names else names

    def allow(self, scope: Scope, dataset: str) -> bool:
        """Return whether they allow what needs a scope for a dataset."""
        names = self.datasets(scope)
        return names is None or any(fnmatchcase(dataset, name) for name in names)
