"""Make random files, each for a table of `tables`: mostly good rows, as written by many programs, and some bad ones.

A trial is made from its seed alone, so that a seed found at random can be tried again.
"""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from libs.common.datasets.definition import DatasetDefinition
from services.loader.tests.integration.cases import Case
from services.loader.tests.integration.dressing import Form, make_dressing
from services.loader.tests.integration.formats import (
    PACKINGS,
    Writing,
    make_format,
)
from services.loader.tests.integration.tables import Column, Shape, make_day_column, make_shape

CAP = 1024
"""The longest record of all these tests, bytes."""
Row = list[str | None]

_MOST_CHUNKS = 15
_KEYED = 0.9
"""So many snapshots are of a table with a key, without which nothing is compared."""
_DAILY = 0.6
"""So many files are of the kind that is loaded by columns: where a fast way goes wrong if it does."""
_ZONES = (
    "UTC",
    "UTC",
    "Europe/Vienna",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
)
_DAILY_NULLS: tuple[str | list[str], ...] = ("",) * 4 + (["", "NULL", "n/a"],)
_NULLS: tuple[str | list[str], ...] = (
    "",
    "",
    "",
    "NULL",
    "\\N",
    ["", "\\N", "1"],
    [],
    ["é", "漢", ""],
)
_ENCODINGS = ("utf-8",) * 7 + ("latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be")
_BAD_SHARES = (0.0, 0.0, 0.01, 0.02, 0.05, 0.1, 0.3)
_REPEATED = (0.0, 0.0, 0.01, 0.05, 0.3)
_DIALECTS: tuple[dict[str, str], ...] = ({},) * 6 + (
    {"delimiter": ";"},
    {"delimiter": "\t"},
    {"delimiter": "|", "quote": "'"},
    {"delimiter": "^", "quote": "]"},
)
_BROKEN_LINES = (
    *(
        "",
        "",
        ",",
        "1",
        '"a"b,c',
        'a"b,c',
        "1,2,3,4,5,6,7,8,9,10",
        "\\.",
        "\0",
        "1,\0",
        "x" * (CAP + 9),
        '"x\ny"z',
    ),
    *("1,a\rb", "\r", '"x"\r,2', 'a\r"b', '1,"x\ry"', "1,a\r\r"),
    *(" ", "\ufeff", "'", '"""', "1," + '"' + "y\n" * 600 + '"'),
)
_BAD_BYTES = (b"\xff", b"1,\xc3", b"1,\xed\xa0\x80,2", b"\xf4\x90\x80\x80", b"\x81\x8d")
_COUNTED = {
    "text": "w{0}",
    "varchar": "w{0}",
    "inet": "10.0.{1}.{2}",
    "cidr": "10.0.{1}.{2}/32",
    "int[]": "{{{0},1}}",
    "interval": "{0} days",
    "feed.{t}_cost": "{1}.{2}",
}
"""How identifiers of a type are counted: by the number, and by its parts above and below 250."""
_LONE_SURROGATE = b"\x3d\xd8"


@dataclass(frozen=True)
class Trial:
    """One load to be compared: a table with rows in it, a file, and how it is cut and loaded."""

    seed: int
    shape: Shape
    writing: Writing
    head: bytes
    lines: list[bytes]
    tail: bytes
    rows_before: list[Row]
    mode: str
    time_zone: str
    chunk_bytes: int | None
    settings: dict[str, int] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    """What the dataset declares about its columns and cells."""
    rows: list[Row] = field(default_factory=list)
    """The rows of the file, but for its broken lines."""
    is_sliced: bool = False
    """Whether only the rows of a day are replaced, by the column `day`."""

    @property
    def data(self) -> bytes:
        """Return the file."""
        plain = self.head + b"".join(self.lines) + self.tail
        return PACKINGS.get(self.writing.compression, bytes)(plain)

    @property
    def case(self) -> Case:
        """Return the trial as a case."""
        columns = ", ".join(column.identifier for column in self.shape.given)
        seed = [
            f"INSERT INTO feed.{{t}} ({columns}) VALUES ({', '.join(map(_literal, row))})"
            for row in self.rows_before
        ]
        options: dict[str, Any] = {
            "format": {
                **self.writing.dialect,
                **self.writing.options,
                "encoding": self.writing.encoding,
                "null": self.writing.null,
                "quoted_null": self.writing.quoted_null,
            },
            **self.options,
            "time_zone": self.time_zone,
            "atomic": self.chunk_bytes is None,
        }
        return Case(
            f"seed {self.seed}",
            self.data,
            self.shape.statements,
            key=self.shape.key,
            options=options,
            rows_before=seed,
            hidden=self.shape.hidden,
        )

    def definition(self, table: str) -> DatasetDefinition:
        """Return the dataset of one of the two tables."""
        key = list(self.shape.key) if self.mode == "upsert" else []
        scope = {"scope": {"day": "data_date"}} if self.is_sliced else {}
        return DatasetDefinition.model_validate(
            {"table": f"feed.{table}", "mode": self.mode, "key": key, **scope, **self.case.options}
        )

    def with_lines(self, lines: list[bytes]) -> "Trial":
        """Return the trial with fewer lines."""
        return replace(self, lines=lines)


def make_snapshot(seed: int, *, is_sliced: bool = False) -> Trial:
    """Make a replace, also of a day, or an upsert of a full table: some rows are changed, some gone, some new."""
    rng = Random(-seed)
    trial = make_trial(seed, is_sliced=is_sliced)
    while (not trial.shape.key and rng.random() < _KEYED) or (is_sliced and _refers(trial.shape)):
        trial = replace(make_trial(rng.randrange(10**9), is_sliced=is_sliced), seed=seed)
    columns = trial.shape.given
    before = [_age(rng, columns, row) for row in trial.rows if rng.random() < 0.9]
    before += [
        [_key(column, 5000 + number, rng) for column in columns]
        for number in range(rng.choice((0, 1, 10)))
    ]
    is_upsert = trial.shape.key and not is_sliced and rng.random() < 0.4
    return replace(
        trial,
        rows_before=before,
        mode="upsert" if is_upsert else "replace",
        chunk_bytes=None,
        settings={**trial.settings, "comparison_rows": rng.choice((0, 0, 20_000))},
    )


def _refers(shape: Shape) -> bool:
    """Return whether a row refers to another of its table, which may forbid that the rows of a day are deleted."""
    return any(column.name == "boss" for column in shape.columns)


def _age(rng: Random, columns: list[Column], row: Row) -> Row:
    """Return what a row may have been the day before: mostly the same."""
    older = row[:]
    if rng.random() < 0.1:
        place = rng.randrange(len(columns))
        older[place] = columns[place].write(rng)
    return older


def make_trial(seed: int, *, is_sliced: bool = False) -> Trial:
    """Make the trial of a seed; with `is_sliced` the table has a column `day` by which it is replaced."""
    rng = Random(seed)
    is_daily = rng.random() < _DAILY
    shape = make_shape(rng, common=is_daily)
    if is_sliced:
        shape.columns.append(make_day_column(rng, common=is_daily))
    writing = _make_daily_writing(rng) if is_daily else _make_writing(rng)
    mode = rng.choice(("append", "append", "append", "replace", "upsert", "upsert"))
    if mode == "upsert" and not shape.key:
        mode = "append"
    mode = "replace" if is_sliced else mode
    rows = _make_rows(rng, shape.given, is_daily=is_daily)
    before = rng.sample(rows, min(len(rows), rng.choice((0, 0, 3, 20))))
    forms: tuple[Form, ...] = ("NFC", "NFD") if writing.encoding.startswith("utf") else ("NFC",)
    dressing = make_dressing(rng, shape, forms, often=is_daily)
    header = [name or "" for name in dressing.header]
    writing = make_format(rng, writing, header)
    lines = _make_lines(rng, writing, [dressing.write(rng, row) for row in rows])
    tail = writing.footer(rng)
    if tail and lines and not lines[-1].endswith(writing.encode(writing.ending)):
        lines.append(writing.encode(writing.ending))
    is_chunked = (
        mode == "append"
        and writing.compression == "none"
        and rng.random() < (0.3 if is_daily else 0.5)
    )
    return Trial(
        seed,
        shape,
        writing,
        writing.head(rng, header),
        lines,
        tail,
        before,
        mode,
        rng.choice(_ZONES),
        max(
            rng.choice((1000, 4000) if is_daily else (30, 100, 333, 2000)),
            len(b"".join(lines)) // _MOST_CHUNKS,
        )
        if is_chunked
        else None,
        {
            "block_bytes": rng.choice(
                (400, 3000, 1 << 20, 1 << 20) if is_daily else (60, 400, 1 << 20)
            ),
            "block_rows": rng.choice((5, 16, 100, 20_000)),
        },
        dressing.options,
        rows,
        is_sliced,
    )


def _make_daily_writing(rng: Random) -> Writing:
    """Choose how most files are written, which is the way that is loaded by columns."""
    return Writing(
        dialect=rng.choice(_DIALECTS[:8]),
        encoding="utf-8",
        null=rng.choice(_DAILY_NULLS),
        quoted_null=rng.random() < 0.2,
        ending=rng.choice(("\n",) * 9 + ("\r\n",)),
        quoting=rng.choice((0.0, 0.0, 0.05, 1.0)),
        has_mark=rng.random() < 0.2,
    )


def _make_writing(rng: Random) -> Writing:
    """Choose a program that writes files."""
    encoding = rng.choice(_ENCODINGS)
    can_have_mark = encoding.startswith("utf")
    return Writing(
        dialect=rng.choice(_DIALECTS),
        encoding=encoding,
        null=rng.choice(_NULLS),
        quoted_null=rng.random() < 0.2,
        ending=rng.choice(("\n", "\n", "\n", "\r\n", "\r")),
        quoting=rng.choice((0.0, 0.0, 0.05, 1.0)),
        has_mark=can_have_mark and rng.random() < 0.3,
        compression=rng.choice(("none",) * 8 + tuple(PACKINGS)),
    )


def _make_rows(rng: Random, columns: list[Column], *, is_daily: bool) -> list[Row]:
    """Make the rows: plain ones, keys counted up, some repeated, and a share with an odd cell."""
    sizes = (rng.randint(20, 90), rng.randint(150, 350), rng.randint(0, 6))
    share, repeated = rng.choice(_BAD_SHARES), rng.choice(_REPEATED)
    rows: list[Row] = []
    for number in range(rng.choice(sizes[: 2 if is_daily else 3])):
        row: Row = [_key(column, number, rng) for column in columns]
        if rows and rng.random() < repeated:
            earlier = rng.choice(rows)
            row = earlier[:] if rng.random() < 0.5 else [earlier[0], *row[1:]]
        if rng.random() < share:
            place = rng.randrange(len(columns))
            row[place] = rng.choice((None, *columns[place].spelling.odd))
            if rng.random() < 0.3:
                place = rng.randrange(len(columns))
                row[place] = rng.choice((None, *columns[place].spelling.odd))
        elif rng.random() < 0.05:
            row[rng.randrange(len(columns))] = None
        rows.append(row)
    return rows


def _key(column: Column, number: int, rng: Random) -> str:
    """Return a plain cell; an identifier is counted up, so that few rows are refused as repeated."""
    if column.name != "id" or rng.random() < 0.02:
        return column.write(rng)
    if column.spelling.type == "uuid":
        return f"{number:08x}-0000-4000-8000-00000000abcd"
    if column.spelling.type in _COUNTED:
        return _COUNTED[column.spelling.type].format(number, number // 250, number % 250)
    return str(number)


def _make_lines(rng: Random, writing: Writing, rows: list[Row]) -> list[bytes]:
    """Write the rows as lines, a few broken ones among them."""
    share = rng.choice((0.0, 0.0, 0.0, 0.01, 0.05))
    lines: list[bytes] = []
    for row in rows:
        if rng.random() < share:
            lines.append(_broken_line(rng, writing))
        lines += writing.beside(rng)
        lines.append(writing.line(rng, row))
        if rng.random() < share:
            lines.append(writing.encode(rng.choice(("\n", "\r\n", "\r"))))
    if lines and rng.random() < 0.25:
        lines[-1] = lines[-1].removesuffix(writing.encode(writing.ending))
    if rng.random() < share:
        lines.append(writing.encode('"never closed' + writing.ending + "1,2"))
    if writing.stored_encoding.startswith("utf-16") and rng.random() < 0.1:
        lines.append(b"\x31")
    return lines


def _broken_line(rng: Random, writing: Writing) -> bytes:
    """Return a line that is no sound record, or none at all."""
    if rng.random() < 0.3:
        if writing.stored_encoding.startswith("utf-16"):
            is_little = writing.stored_encoding.endswith("le")
            lone = _LONE_SURROGATE if is_little else _LONE_SURROGATE[::-1]
            return writing.encode("1,") + lone + writing.encode("x" + writing.ending)
        return rng.choice(_BAD_BYTES) + writing.encode(writing.ending)
    text = rng.choice(_BROKEN_LINES)
    text = text.replace(",", writing.delimiter).replace('"', writing.quote or '"')
    return writing.encode(text + writing.ending)


def _literal(cell: str | None) -> str:
    return "NULL" if cell is None else "'" + cell.replace("'", "''") + "'"
