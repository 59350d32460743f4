"""Count what the worker brings back and buries."""

from enum import StrEnum

from prometheus_client import Counter

from libs.common.messaging.child_metrics import Measurement


class Action(StrEnum):
    """What a sweep can do."""

    PLAN_RESENT = "plan_resent"
    CHUNK_RESENT = "chunk_resent"
    FINISH_RESENT = "finish_resent"
    EVENT_RESENT = "event_resent"
    BACKEND_TERMINATED = "backend_terminated"
    CHUNK_FREED = "chunk_freed"
    CHUNK_FAILED = "chunk_failed"


class Outcome(StrEnum):
    """What can become of an attempt to notify."""

    SENT = "sent"
    REFUSED = "refused"
    GIVEN_UP = "given_up"


ACTIONS = Measurement(
    Counter("adsp_sweeper_actions_total", "What the sweeper did, by kind.", ["action"]),
    [(action.value,) for action in Action],
)
NOTIFICATIONS = Measurement(
    Counter(
        "adsp_notifications_total",
        "Attempts to tell a target of a job: sent, refused and tried again, given up.",
        ["outcome"],
    ),
    [(outcome.value,) for outcome in Outcome],
)
GROWN_SOURCES = Measurement(
    Counter("adsp_grown_sources_total", "Sources that became longer after their load."),
)
HEADER_CHANGES = Measurement(
    Counter(
        "adsp_header_changes_total",
        "Planned jobs whose header has other columns than that of the last load.",
    ),
)
DEAD_LETTERS = Measurement(
    Counter(
        "adsp_dead_letters_total",
        "Messages taken from the dead-letter queue; ticks that came too late are not counted.",
    )
)
