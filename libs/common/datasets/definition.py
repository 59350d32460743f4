"""Define a dataset: what is fed into which table, from where, in which format, when, and how.

The definition is what ``PUT /v1/datasets/{name}`` accepts. A job keeps a copy of the definition it was
made under, so that a later change does not alter a load that is under way. What is checked against the target table
when a definition is stored is in `services/api/dataset_changes.py`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from libs.common.csv.dialect import FileFormat
from libs.common.datasets.arrival import Arrival
from libs.common.datasets.column_options import (
    LINE,
    OF_JOBS,
    AddedValue,
    ColumnName,
    Rescue,
    UnknownColumns,
    require_apart,
    require_read_or_added,
)
from libs.common.datasets.conversions import Conversion, require_one_kind
from libs.common.datasets.notify import NotifyRule
from libs.common.datasets.schedule import Schedule, TimeZone
from libs.common.enums import (
    AfterLoad,
    CatchUp,
    DateOrder,
    HeaderMatch,
    LoadMode,
    MissingColumns,
    Once,
    OutOfOrder,
    SourceMatch,
    Write,
)
from libs.common.postgres.header_mapping import HeaderRules
from libs.common.sources import source_pattern
from libs.common.strict_model import StrictModel

DATASET_NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,62}$"
TABLE_PATTERN = r"^[^.\x00]{1,63}\.[^\x00]{1,63}$"


class DatasetDefinition(StrictModel):
    """A named feed: target table, source pattern, file format, load mode, key, schedule, thresholds."""

    table: str = Field(
        pattern=TABLE_PATTERN,
        description="Target as 'schema.table', written as Postgres has the names, without quotes; it must exist.",
    )
    source: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description=f"Path or glob under an allowed root, or a store's URL; may hold dates: {source_pattern.EXAMPLES}.",
    )
    match: SourceMatch = Field(
        SourceMatch.ONE,
        description="Which matches of a glob are loaded: the only one, the newest by its time, or all of them as one"
        " delivery; `all` leaves out files that an earlier job loaded, unless mode is replace.",
    )
    format: FileFormat = Field(default_factory=FileFormat)
    columns: dict[str, str | None] = Field(
        default_factory=dict,
        description="Header cell → column, for headers that differ; null leaves the cell out.",
    )
    header_match: HeaderMatch = Field(
        HeaderMatch.EXACT,
        description="How header cells are matched to columns: as they are written, or whatever their case and the"
        " spaces around them. Unicode's forms and names that Postgres has cut at 63 bytes match in any case.",
    )
    unknown_columns: UnknownColumns = Field(
        "fail",
        description="Of header cells without a column: the job fails, they are left out (`ignore`), or their cells go"
        ' into a jsonb column ({"rescue": "column"}).',
    )
    convert: dict[str, Conversion] = Field(
        default_factory=dict,
        max_length=1600,
        description='Column, or "*" for all that have no entry of their own → what becomes of its cells before'
        " Postgres reads them.",
    )
    add: dict[ColumnName, AddedValue] = Field(
        default_factory=dict,
        max_length=100,
        description=f"Column → what each row gets there: {', '.join(OF_JOBS)}, or a constant.",
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
    write: Write = Field(
        Write.CHANGED,
        description="Of replace: only rows that differ from what the table holds are written, so that triggers see"
        " real changes alone and columns that the file lacks keep their values (a job's `load_paths` say where not);"
        " `all` deletes and inserts every row.",
    )
    out_of_order: OutOfOrder = Field(
        OutOfOrder.REFUSE,
        description="Of replace and upsert: a delivery older than the newest loaded one ends `outdated`, or is loaded.",
    )
    time_zone: TimeZone = Field("UTC", description="Zone of timestamps that name none.")
    date_order: DateOrder | None = Field(
        None,
        description="How Postgres reads dates like 03/02/2026 (its `DateStyle`); null: MDY, with the warning"
        " `ambiguous-dates` where a file's dates contradict it. Dates that begin with the year of four digits are"
        " read the same in any order.",
    )
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
        " 'source' does and {source} (the source's path). It must be as new as the source;"
        " `settle` is not checked then.",
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
    keep_failed_rows_days: int | None = Field(
        None, ge=1, le=36_500, strict=True, description="Days for which failed rows are kept."
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
    masked_columns: list[ColumnName] = Field(
        default_factory=list,
        max_length=1600,
        description="Columns whose cells' raw text is kept nowhere: failed rows have *** in place of it.",
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
    notify: list[NotifyRule] = Field(
        default_factory=list,
        max_length=20,
        description="Whom to tell of its jobs, and of what.",
    )

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
        self._require_atomic_for_guards()
        if self.after_load is AfterLoad.MOVE and "**" in (self.source or ""):
            raise ValueError(
                "'**' in 'source' would find files again that 'after_load' has moved; name the folders, or delete files"
            )
        if self.schedule is not None and self.source is None:
            raise ValueError("a schedule needs a 'source' to load from")
        require_one_kind(self.convert)
        require_apart(self.columns, self.add, self.unknown_columns)
        require_read_or_added(self.convert, self.add)
        source_pattern.validate(self.source or "")
        source_pattern.validate((self.done_file or "").replace("{source}", ""), "done_file")
        self._require_replace_to_write_all()
        return self

    def _require_replace_to_write_all(self) -> None:
        """Raise where there is nothing but writing all."""
        if self.write is Write.ALL and self.mode is not LoadMode.REPLACE:
            raise ValueError(
                f"'write': 'all' is of mode 'replace', mode {self.mode.value!r} knows no other way; leave 'write' out"
            )

    def _require_atomic_for_guards(self) -> None:
        """Raise for what is known only when chunks have been loaded."""
        guards = [name for name in ("min_rows", "max_shrink") if getattr(self, name) is not None]
        footer = self.format.footer
        if footer is not None and footer.rows is not None:
            guards.append("format.footer.rows")
        if not self.atomic and guards:
            raise ValueError(
                f"{guards[0]!r} is known only at the end of the file, when 'atomic': false has loaded its chunks; "
                f"leave 'atomic' out, or {guards[0]!r}"
            )

    @property
    def rescue_column(self) -> str | None:
        """Return the column for cells that have none of their own."""
        unknown = self.unknown_columns
        return unknown.rescue if isinstance(unknown, Rescue) else None

    @property
    def header_rules(self) -> HeaderRules:
        """Return how headers are read."""
        return HeaderRules(
            self.columns,
            ignores_case=self.header_match is HeaderMatch.CASE_INSENSITIVE,
            leaves_unknown_out=self.unknown_columns == "ignore",
            rescue=self.rescue_column,
            added=frozenset(self.add),
            added_last=frozenset(name for name, value in self.add.items() if value == LINE),
            needed=self.needed_columns,
        )

    @property
    def slice_column(self) -> str | None:
        """Return the column that tells to which slice a row belongs, if the table is replaced by slices."""
        return next(iter(self.scope or ()), None)

    @property
    def needed_columns(self) -> list[str]:
        """Return the columns that each header must hold."""
        return [*self.key, *(self.scope or ())]

    @property
    def catch_up(self) -> CatchUp:
        """Return which missed due times are run: each that has a source of its own, since `latest` would drop files.

        It is not stored unless a person has said it, so that a source that is changed later has its own default.
        """
        if self.schedule is not None and self.schedule.catch_up is not None:
            return self.schedule.catch_up
        return CatchUp.ALL if source_pattern.holds_date(self.source or "") else CatchUp.LATEST

    @property
    def day_zone(self) -> str:
        """Return the zone of the dataset's days: its schedule's, so that every trigger means the same day."""
        return (self.schedule or self).time_zone

    def exceeds_thresholds(self, rows_read: int, rows_rejected: int) -> bool:
        """Return whether so many failed rows among so many records fail the job."""
        most, ratio = self.max_rejected_rows, self.max_rejected_ratio
        if most is not None and rows_rejected > most:
            return True
        return ratio is not None and rows_read > 0 and rows_rejected / rows_read > ratio
