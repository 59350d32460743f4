"""Keep the newest log lines of each job in Redis, for whoever looks at the job.

    a line with a job's id ──► queue of this process ──► thread ──► Redis: a list a job

Nothing waits for it: a line is dropped where Redis is away, or where more come than it takes. The log of each service
has them all (decision 66).
"""

import json
import os
import sys
import threading
from collections import deque
from collections.abc import Mapping
from itertools import groupby
from math import isfinite
from operator import itemgetter
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from libs.common import logs
from libs.common.logs import get_logger
from libs.common.settings import MessagingSettings

log = get_logger(__name__)

MOST_LINES = 500
"""Of one job; older lines go first."""

_MOST_WAITING = 2_000
_LONGEST_VALUE = 1_000
_PAUSE = 0.2
"""Seconds that lines are collected before they are written at once."""
_AWAY_SECONDS = 5.0
"""How long Redis is left alone after it failed."""
_TIMEOUT = 2.0

_OUTSIDE_FIELDS = frozenset(
    {"job_id", "timestamp", "level", "event", "logger", "task_id", "exc_info", "stack_info"}
)


def keep_job_log(settings: MessagingSettings, service: str) -> None:
    """Write the lines of this process, and of those that are forked from it, to Redis from now on."""
    if settings.job_log_seconds:
        logs.watchers.append(JobLogWriter(settings, service).note)


class JobLogWriter:
    """Takes lines from any thread, and writes them from one of its own."""

    def __init__(self, settings: MessagingSettings, service: str) -> None:
        """Begin with nothing; the thread starts with the first line, in each process anew."""
        self._url = settings.redis_url
        self._kept_seconds = settings.job_log_seconds
        self._service = service
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._waiting: deque[tuple[str, str]] = deque(maxlen=_MOST_WAITING)
        self._lost = 0
        self._changing = threading.RLock()  # of both
        self._has_lines = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def note(self, event: Mapping[str, Any]) -> None:
        """Take the event of a line; one that names no job, or is for developers, is left alone."""
        job_id = event.get("job_id")
        if job_id is None or event.get("level") == "debug":
            return
        line = (str(job_id), self._line(event))
        with self._changing:
            if len(self._waiting) == self._waiting.maxlen:
                self._lost += 1  # the oldest makes room
            self._waiting.append(line)
        self._has_lines.set()
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="job-log", daemon=True)
                self._thread.start()

    def _line(self, event: Mapping[str, Any]) -> str:
        fields = {
            name: _shortened(value)
            for name, value in event.items()
            if name not in _OUTSIDE_FIELDS and not name.startswith("_")
        }
        raised = sys.exc_info()[0]
        if event.get("exc_info") and raised is not None:
            fields["exception"] = raised.__name__  # its text may hold what was in a cell
        line = {"at": event.get("timestamp"), "level": event.get("level"), "service": self._service}
        return json.dumps({**line, "event": _shortened(event["event"]), "fields": fields})

    def _run(self) -> None:
        rest = threading.Event()
        with Redis.from_url(
            self._url, socket_connect_timeout=_TIMEOUT, socket_timeout=_TIMEOUT
        ) as redis:
            while self._has_lines.wait():
                rest.wait(_PAUSE)
                self._has_lines.clear()
                lines, lost = self._take()
                error = self._write(redis, lines)
                if lost := lost + (len(lines) if error else 0):
                    log.warning("job_log_not_kept", lines=lost, error=error)
                if error:
                    rest.wait(_AWAY_SECONDS)

    def _take(self) -> tuple[list[tuple[str, str]], int]:
        """Take all lines that wait, and how many made room for them."""
        with self._changing:
            lines, lost = list(self._waiting), self._lost
            self._waiting.clear()
            self._lost = 0
        return lines, lost

    def _write(self, redis: Redis, lines: list[tuple[str, str]]) -> str | None:
        """Write lines; return why that went wrong, if it did: the next ones are tried all the same."""
        commands = redis.pipeline(transaction=False)
        by_job = itemgetter(0)
        for job_id, of_job in groupby(sorted(lines, key=by_job), by_job):
            key = _key(job_id)
            commands.rpush(key, *(line for _, line in of_job))
            commands.ltrim(key, -MOST_LINES, -1)
            commands.expire(key, self._kept_seconds)
        try:
            commands.execute()
        except (RedisError, OSError) as exc:
            return type(exc).__name__
        return None


class JobLogReader:
    """Reads what the services have kept; safe to share between threads."""

    def __init__(self, redis_url: str) -> None:
        """Connect to nothing yet."""
        self._redis = Redis.from_url(
            redis_url, socket_connect_timeout=_TIMEOUT, socket_timeout=_TIMEOUT
        )

    def read(self, job_id: object) -> list[dict[str, Any]]:
        """Return the lines of a job, oldest first: at, level, service, event, fields; raises `RedisError`."""
        lines = map(json.loads, self._redis.lrange(_key(job_id), 0, -1))
        return sorted(lines, key=itemgetter("at"))

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()


def _key(job_id: object) -> str:
    return f"adsp:job-log:{job_id}"


def _shortened(value: Any) -> Any:
    if (
        value is None
        or isinstance(value, bool | int)
        or (isinstance(value, float) and isfinite(value))
    ):
        return value
    text = value if isinstance(value, str) else _written(value)
    text = text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
    return text.encode(
        "utf-8", "backslashreplace"
    ).decode()  # names of files may hold bytes that are no text


def _written(value: Any) -> str:
    try:
        return json.dumps(value, default=str)
    except (TypeError, ValueError):  # keys that are no text, a list within itself
        return repr(value)
