"""Look at the ledger for all streams of an api process: one query twice a second, and none while nobody listens.

    ledger ──► one read ──► every stream: what has changed since it last sent

So a stream holds no connection to Postgres. An event may be committed after a later one: each look goes back a
little, and what was found already is left out. What stands there when the first stream begins is found before it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

import psycopg2
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from libs.common.ids import earliest_uuid7
from libs.common.logs import get_logger
from services.api.errors.problems import RETRY_SECONDS, ProblemError
from services.api.live.reading import (
    MOST_EVENTS,
    LedgerEvent,
    Progress,
    read_events,
    read_progress,
)

log = get_logger(__name__)

LOOK_EVERY = 0.5
"""Seconds; the console promises to follow a job within one."""

_GO_BACK = timedelta(seconds=15)
_KEPT = 5000


class Feed:
    """What is new in the ledger; used from the event loop alone."""

    def __init__(self, sessions: sessionmaker[Session], most_streams: int) -> None:
        """Listen to nothing yet."""
        self._sessions = sessions
        self._most = most_streams
        self._streams = 0
        self._watched: Counter[UUID] = Counter()
        self._looking: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()
        self._recent: Collection[UUID] = frozenset()
        self._events: deque[LedgerEvent] = deque(maxlen=_KEPT)
        self._looked = asyncio.Condition()
        self.is_closing = False
        self.looks = 0
        self.events_found = 0
        self.progress: dict[UUID, Progress] = {}

    @asynccontextmanager
    async def listening(self, job_id: UUID | None) -> AsyncIterator[None]:
        """Have all that is committed from here on found, or raise the problem where too many listen already."""
        if self._streams >= self._most:
            raise ProblemError(
                429,
                "too-many-streams",
                "as many streams are open as this api serves at once (ADSP_MAX_EVENT_STREAMS); close one, or ask for "
                "the job again and again instead",
                {"Retry-After": str(RETRY_SECONDS)},
            )
        self._streams += 1
        if job_id is not None:
            self._watched[job_id] += 1
        try:
            await self._begin_to_look()
            yield
        finally:
            self._streams -= 1
            if job_id is not None:
                self._watched[job_id] -= 1

    async def next_look(self, after: int, seconds: float) -> int:
        """Wait until there was a look after that number, at most so long; return the number of the last one."""
        try:
            async with asyncio.timeout(seconds), self._looked:
                await self._looked.wait_for(lambda: self.looks > after or self.is_closing)
        except TimeoutError:
            pass
        return self.looks

    async def events_after(self, last: UUID) -> Sequence[LedgerEvent]:
        """Return what was written to the ledger after an event, up to a bound."""
        return await run_in_threadpool(read_events, self._sessions, last, MOST_EVENTS)

    async def recent_events(self) -> set[UUID]:
        """Return the ids of the events that the ledger has by now and a look could still find."""
        return {event.id for event in await self._read_recent()}

    def events_from(self, number: int) -> list[LedgerEvent]:
        """Return the events that were found after the first so many, as far as they are kept."""
        forgotten = self.events_found - len(self._events)
        return list(islice(self._events, max(0, number - forgotten), None))

    def close(self) -> None:
        """End every stream, so that the api can stop at once."""
        self.is_closing = True

    async def _begin_to_look(self) -> None:
        async with self._beginning:
            if self._looking is None or self._looking.done():
                self._recent = await self.recent_events()
                self._looking = asyncio.create_task(self._keep_looking())

    async def _keep_looking(self) -> None:
        while self._streams and not self.is_closing:
            try:
                await self._look()
            except (SQLAlchemyError, psycopg2.Error, OSError) as exc:
                log.warning("feed_look_failed", error=type(exc).__name__)
            await asyncio.sleep(LOOK_EVERY)
        self._looking = None  # from here on, who comes has the ledger read anew
        async with self._looked:
            self._looked.notify_all()

    async def _look(self) -> None:
        watched = [job_id for job_id, streams in self._watched.items() if streams > 0]
        progress = await run_in_threadpool(read_progress, self._sessions, watched)
        recent = await self._read_recent()
        self.progress = progress
        new = [event for event in recent if event.id not in self._recent]
        self._recent = {event.id for event in recent}
        self._events.extend(new)
        self.events_found += len(new)
        self.looks += 1
        async with self._looked:
            self._looked.notify_all()

    async def _read_recent(self) -> Sequence[LedgerEvent]:
        start = earliest_uuid7(datetime.now(UTC) - _GO_BACK)
        return await run_in_threadpool(read_events, self._sessions, start, _KEPT)
