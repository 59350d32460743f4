"""Choose by a seed what is sent to a dataset: the files, their days, and how the dataset loads."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.deliveries.sequential import Delivery, Flaw
from tests.faults.contents import Content, write_content

FIRST_DAY = date(2026, 1, 10)
_LATE = ".late"
_MODES: dict[str, dict[str, Any]] = {
    "atomic": {"mode": "append"},
    "chunked": {"mode": "append", "atomic": False},
    "upsert": {"mode": "upsert", "key": ["sku"]},
    "replace": {"mode": "replace"},
}


@dataclass(frozen=True)
class _File:
    """A file with what is wrong with it; a late one lies under another name at first."""

    content: Content
    data: bytes
    flaw: Flaw | None


@dataclass(frozen=True)
class Scenario:
    """A dataset, what is sent to it in this order, and the files that are not there yet."""

    seed: int
    table: str
    is_keyed: bool
    definition: dict[str, Any]
    deliveries: list[Delivery]
    late: list[Path]

    @property
    def is_chunked(self) -> bool:
        """Tell whether a job that fails may have loaded a part."""
        return not self.definition.get("atomic", True)


def make_scenario(seed: int, folder: Path) -> Scenario:
    """Make the scenario of a seed and write its files into the folder."""
    rng = random.Random(seed)
    kind = rng.choice(list(_MODES))
    table = f"public.deliveries_{seed}"
    definition = {"table": table, **_MODES[kind]}
    if rng.random() < (0.8 if kind == "chunked" else 0.4):
        definition["max_rejected_rows"] = rng.randrange(3)
    if rng.random() < 0.3 and definition["mode"] != "append":
        definition["out_of_order"] = "load"
    if rng.random() < 0.3:
        definition["arrival"] = {"wait": "1h", "poll": "5s"}
    files = _write_files(rng, Path(mkdtemp(prefix=f"{seed}-", dir=folder)), definition)
    sent = _choose_files(rng, files)
    deliveries = [_send(rng, file, definition) for file in sent]
    late = []
    if "arrival" in definition:
        late = rng.sample([each.content.path for each in files], k=rng.randrange(len(files)))
        for path in late:
            path.rename(path.with_suffix(_LATE))
    is_keyed = kind == "upsert" or (kind == "replace" and rng.random() < 0.5)
    return Scenario(seed, table, is_keyed, definition, deliveries, late)


def arrive(path: Path) -> None:
    """Let a late file be there."""
    path.with_suffix(_LATE).rename(path)


def _write_files(rng: random.Random, folder: Path, definition: dict[str, Any]) -> Sequence[_File]:
    """Write some files, among them one without records, one that comes twice under two names, and bad ones."""
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
        files.append(_File(content, content.path.read_bytes(), None))
    first = files[0]
    copy = Content(
        folder / "copy.csv", first.content.rows, first.content.failed, first.content.superseded
    )
    copy.path.write_bytes(first.data)
    files.append(_File(copy, first.data, None))
    if rng.random() < 0.5:
        files.append(_flawed(rng, folder, definition))
    return files


def _flawed(rng: random.Random, folder: Path, definition: dict[str, Any]) -> _File:
    """Return a file that no job can load; where jobs wait for theirs, each comes in the end."""
    flaw = Flaw.HEADER if "arrival" in definition else rng.choice(list(Flaw))
    content = write_content(folder / "flawed.csv", rng, 5)
    data = content.path.read_bytes().replace(b"sku,", b"sqew,", 1)
    content.path.write_bytes(data)
    if flaw is Flaw.MISSING:
        content.path.unlink()
    return _File(content, data, flaw)


def _choose_files(rng: random.Random, files: Sequence[_File]) -> list[_File]:
    """Choose what is sent: often the same as just before, as a sender whose data have not changed does."""
    sent: list[_File] = []
    for _ in range(rng.randrange(3, 8)):
        sent.append(sent[-1] if sent and rng.random() < 0.25 else rng.choice(files))
    return sent


def _send(rng: random.Random, file: _File, definition: dict[str, Any]) -> Delivery:
    """Choose the day. What a chunked job may have loaded in part is not forced: that would double it."""
    most = definition.get("max_rejected_rows")
    is_partial = most is not None and len(file.content.failed) > most
    return Delivery(
        content=file.content,
        data=file.data,
        data_date=FIRST_DAY + timedelta(days=rng.randrange(3)),
        force=rng.random() < 0.15 and not is_partial,
        flaw=file.flaw,
    )
