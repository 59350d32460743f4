"""Turn our own errors into what a command prints and exits with."""

from collections.abc import Iterator
from contextlib import contextmanager

from invoke.exceptions import Exit

from libs.common.errors import AdspError


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn our own errors into a message and exit status 1, without a traceback."""
    from libs.client.errors import ApiUnreachable, ClientError

    try:
        yield
    except ApiUnreachable as exc:
        raise Exit(f"{exc}; see ./dev status", code=1) from exc
    except (AdspError, ClientError) as exc:
        raise Exit(str(exc), code=1) from exc
