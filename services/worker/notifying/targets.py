"""Say where notifications can go: the targets that the operator has set up, by the names that datasets use.

Where they are, and what opens them, is known to the workers alone; the ledger has their names, for the api.
"""

import base64
import binascii
from typing import Annotated, Self

from pydantic import AnyHttpUrl, Field, SecretStr, StringConstraints, model_validator
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker

from libs.common.datasets.notify import TARGET_PATTERN
from libs.common.ledger.models import NotificationTarget
from libs.common.strict_model import StrictModel

_SECRET_PREFIX = "whsec_"  # noqa: S105 - what the secrets of Standard Webhooks begin with
WEBHOOK = "webhook"


class Target(StrictModel):
    """An Apprise URL (mail, chats, pagers), or a webhook that is signed with a secret."""

    url: SecretStr | None = Field(
        None, description="An Apprise URL, e.g. mailtos://user:password@example.org."
    )
    webhook: AnyHttpUrl | None = Field(None, description="Where JSON is posted.")
    secret: SecretStr | None = Field(
        None,
        description="Of a webhook: 'whsec_' and 24 to 64 bytes in base64, which sign it (Standard Webhooks).",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.url is None) == (self.webhook is None):
            raise ValueError(
                "a target is either a 'url' of Apprise or a 'webhook' with its 'secret'"
            )
        if (self.webhook is None) != (self.secret is None):
            raise ValueError("a 'webhook' needs a 'secret', a 'url' takes none")
        if self.secret is not None and not 24 <= len(self.key) <= 64:
            raise ValueError("'secret' is 'whsec_' and the base64 of 24 to 64 random bytes")
        return self

    @property
    def key(self) -> bytes:
        """Return the bytes that sign a webhook, none where the secret is not well-formed."""
        text = self.secret.get_secret_value() if self.secret is not None else ""
        if not text.startswith(_SECRET_PREFIX):
            return b""
        try:
            return base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
        except binascii.Error:
            return b""

    @property
    def kind(self) -> str:
        """Return what it is, without where: `webhook`, or the scheme of its URL."""
        if self.url is None:
            return WEBHOOK
        return self.url.get_secret_value().partition(":")[0]


Targets = dict[Annotated[str, StringConstraints(pattern=TARGET_PATTERN)], Target]


def publish_names(sessions: sessionmaker[Session], targets: Targets) -> None:
    """Let the ledger have the names of exactly these targets."""
    with sessions.begin() as session:
        session.execute(
            delete(NotificationTarget).where(NotificationTarget.name.not_in(list(targets)))
        )
        known = {row.name: row.kind for row in session.scalars(select(NotificationTarget))}
        for name, target in targets.items():
            if known.get(name) != target.kind:
                kind = {"kind": target.kind}
                session.execute(
                    insert(NotificationTarget)
                    .values(name=name, **kind)
                    .on_conflict_do_update(index_elements=["name"], set_=kind)
                )
