"""Write the files of a scenario: plain ones, one without records, one that comes twice under two names, bad ones.

Another one has as many bytes as the first, and other content.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.deliveries.sequential import File, Flaw
from tests.faults.harness.contents import write_content

FIRST_DAY = date(2026, 1, 10)
DAYS = 3
_TIMES = ("00:00:00", "07:15:00", "23:59:59.999999")
_WRITTEN_TIME = b"2026-01-01 00:00:00+00"


def write_files(rng: random.Random, folder: Path, definition: dict[str, Any]) -> Sequence[File]:
    """Write some files that the dataset could be sent."""
    files = []
    for number in range(rng.randrange(2, 5)):
        content = write_content(
            folder / f"{number}.csv",
            rng,
            rng.choice([0, 1, 5, 20, 60]) if number == 0 else rng.choice([1, 5, 20, 60]),
            upsert=definition["mode"] == "upsert",
            keys=None if definition["mode"] == "append" else "sku",
            bad=rng.choice([0.0, 0.02, 0.2]),
        )
        file = File(content, content.path.read_bytes())
        files.append(_dated(rng, file) if "scope" in definition else file)
    first = files[0]
    copy = replace(first, content=replace(first.content, path=folder / "copy.csv"))
    copy.content.path.write_bytes(first.data)
    files.append(copy)
    if "scope" not in definition:
        files.append(_other_of_its_size(first, folder))
    if rng.random() < 0.5:
        files.append(_flawed(rng, folder, definition))
    return files


def _other_of_its_size(file: File, folder: Path) -> File:
    """Write the same rows, but for a column that nobody compares; without rows it is the same content."""
    path = folder / "alike.csv"
    data = file.data.replace(b",test,", b",tent,")
    path.write_bytes(data)
    return replace(file, content=replace(file.content, path=path), data=data)


def write_version(rng: random.Random, folder: Path, definition: dict[str, Any], file: File) -> File:
    """Return what comes to stand at a file's path, where it is not written yet."""
    path = folder / "version.csv"
    content = write_content(
        path,
        rng,
        rng.choice([1, 5, 20]),
        upsert=definition["mode"] == "upsert",
        keys=None if definition["mode"] == "append" else "sku",
        bad=rng.choice([0.0, 0.2]),
    )
    version = File(content, path.read_bytes())
    if "scope" in definition:
        version = _dated(rng, version)
    path.unlink()
    return replace(version, content=replace(content, path=file.content.path))


def write_corrected(rng: random.Random, path: Path, definition: dict[str, Any], day: date) -> File:
    """Write rows that a person has corrected, some of them in vain; of their slice, if there is one."""
    file = File(write_content(path, rng, rng.randrange(1, 6), bad=0.1), path.read_bytes())
    return _written_for(rng, file, day) if "scope" in definition else file


def _dated(rng: random.Random, file: File) -> File:
    """Write the records of a file anew: of one day, some of them strays of a day that nobody sends."""
    day = FIRST_DAY + timedelta(days=rng.randrange(DAYS))
    share = rng.choice([0.0, 0.1])
    strays = frozenset(row[0] for row in sorted(file.content.rows) if rng.random() < share)
    return _written_for(rng, file, day, strays)


def _written_for(
    rng: random.Random, file: File, day: date, strays: frozenset[str] = frozenset()
) -> File:
    header, *lines = file.data.splitlines(keepends=True)
    written = [header]
    for line in lines:
        is_stray = line.partition(b",")[0].decode() in strays
        its_day = str(FIRST_DAY - timedelta(days=1) if is_stray else day)
        moment = f"{its_day} {rng.choice(_TIMES)}"
        dated = line.replace(_WRITTEN_TIME, moment.encode())
        written.append(dated.replace(b",test,", f",{its_day},".encode()))
    data = b"".join(written)
    file.content.path.write_bytes(data)
    return replace(file, data=data, day=day, strays=strays)


def _flawed(rng: random.Random, folder: Path, definition: dict[str, Any]) -> File:
    """Return a file that no job can load; where jobs wait for theirs, each comes in the end."""
    flaw = Flaw.HEADER if "arrival" in definition else rng.choice(list(Flaw))
    content = write_content(folder / "flawed.csv", rng, 5)
    data = content.path.read_bytes().replace(b"sku,", b"sqew,", 1)
    content.path.write_bytes(data)
    if flaw is Flaw.MISSING:
        content.path.unlink()
    return File(content, data, flaw)
