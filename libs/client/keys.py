"""List, make and end API keys."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from pydantic import Field

from libs.client.answers import Answers
from libs.client.models import Document
from libs.client.transport import Request


class Key(Document):
    """An API key, without what makes it one."""

    id: str
    name: str
    owner: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewKey(Key):
    """An API key that has just been made: `key` is what its holder sends."""

    key: str = Field(repr=False)


class ApiKeys:
    """What a key with the scope `admin` may do to keys."""

    def __init__(self, answers: Answers) -> None:
        """Send by what the client sends by."""
        self._answers = answers

    def list(self) -> Iterator[Key]:
        """Yield the API keys, revoked ones too."""
        return self._answers.list(Key, "/v1/keys", {})

    def create(self, name: str, owner: str, scopes: Sequence[str]) -> NewKey:
        """Make an API key; only this answer has it."""
        body = {"name": name, "owner": owner, "scopes": [*scopes]}
        request = Request("POST", "/v1/keys", json=body, is_repeatable=False)
        return self._answers.read(NewKey, request)

    def revoke(self, key_id: str) -> Key:
        """End an API key."""
        return self._answers.read(Key, Request("POST", f"/v1/keys/{key_id}/revoke"))
