"""Send requests: with the key, again where that is safe, and with errors as `errors` draws them.

A request is sent again when no answer came or the api was busy or lacked a server (429, 502, 503, 504), and only
if its repetition changes nothing: reads, and what an idempotency key or its own meaning makes one.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import httpx

from libs.client.errors import ApiUnreachable, ClientError, refusal_of

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds between attempts, doubled each time, where the api does not say how long to wait."""
_PASSING = frozenset({429, 502, 503, 504})

Content = Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class Request:
    """What is sent. `content` makes the body anew for each attempt; `is_repeatable`: a repetition changes nothing."""

    method: str
    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    content: Content | None = None
    timeout: float | None = None
    is_repeatable: bool = True


class Transport:
    """A connection to the api; close it."""

    def __init__(self, url: str, key: str | None, timeout: float, retry_seconds: float) -> None:
        """Prepare it; nothing is connected yet. Requests are repeated for `retry_seconds` at most."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout = timeout
        self._retry_seconds = retry_seconds
        self._http = httpx.Client(
            base_url=url, timeout=timeout, headers=headers, trust_env=not is_this_machine(url)
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, request: Request) -> httpx.Response:
        """Return a good answer; raise `RefusedRequest`, `ApiUnreachable` or `UnexpectedAnswer`."""
        with self.stream(request) as response:
            response.read()
        return response

    @contextmanager
    def stream(self, request: Request) -> Iterator[httpx.Response]:
        """Give a good answer whose body is still to be read; what breaks then is not asked for again."""
        with _as_unreachable(self._http.base_url):
            response = self._answered(request)
            try:
                yield response
            finally:
                response.close()

    def once(self, request: Request) -> httpx.Response:
        """Return the answer, good or bad, of a single attempt."""
        with _as_unreachable(self._http.base_url):
            return self._http.send(self._built(request))

    def _answered(self, request: Request) -> httpx.Response:
        """Return the first good answer; raise the last trouble where the time for repetitions is over."""
        end = time.monotonic() + (self._retry_seconds if request.is_repeatable else 0.0)
        pause = FIRST_PAUSE
        while True:
            try:
                return self._attempt(request)
            except (httpx.TransportError, _Passing) as exc:
                wait = max(pause, exc.wait if isinstance(exc, _Passing) else 0.0)
                if time.monotonic() + wait > end:
                    raise exc.refusal if isinstance(exc, _Passing) else exc from exc.__cause__
            time.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _attempt(self, request: Request) -> httpx.Response:
        response = self._http.send(self._built(request), stream=True)
        if response.is_success:
            return response
        try:
            refusal = refusal_of(response)
        finally:
            response.close()
        if response.status_code in _PASSING:
            raise _Passing(refusal, response.headers.get("Retry-After", ""))
        raise refusal

    def _built(self, request: Request) -> httpx.Request:
        return self._http.build_request(
            request.method,
            request.path,
            params={k: _text(v) for k, v in request.parameters.items() if v is not None},
            headers=dict(request.headers),
            json=request.json,
            content=request.content() if request.content else None,
            timeout=request.timeout or self._timeout,
        )


class _Passing(Exception):
    """A refusal that may be over soon, and the seconds to wait that it names."""

    def __init__(self, refusal: ClientError, retry_after: str) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.wait = float(retry_after) if retry_after.isdigit() else 0.0


@contextmanager
def _as_unreachable(url: httpx.URL) -> Iterator[None]:
    """Turn trouble of the connection into `ApiUnreachable`."""
    try:
        yield
    except (httpx.TransportError, httpx.StreamError) as exc:
        reason = str(exc) or type(exc).__name__
        raise ApiUnreachable(f"the api at {url} does not answer ({reason})") from exc


def is_this_machine(url: str) -> bool:
    """Return whether an address is one of the machine itself, to which no proxy leads."""
    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
