"""Log events as JSON lines, or as coloured text on a terminal, with ids bound per request or task."""

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from libs.common.settings import LoggingSettings

watchers: list[Callable[[Mapping[str, Any]], None]] = []
"""What is called with the event of each line of this process that is logged."""


def _show_watchers(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    for watcher in watchers:
        watcher(event)
    return event


_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _show_watchers,
    structlog.processors.StackInfoRenderer(),
]

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_OF_SEVERAL_LINES = frozenset({"stack", "exception"})

# Without local variables: they hold rows and secrets, and are slow to render.
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def configure_logging(settings: LoggingSettings, service: str) -> None:
    """Send the log of structlog and of the standard library to stderr in one format."""
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(as_json=as_json, service=service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def bound_request_id() -> str | None:
    """Return the id of the request that lines of the log are about here, None where they are about none."""
    bound: str | None = structlog.contextvars.get_contextvars().get("request_id")
    return bound


def _formatter(*, as_json: bool, service: str) -> logging.Formatter:
    def add_service(
        _logger: Any, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    def escape_controls(
        _logger: Any, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        """Keep text of others from beginning a line of its own, or from steering the terminal."""
        return {
            name: value.translate(_CONTROLS)
            if isinstance(value, str) and name not in _OF_SEVERAL_LINES
            else value
            for name, value in event.items()
        }

    last: list[structlog.typing.Processor] = (
        [_TRACEBACKS, structlog.processors.JSONRenderer()]
        if as_json
        else [
            escape_controls,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            add_service,
            *last,
        ],
    )
