"""Define what `adsp` exits with: a script must be able to tell what became of its rows."""

from collections.abc import Iterable
from enum import IntEnum

from libs.client.errors import (
    ApiUnreachable,
    ClientError,
    Forbidden,
    ServerFault,
    StoreRefused,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
)
from libs.client.models import JobState


class ExitCode(IntEnum):
    """What `adsp` exits with. From 64 on, the numbers are those of BSD's sysexits.h."""

    OK = 0
    """Done; of jobs that were waited for, every row is loaded."""
    REFUSED = 1
    """The api refused the request, or a question was answered with no."""
    REJECTS = 3
    """Loaded, with failed rows; of `datasets diff`: something differs."""
    FAILED = 4
    """A job failed or was cancelled, or what was checked is not in order."""
    NOTHING_TO_DO = 5
    """The content is loaded already, a newer delivery is, or nothing was changed."""
    USAGE = 64
    """The command line is wrong, or a file that it names is not there."""
    UNAVAILABLE = 69
    """The api, or the bucket of --direct, cannot be reached or is busy; the same command may work later."""
    NO_PERMISSION = 77
    """There is no API key, or it may not do this."""


_OF_STATES: dict[str, ExitCode] = {
    JobState.SUCCEEDED: ExitCode.OK,
    JobState.COMPLETED_WITH_REJECTS: ExitCode.REJECTS,
    JobState.DUPLICATE: ExitCode.NOTHING_TO_DO,
    JobState.OUTDATED: ExitCode.NOTHING_TO_DO,
}
_UNAVAILABLE = (ApiUnreachable, ServerFault, StoreRefused, TooManyRequests, UnexpectedAnswer)
_WORST_FIRST = (ExitCode.FAILED, ExitCode.REJECTS, ExitCode.OK, ExitCode.NOTHING_TO_DO)


def code_of_ends(states: Iterable[str]) -> ExitCode:
    """Return the worst of how jobs have ended; beside one that has loaded, duplicates are no news."""
    found = {_OF_STATES.get(state, ExitCode.FAILED) for state in states}
    return next((code for code in _WORST_FIRST if code in found), ExitCode.NOTHING_TO_DO)


def code_of_error(error: ClientError) -> ExitCode:
    """Return what trouble with the api makes the command exit with."""
    if isinstance(error, _UNAVAILABLE):
        return ExitCode.UNAVAILABLE
    if isinstance(error, Unauthorized | Forbidden):
        return ExitCode.NO_PERMISSION
    return ExitCode.REFUSED
