"""Send one notification to its target: through Apprise, or as a signed webhook."""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import apprise
import httpx

from services.worker.notifying.messages import Message
from services.worker.notifying.targets import Target

TIMEOUT_SECONDS = 10.0
_APPRISE_URL = "cto=5&rto=10"
"""Seconds to connect and to wait for an answer, which each plugin of Apprise takes as part of its URL."""


class NotificationRefused(Exception):
    """The target has not taken the message; the text says why, without what opens the target."""


def send(
    target: Target, notification_id: UUID, message: Message, document: Mapping[str, object]
) -> None:
    """Send a message; webhooks get the document. Raises `NotificationRefused`."""
    if target.webhook is not None:
        _post(target, str(target.webhook), notification_id, json.dumps(document).encode())
    else:
        _tell(target, message)


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature` of Standard Webhooks."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _post(target: Target, url: str, notification_id: UUID, body: bytes) -> None:
    timestamp = int(datetime.now(UTC).timestamp())
    headers = {
        "content-type": "application/json",
        "webhook-id": str(notification_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(target.key, str(notification_id), timestamp, body),
    }
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
            answer = client.post(url, content=body, headers=headers)
    except httpx.HTTPError as exc:
        raise NotificationRefused(f"the webhook does not answer: {type(exc).__name__}") from exc
    if not answer.is_success:
        raise NotificationRefused(f"the webhook answers {answer.status_code}")


def _tell(target: Target, message: Message) -> None:
    url = target.url.get_secret_value() if target.url is not None else ""
    bounded = f"{url}{'&' if '?' in url else '?'}{_APPRISE_URL}"
    sender = apprise.Apprise()
    # Apprise says only in its log why something was not sent.
    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:  # type: ignore[no-untyped-call]
        if not sender.add(bounded):
            raise NotificationRefused("Apprise does not know such a URL; see its list of services")
        if not sender.notify(title=message.title, body=message.body):
            raise NotificationRefused(_without(said.getvalue().strip(), url) or "it was not taken")


def _without(text: str, url: str) -> str:
    """Leave out of what Apprise says whatever stands in the URL between its slashes and signs."""
    for secret in filter(
        None, url.partition("://")[2].replace("@", "/").replace(":", "/").split("/")
    ):
        text = text.replace(secret, "…") if len(secret) > 5 else text
    return text
