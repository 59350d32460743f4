"""Choose by a seed what is sent to a dataset: the files, their days, and how the dataset loads."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.deliveries.files import DAYS, FIRST_DAY, write_files, write_version
from tests.deliveries.sequential import Delivery, File, Flaw

_LATE = ".late"
_MODES: dict[str, dict[str, Any]] = {
    "atomic": {"mode": "append"},
    "chunked": {"mode": "append", "atomic": False},
    "upsert": {"mode": "upsert", "key": ["sku"]},
    "replace": {"mode": "replace"},
    "slices": {"mode": "replace", "scope": {"updated_at": "data_date"}},
    "slices by text": {"mode": "replace", "scope": {"category": "data_date"}},
}


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
        """Return whether a job that fails may have loaded a part."""
        return not self.definition.get("atomic", True)


def make_scenario(seed: int, folder: Path) -> Scenario:
    """Make the scenario of a seed and write its files into the folder."""
    rng = random.Random(seed)
    kind = rng.choice(list(_MODES))
    table = f"public.deliveries_{seed}"
    definition = _define(rng, kind, table)
    folder = Path(mkdtemp(prefix=f"{seed}-", dir=folder))
    files = write_files(rng, folder, definition)
    sent = _choose_several(rng, files) if "match" in definition else _choose_files(rng, files)
    deliveries = [_send(rng, each, folder, definition) for each in sent]
    if "match" in definition:
        deliveries = list(_rewrite(rng, deliveries, folder, definition))
    late = []
    if "arrival" in definition:
        late = rng.sample([each.content.path for each in files], k=rng.randrange(len(files)))
        for path in late:
            path.rename(path.with_suffix(_LATE))
    mode = definition["mode"]
    is_keyed = mode == "upsert" or (mode == "replace" and rng.random() < 0.5)
    return Scenario(seed, table, is_keyed, definition, deliveries, late)


def arrive(path: Path) -> None:
    """Let a late file be there."""
    path.with_suffix(_LATE).rename(path)


def _define(rng: random.Random, kind: str, table: str) -> dict[str, Any]:
    """Choose how the dataset loads."""
    definition: dict[str, Any] = {"table": table, **_MODES[kind]}
    if rng.random() < {"chunked": 0.8, "slices": 0.2}.get(kind, 0.4):
        definition["max_rejected_rows"] = rng.randrange(3)
    if rng.random() < 0.3 and definition["mode"] != "append":
        definition["out_of_order"] = "load"
    if rng.random() < 0.3 and definition["mode"] == "append":
        definition["once"] = "data_date"
    if rng.random() < 0.4 and kind != "chunked":
        definition["match"] = "all"
    elif rng.random() < 0.3:
        definition["arrival"] = {"wait": "1h", "poll": "5s"}
    if "scope" in definition:
        definition["time_zone"] = rng.choice(["UTC", "Europe/Vienna", "Pacific/Kiritimati"])
    return definition


def _choose_files(rng: random.Random, files: Sequence[File]) -> list[tuple[File, ...]]:
    """Choose what is sent: often the same as just before, as a sender whose data have not changed does."""
    sent: list[tuple[File, ...]] = []
    for _ in range(rng.randrange(3, 8)):
        sent.append(sent[-1] if sent and rng.random() < 0.25 else (rng.choice(files),))
    return sent


def _choose_several(rng: random.Random, files: Sequence[File]) -> list[tuple[File, ...]]:
    """Choose some files for each delivery: often those of before and more; what never comes is there alone or not."""
    sent: list[tuple[File, ...]] = []
    for _ in range(rng.randrange(3, 8)):
        before = sent[-1] if sent and rng.random() < 0.4 else ()
        chosen = [
            file for file in files if file in before or rng.random() < (0.15 if file.flaw else 0.4)
        ] or [rng.choice(files)]
        there = tuple(file for file in chosen if file.flaw is not Flaw.MISSING)
        sent.append(there or tuple(chosen))
    return sent


def _send(
    rng: random.Random, files: tuple[File, ...], folder: Path, definition: dict[str, Any]
) -> Delivery:
    """Choose the day. What a chunked job may have loaded in part is not forced: that would double it."""
    most = definition.get("max_rejected_rows")
    is_partial = most is not None and sum(len(file.content.failed) for file in files) > most
    names = sorted(file.content.path.name for file in files)
    day = files[0].day if rng.random() < 0.9 else None  # with all others no record loads
    return Delivery(
        source=str(folder / (_pattern(names) if "match" in definition else names[0])),
        files=tuple(sorted(files, key=lambda file: file.content.path)),
        data_date=day or FIRST_DAY + timedelta(days=rng.randrange(DAYS)),
        force=rng.random() < 0.15 and not is_partial,
        after_all=rng.random() < 0.3,
    )


def _rewrite(
    rng: random.Random, deliveries: Sequence[Delivery], folder: Path, definition: dict[str, Any]
) -> Iterator[Delivery]:
    """Let other contents stand at the paths of some files from some delivery on."""
    now: dict[Path, File] = {}
    for delivery in deliveries:
        file = rng.choice(delivery.files)
        rewritten: tuple[File, ...] = ()
        if file.flaw is None and rng.random() < 0.3:
            version = write_version(rng, folder, definition, file)
            rewritten, now[file.content.path] = (version,), version
        files = tuple(now.get(file.content.path, file) for file in delivery.files)
        after_all = delivery.after_all or bool(rewritten)
        yield replace(delivery, files=files, after_all=after_all, rewritten=rewritten)


def _pattern(names: Sequence[str]) -> str:
    """Return a glob that means files of these names, which differ in their first letters."""
    return f"[{''.join(name[0] for name in names)}]*.csv"
