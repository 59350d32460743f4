"""Know the targets that datasets may notify, as the workers have published them in the ledger."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from libs.common.datasets.definition import DatasetDefinition
from libs.common.errors import BadInput
from libs.common.ledger.models import NotificationTarget


def require_known_targets(session: Session, definition: DatasetDefinition) -> None:
    """Raise `BadInput` where a dataset notifies a target that no worker knows."""
    named = {target for rule in definition.notify for target in rule.to}
    if not named:
        return
    known = set(session.scalars(select(NotificationTarget.name)))
    unknown = sorted(named - known)
    if unknown:
        raise BadInput(
            "notify-target-unknown",
            f"'notify' names {', '.join(map(repr, unknown))}, which no worker knows; known are: "
            f"{', '.join(sorted(known)) or 'none'}. An operator adds targets to ADSP_NOTIFY_TARGETS of the workers, "
            "which publish their names within a minute",
        )
