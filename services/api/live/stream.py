"""Write what is new in the ledger as server-sent events, for one caller.

event: job      a job as far as it is (state, counts, bytes), whenever that has changed
event: ledger   an event of the ledger, with its id: a client that comes again with `Last-Event-ID` misses none
event: end      the job of the stream has ended; nothing follows
: ♥             a comment, so that nobody takes a quiet stream for a broken one
"""

import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any
from uuid import UUID

from services.api.live.feed import Feed
from services.api.live.reading import LedgerEvent, Progress
from services.api.security.caller import Caller

HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 600.0
"""Then the client comes again, and its key is checked again."""

_MOST_REMEMBERED = 10_000


class Stream:
    """One client's view: what it may see, and what it was sent."""

    def __init__(self, feed: Feed, caller: Caller, job_id: UUID | None) -> None:
        """Tell of one job, or of all that the caller sees."""
        self._feed = feed
        self._caller = caller
        self._job_id = job_id
        self._sent_events: deque[UUID] = deque(maxlen=_MOST_REMEMBERED)
        self._sent_jobs: dict[UUID, dict[str, Any]] = {}

    async def frames(self, last: UUID | None) -> AsyncIterator[str]:
        """Yield the text of each event until the job has ended, or it is time to come again."""
        end = time.monotonic() + LONGEST_SECONDS
        with self._feed.listening(self._job_id):
            yield "retry: 1000\n\n"
            if last is not None:
                for frame in self._events(await self._feed.events_after(last)):
                    yield frame
            # What was found before this client came is not news to it; of how far jobs are, it is sent at once.
            self._sent_events.extend(event.id for event in self._feed.events)
            looks = self._feed.looks
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
        yield from self._events(self._feed.events)
        current = {each.id: each for each in self._feed.progress.values() if self._is_seen(each)}
        for progress in current.values():
            if self._sent_jobs.get(progress.id) != progress.shown:
                yield _frame("job", progress.shown)
        self._sent_jobs = {each.id: each.shown for each in current.values()}

    def _events(self, events: Iterable[LedgerEvent]) -> Iterator[str]:
        for event in list(events):
            if event.id not in self._sent_events and self._is_seen(event):
                self._sent_events.append(event.id)
                yield _frame("ledger", {"type": event.type, **event.payload}, event.id)

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
