"""Define the API keys that the api answers with."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Key(BaseModel):
    """An API key, without what makes it one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

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
