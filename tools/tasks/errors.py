"""Turn our own errors into what a command prints and exits with."""

from collections.abc import Iterator
from contextlib import contextmanager

from invoke.exceptions import Exit

from libs.common.errors import AdspError


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn our own errors into a message and exit status 1, without a traceback."""
    try:
        yield
    except AdspError as exc:
        raise Exit(str(exc), code=1) from exc
