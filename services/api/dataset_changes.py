"""Change the stored definition of a dataset: what PUT and PATCH have in common.

row locked ──► If-Match ──► table, key and columns checked ──► stored ──► a trigger keeps the version
"""

from dataclasses import dataclass
from typing import cast

from psycopg2.extensions import connection as Connection  # a class in lower case
from sqlalchemy import select
from sqlalchemy.orm import Session

from libs.common.datasets.column_checks import check_columns
from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.slices import check_scope
from libs.common.datasets.stored_definition import parse_stored
from libs.common.enums import AuditAction
from libs.common.ledger.audit import Actor, record_audit
from libs.common.ledger.models import Dataset
from libs.common.logs import get_logger
from libs.common.postgres.job_requirements import (
    check_needed_rights,
    check_time_zone,
    check_writable,
)
from libs.common.postgres.target_checks import check_target
from libs.common.postgres.target_table import TargetTable
from libs.common.postgres.trigger_rights import find_lacking_rights
from libs.common.sql_files import statement
from services.api.dataset_schemas import (
    ChangedDatasetDocument,
    DatasetDocument,
    describe_dataset,
)
from services.api.notification_targets import require_known_targets
from services.api.preconditions import require_match

log = get_logger(__name__)


@dataclass(frozen=True)
class Change:
    """What became of a dataset, and what may go wrong with its jobs."""

    document: DatasetDocument
    is_new: bool
    is_stored: bool
    warnings: list[str]

    @property
    def answer(self) -> ChangedDatasetDocument:
        """Return the body of the answer."""
        return ChangedDatasetDocument(**self.document.model_dump(), warnings=self.warnings)

    def record(self, session: Session, actor: Actor, action: AuditAction) -> None:
        """Keep who made the change, in its transaction; an equal definition is none."""
        if self.is_stored:
            subject = f"dataset/{self.document.name}"
            record_audit(session, actor, action, subject, version=self.document.version)

    def log_stored(self) -> None:
        """Log the change once it is committed; an equal definition is none."""
        if self.is_stored:
            document = self.document
            log.info(
                "dataset_stored",
                dataset=document.name,
                version=document.version,
                is_new=self.is_new,
            )


def lock_dataset(session: Session, name: str) -> Dataset | None:
    """Return the dataset, also a deleted one, and let nobody else change it until the transaction ends."""
    query = select(Dataset).where(Dataset.name == name).with_for_update(key_share=True)
    return session.scalar(query.execution_options(populate_existing=True))


def require_state(dataset: Dataset | None, if_match: str | None) -> None:
    """Refuse the change of a dataset that is not as ``If-Match`` says."""
    is_there = dataset is not None and dataset.deleted_at is None
    require_match(if_match, describe_dataset(dataset) if dataset and is_there else None)


def change_definition(
    session: Session, name: str, before: Dataset | None, definition: DatasetDefinition
) -> Change:
    """Store a definition in place of the locked one, or bring a deleted dataset back with it.

    An equal one changes nothing. Raises `BadInput` for what could not be loaded.
    """
    connection = _driver(session)
    table = require_loadable(connection, definition)
    require_known_targets(session, definition)
    warnings = find_lacking_rights(connection, table, definition.mode)
    is_live = before is not None and before.deleted_at is None
    if before is not None and is_live and parse_stored(before.definition) == definition:
        return Change(_described(before), is_new=False, is_stored=False, warnings=warnings)
    values = {"name": name, "definition": definition.model_dump_json()}
    was_made = session.execute(statement(__package__, "put_dataset"), values).scalar_one()
    stored = session.get_one(Dataset, name, populate_existing=True)
    is_new = was_made or (before is not None and not is_live)
    return Change(_described(stored), is_new=is_new, is_stored=True, warnings=warnings)


def require_loadable(connection: Connection, definition: DatasetDefinition) -> TargetTable:
    """Return the table, or raise `BadInput` for what each job would fail by, saying what to run or to change."""
    table = check_target(
        connection,
        definition.table,
        mode=definition.mode,
        key=definition.key,
        is_sliced=definition.scope is not None,
    )
    check_writable(connection, table, definition.mode)
    check_columns(table, definition)
    check_scope(table, definition)
    filled = [*filter(None, definition.columns.values()), *definition.add]
    check_needed_rights(connection, table, filled)
    check_time_zone(connection, definition.time_zone)
    return table


def _described(dataset: Dataset) -> DatasetDocument:
    """Return the document of a dataset whose definition was checked by today's rules."""
    return cast(DatasetDocument, describe_dataset(dataset))


def _driver(session: Session) -> Connection:
    """Return psycopg2's connection of the session's transaction."""
    return cast(Connection, session.connection().connection.driver_connection)
