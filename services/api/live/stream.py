"""Write what is new in the ledger as server-sent events, for one caller.

event: job      a job as far as it is (state, counts, bytes), whenever that has changed
event: ledger   an event of the ledger, with its id: a client that comes again with `Last-Event-ID` misses none
event: end      the job of the stream has ended; nothing follows
: ♥             a comment, so that nobody takes a quiet stream for a broken one
"""

import json
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from typing import Any
from uuid import UUID

from services.api.live.feed import Feed
from services.api.live.reading import LedgerEvent, Progress
from services.api.security.caller import Caller

HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 600.0
"""Then the client comes again, and its key is checked again."""


class Stream:
    """One client's view: what it may see, and what it was sent."""

    def __init__(self, feed: Feed, caller: Caller, job_id: UUID | None) -> None:
        """Tell of one job, or of all that the caller sees."""
        self._feed = feed
        self._caller = caller
        self._job_id = job_id
        self._events_read = 0
        self._known: Collection[UUID] = frozenset()
        self._sent_jobs: dict[UUID, dict[str, Any]] = {}

    async def frames(self, last: UUID | None) -> AsyncIterator[str]:
        """Yield the text of each event until the job has ended, or it is time to come again."""
        end = time.monotonic() + LONGEST_SECONDS
        async with self._feed.listening(self._job_id):
            self._events_read = self._feed.events_found
            looks = self._feed.looks
            yield "retry: 1000\n\n"
            if last is not None:
                # The look for all streams may find later what the client has read; what is committed later it has not.
                before_last = {event for event in await self._feed.recent_events() if event <= last}
                missed = await self._feed.events_after(last)
                self._known = before_last | {event.id for event in missed}
                for event in self._seen_of(missed):
                    yield _event_frame(event)
            while time.monotonic() < end and not self._feed.is_closing:
                before = looks
                looks = await self._feed.next_look(looks, HEARTBEAT_SECONDS)
                if looks == before:
                    yield ": ♥\n\n"
                    continue
                for frame in self._news():
                    yield frame
                if self._has_ended():
                    yield _frame("end", {})
                    return

    def _news(self) -> Iterator[str]:
        """Yield what the last look has found that this client was not sent."""
        events = self._feed.events_from(self._events_read)
        self._events_read = self._feed.events_found
        for event in self._seen_of(events):
            if event.id not in self._known:
                yield _event_frame(event)
        current = {each.id: each for each in self._feed.progress.values() if self._is_seen(each)}
        for progress in current.values():
            if self._sent_jobs.get(progress.id) != progress.shown:
                yield _frame("job", progress.shown)
        self._sent_jobs = {each.id: each.shown for each in current.values()}

    def _seen_of(self, events: Iterable[LedgerEvent]) -> list[LedgerEvent]:
        return [event for event in events if self._is_seen(event)]

    def _is_seen(self, item: Progress | LedgerEvent) -> bool:
        job_id = item.id if isinstance(item, Progress) else item.job_id
        if self._job_id is not None and job_id != self._job_id:
            return False
        return self._caller.sees(item.owner, item.dataset)

    def _has_ended(self) -> bool:
        job = self._feed.progress.get(self._job_id) if self._job_id else None
        return job is not None and job.has_ended


def _frame(kind: str, data: dict[str, Any], event_id: UUID | None = None) -> str:
    identity = f"id: {event_id}\n" if event_id else ""
    return f"{identity}event: {kind}\ndata: {json.dumps(data, default=str)}\n\n"


def _event_frame(event: LedgerEvent) -> str:
    return _frame("ledger", {"type": event.type, **event.payload}, event.id)
