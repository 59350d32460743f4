"""Say where in the area or the store of uploads a file lies: `<day>/<id>/<name>`.

The id is a version 7 UUID, which tells when it was made; the day is that of its time, UTC. So a look for some uploads
reads the days that these can be of, however many there are. Before this layout there was no day.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from uuid import UUID

from libs.common.ids import made_at


def upload_folder(upload_id: UUID) -> str:
    """Return the path of an upload's folder below its area."""
    return f"{made_at(upload_id):%Y-%m-%d}/{upload_id}"


def name_of_folder(path: str) -> str | None:
    """Return how the folder is named in which a file lies, by its path below the area; None for one that is in none."""
    name, *rest = path.split("/")
    if rest and day_of(name) is not None:
        name, *rest = rest
    return name if rest else None


def day_of(name: str) -> date | None:
    """Return the day that a folder is named by, if it is one of days."""
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def upload_made_at(name: str) -> datetime | None:
    """Return when the upload whose folder has this name was made, None for other folders: they belong to people."""
    try:
        return made_at(UUID(name))
    except ValueError:
        return None


def find_upload_folders(area: Path, is_wanted: Callable[[date], bool]) -> Iterator[Path]:
    """Yield the folders of uploads that were made on such days; links lead nowhere."""
    for entry in area.iterdir():
        day, made = day_of(entry.name), upload_made_at(entry.name)
        if day is not None and is_wanted(day) and _is_folder(entry):
            found = (folder for folder in entry.iterdir() if upload_made_at(folder.name))
            yield from filter(_is_folder, found)
        elif made is not None and is_wanted(made.date()) and _is_folder(entry):
            yield entry


def _is_folder(path: Path) -> bool:
    return not path.is_symlink() and path.is_dir()
