"""The tables of what ended jobs add up to, for Prometheus."""

from sqlalchemy.orm import Mapped, mapped_column

from libs.common.ledger.tables.base import Base


class JobCounter(Base):
    """How many jobs have ended and what became of their records; a trigger adds each at its end.

    It never goes down, whatever jobs are deleted, and reading it costs the same however many there were.
    """

    __tablename__ = "job_counters"

    dataset: Mapped[str] = mapped_column(primary_key=True)
    trigger: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    jobs: Mapped[int]
    rows_read: Mapped[int]
    rows_loaded: Mapped[int]
    rows_rejected: Mapped[int]
    rows_superseded: Mapped[int]
    bytes: Mapped[int] = mapped_column(comment="Of the sources, as stored.")
    unaccounted: Mapped[int] = mapped_column(comment="Records that went nowhere; must be 0.")


class FailedRowCounter(Base):
    """How many failed rows ended jobs have had, by reason."""

    __tablename__ = "failed_row_counters"

    dataset: Mapped[str] = mapped_column(primary_key=True)
    error_code: Mapped[str] = mapped_column(primary_key=True)
    failed_rows: Mapped[int]
