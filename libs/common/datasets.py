"""Define a dataset: what is fed into which table, from where, in which format, when, and how.

The definition is what ``PUT /v1/datasets/{name}`` accepts. A job keeps a copy of the definition it was
made under, so that a later change does not alter a load that is under way.
"""

import codecs
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, takewhile
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from libs.common import source_pattern
from libs.common.arrival import Arrival
from libs.common.states import (
    AfterLoad,
    CatchUp,
    LoadMode,
    MissingColumns,
    Once,
    OutOfOrder,
    SourceMatch,
)
from libs.common.utf16 import ENCODINGS as WIDE_ENCODINGS

DATASET_NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,62}$"
TABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_$]{0,62}\.[A-Za-z_][A-Za-z0-9_$]{0,62}$"


@cache
def _time_zones() -> frozenset[str]:
    """List the time zones of this machine; that reads some hundred files, so once per process."""
    return frozenset(available_timezones())


def _known_time_zone(name: str) -> str:
    if name not in _time_zones():
        raise ValueError(f"unknown time zone {name!r}; use an IANA name such as 'Europe/Vienna'")
    return name


def _valid_cron(expression: str) -> str:
    """Accept five fields that have a due time; CronSim would take a sixth one, for seconds, in front."""
    try:
        if len(expression.split()) != 5:
            raise CronSimError("Wrong number of fields")
        due_at = next(CronSim(expression, datetime.now(UTC)), None)
    except CronSimError as exc:
        raise ValueError(
            f"cannot read the cron expression {expression!r} ({exc}); five fields, e.g. '30 2 * * *'"
        ) from exc
    if due_at is None:
        raise ValueError(
            f"the cron expression {expression!r} is due on no day of the next 50 years; e.g. '30 2 * * *'"
        )
    return expression


def _readable(name: str) -> str:
    """Accept UTF-16, and encodings in which every ASCII byte means itself, wherever it stands."""
    try:
        codec = codecs.lookup(name)
    except LookupError as exc:
        raise ValueError(
            f"unknown encoding {name!r}; use for example utf-8, utf-16, latin-1 or cp1252"
        ) from exc
    if codec.name == "utf-8-sig":
        return "utf-8"
    if codec.name in {"utf-8", *WIDE_ENCODINGS}:
        return codec.name
    if not _is_single_byte_superset(codec.name):
        raise ValueError(f"encoding {name!r} is not supported; convert the file to utf-8 first")
    return codec.name


@cache
def _is_single_byte_superset(name: str) -> bool:
    """Tell whether each byte is one character wherever it stands, and ASCII is the first 128 and no other byte.

    Lines, cells and quotes are found by their bytes, so a byte must not depend on those beside it.
    """
    each = [bytes([byte]) for byte in range(256)]
    try:
        letters = [byte.decode(name, "replace") for byte in each]
        return (
            letters[:128] == [chr(byte) for byte in range(128)]
            and all(len(letter) == 1 and not letter.isascii() for letter in letters[128:])
            and all(
                # Each byte before and behind each other one.
                byte.join(each).decode(name, "replace") == letter.join(letters)
                for byte, letter in zip(each, letters, strict=True)
            )
        )
    except (UnicodeError, LookupError):
        return False


TimeZone = Annotated[str, AfterValidator(_known_time_zone)]
Cron = Annotated[str, AfterValidator(_valid_cron)]
Encoding = Annotated[str, AfterValidator(_readable)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileFormat(_Strict):
    """The dialect of a dataset's files."""

    delimiter: str = Field(
        ",", min_length=1, max_length=1, description="One character between cells."
    )
    quote: str = Field('"', min_length=1, max_length=1, description="One character around a cell.")
    encoding: Encoding = Field(
        "utf-8",
        description="Python name of a single-byte encoding, utf-8, utf-16 (the file's mark tells the byte"
        " order; without one it is the little one), utf-16-le or utf-16-be.",
    )
    null: str = Field("", max_length=64, description="An unquoted cell with this text is NULL.")
    compression: Literal["auto", "none", "gzip", "zstd"] = Field(
        "auto", description="auto looks at the file's first bytes."
    )

    @model_validator(mode="after")
    def _distinct_characters(self) -> Self:
        for name, character in (("delimiter", self.delimiter), ("quote", self.quote)):
            if not character.isascii() or character in "\r\n\0":
                raise ValueError(f"{name} must be one ASCII character other than NUL, CR and LF")
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote must differ")
        return self


def _without_default(schema: dict[str, Any]) -> None:
    """Show no default for a field whose default depends on others."""
    schema.pop("default", None)


class Schedule(_Strict):
    """When a dataset's daily job is due."""

    cron: Cron = Field(description="Five-field cron expression, e.g. '30 2 * * *'.")
    time_zone: TimeZone = Field("UTC", description="IANA time zone of the cron expression.")
    catch_up: CatchUp = Field(
        CatchUp.LATEST,
        description="Which missed due times to run; by default all if the dataset's source holds a date.",
        json_schema_extra=_without_default,
    )

    def due_times(self, after: datetime, until: datetime) -> list[datetime]:
        """List the due times to run in the half-open interval (after, until], in UTC, oldest first.

        With `latest` that is at most one. With `all` it is at most 1,000, so that a frequent schedule
        after a long pause cannot fill the memory; the next tick continues.
        """
        zone = ZoneInfo(self.time_zone)
        if self.catch_up is CatchUp.LATEST:
            just_after = until.astimezone(zone).replace(second=0, microsecond=0) + timedelta(
                minutes=1
            )
            newest = next(CronSim(self.cron, just_after, reverse=True), None)
            return [newest.astimezone(UTC)] if newest and after < newest <= until else []
        moments = (moment.astimezone(UTC) for moment in CronSim(self.cron, after.astimezone(zone)))
        return list(islice(takewhile(lambda moment: moment <= until, moments), 1_000))

    def longest_pause(self, now: datetime) -> timedelta:
        """Return the longest time between two due times in the week after `now`, or between the next two.

        Zero when fewer than two are to come, as on the 30th of February.
        """
        moments = CronSim(self.cron, now.astimezone(ZoneInfo(self.time_zone)))
        week_later = now + timedelta(days=7)
        before, longest = next(moments, None), timedelta()
        for moment in moments:
            if before is None or (longest and before > week_later):
                break
            longest = max(longest, moment.astimezone(UTC) - before.astimezone(UTC))
            before = moment
        return longest


class DatasetDefinition(_Strict):
    """A named feed: target table, source pattern, file format, load mode, key, schedule, thresholds."""

    table: str = Field(
        pattern=TABLE_PATTERN, description="Target as 'schema.table'; it must exist."
    )
    source: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description=f"Path or glob under an allowed root; may hold dates: {source_pattern.EXAMPLES}.",
    )
    match: SourceMatch = Field(
        SourceMatch.ONE,
        description="Which matches of a glob are loaded: the only one, the newest by its time, or all of them as one"
        " delivery; `all` leaves out files that an earlier job loaded, unless mode is replace.",
    )
    format: FileFormat = Field(default_factory=FileFormat)
    columns: dict[str, str] = Field(
        default_factory=dict, description="Header cell → column, for headers that differ."
    )
    mode: LoadMode = LoadMode.APPEND
    atomic: bool = Field(
        default=True,
        strict=True,
        description="All or nothing; false loads chunk by chunk (append only).",
    )
    key: list[str] = Field(
        default_factory=list, description="Columns that identify a row, for upsert."
    )
    once: Once = Field(
        Once.CONTENT,
        description="Of append: a content is loaded once, or once for each data_date, for files that may be the same"
        " on two days.",
    )
    scope: dict[str, Literal["data_date"]] | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="Of replace: only the rows are replaced whose column is of the job's data date,"
        ' e.g. {"day": "data_date"}; records of other days are failed rows. The column is a date, a timestamp, or'
        " text that holds the day as YYYY-MM-DD.",
    )
    out_of_order: OutOfOrder = Field(
        OutOfOrder.REFUSE,
        description="Of replace and upsert: a delivery older than the newest loaded one ends `outdated`, or is loaded.",
    )
    time_zone: TimeZone = Field("UTC", description="Zone of timestamps that name none.")
    schedule: Schedule | None = None
    arrival: Arrival | None = Field(
        None,
        description="How long a job waits for a source that is not there; null: it fails at once.",
    )
    settle: float | None = Field(
        None,
        gt=0,
        le=86_400,
        strict=True,
        description="Seconds for which the source must have been seen unchanged; null: the worker's own rule.",
    )
    done_file: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        pattern=r"^[^\x00]*$",
        description="Path of a file that says that the source is whole, e.g. '{source}.done'; may hold dates as"
        " 'source' does and {source} (the source's path). `settle` is not looked at then.",
    )
    after_load: AfterLoad = Field(
        AfterLoad.KEEP,
        description="What becomes of the files of a job that ended well: they stay, are moved into the folder 'loaded'"
        " beside them, or are deleted.",
    )
    max_rejected_rows: int | None = Field(
        None, ge=0, strict=True, description="More failed rows fail the job."
    )
    max_rejected_ratio: float | None = Field(
        None, ge=0, le=1, strict=True, description="A larger share of failed rows fails the job."
    )
    min_rows: int | None = Field(
        None,
        ge=1,
        strict=True,
        description="Fewer good rows fail the job; not for chunked datasets.",
    )
    max_shrink: float | None = Field(
        None,
        ge=0,
        le=1,
        strict=True,
        description="Share of the last load's rows that may be missing; more fail the job, unless it has `force`."
        " Not for chunked datasets.",
    )
    required_columns: list[Annotated[str, Field(min_length=1, max_length=1024)]] = Field(
        default_factory=list,
        max_length=1600,
        description="Cells that the header must have, as they stand there.",
    )
    missing_columns: MissingColumns = Field(
        MissingColumns.REFUSE,
        description="Of a header that lacks columns of the last load: the job fails (unless it has `force`), or they"
        " take their default.",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_catch_up(cls, data: Any) -> Any:
        """Run every missed time where each has a source of its own: `latest` would drop files."""
        schedule = data.get("schedule") if isinstance(data, dict) else None
        if not isinstance(schedule, dict) or "catch_up" in schedule:
            return data
        source = data.get("source")
        is_dated = isinstance(source, str) and source_pattern.holds_date(source)
        return data | {"schedule": schedule | {"catch_up": "all" if is_dated else "latest"}}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.mode is LoadMode.UPSERT) != bool(self.key):
            raise ValueError("mode 'upsert' needs a 'key'; the other modes take none")
        if not self.atomic and self.mode is not LoadMode.APPEND:
            raise ValueError(f"mode {self.mode.value!r} is always atomic; leave 'atomic' out")
        if self.once is Once.DATA_DATE and self.mode is not LoadMode.APPEND:
            raise ValueError(
                f"mode {self.mode.value!r} loads a content again whenever another one came between; leave 'once' out"
            )
        if not self.atomic and self.match is SourceMatch.ALL:
            raise ValueError("match 'all' loads its files together; leave 'atomic' out")
        guards = [name for name in ("min_rows", "max_shrink") if getattr(self, name) is not None]
        if not self.atomic and guards:
            raise ValueError(
                f"{guards[0]!r} is known only at the end of the file, when 'atomic': false has loaded its chunks; "
                f"leave 'atomic' out, or {guards[0]!r}"
            )
        if self.after_load is AfterLoad.MOVE and "**" in (self.source or ""):
            raise ValueError(
                "'**' in 'source' would find files again that 'after_load' has moved; name the folders, or delete files"
            )
        if self.schedule is not None and self.source is None:
            raise ValueError("a schedule needs a 'source' to load from")
        source_pattern.validate(self.source or "")
        source_pattern.validate((self.done_file or "").replace("{source}", ""), "done_file")
        return self

    @property
    def slice_column(self) -> str | None:
        """Return the column that tells to which slice a row belongs, if the table is replaced by slices."""
        return next(iter(self.scope or ()), None)

    @property
    def needed_columns(self) -> list[str]:
        """Return the columns that each header must hold."""
        return [*self.key, *(self.scope or ())]

    @property
    def day_zone(self) -> str:
        """Return the zone of the dataset's days: its schedule's, so that every trigger means the same day."""
        return (self.schedule or self).time_zone

    def exceeds_thresholds(self, rows_read: int, rows_rejected: int) -> bool:
        """Tell whether so many failed rows among so many records fail the job."""
        if self.max_rejected_rows is not None and rows_rejected > self.max_rejected_rows:
            return True
        return (
            self.max_rejected_ratio is not None
            and rows_read > 0
            and rows_rejected / rows_read > self.max_rejected_ratio
        )


def parse_stored(definition: dict[str, Any]) -> DatasetDefinition | ValidationError:
    """Return a stored definition in its typed form, or what today's rules say against it."""
    try:
        return DatasetDefinition.model_validate(definition)
    except ValidationError as exc:
        return exc


def describe_refusal(error: ValidationError) -> str:
    """Word what is wrong with a definition that was stored before the rule that refuses it."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'definition'}: {each['msg'].removeprefix('Value error, ')}"
        for each in error.errors(include_url=False)
    )
