"""Name the places that loaded files are moved to, in a folder of this machine as in a store."""

from pathlib import PurePath
from typing import TypeVar
from uuid import UUID

FOLDER = "loaded"

AnyPath = TypeVar("AnyPath", bound=PurePath)


def places_of_moved(path: AnyPath, job_id: UUID) -> tuple[AnyPath, AnyPath]:
    """Return where a file of the job is once it has been moved: under its name, or another one where that is taken."""
    folder = path.parent / FOLDER
    return folder / path.name, folder / f"{job_id}-{path.name}"
