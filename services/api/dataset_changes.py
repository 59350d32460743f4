"""Change the stored definition of a dataset: what PUT and PATCH have in common.

row locked ──► If-Match ──► table, key and columns checked ──► stored ──► a trigger keeps the version
"""

from dataclasses import dataclass
from typing import cast

from psycopg2.extensions import connection as Connection  # a class in lower case
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from libs.common.datasets.column_checks import check_columns
from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.slices import check_scope
from libs.common.datasets.stored_definition import parse_stored
from libs.common.ledger.models import Dataset
from libs.common.logs import get_logger
from libs.common.postgres.job_requirements import check_sequences, check_time_zone
from libs.common.postgres.target_checks import check_target
from libs.common.sql_files import read_statement
from services.api.dataset_schemas import AnyDatasetDocument, describe_dataset
from services.api.preconditions import require_match

log = get_logger(__name__)


@dataclass(frozen=True)
class Change:
    """What became of a dataset."""

    document: AnyDatasetDocument
    is_new: bool


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
    table = check_target(
        _driver(session),
        definition.table,
        mode=definition.mode,
        key=definition.key,
        is_sliced=definition.scope is not None,
    )
    check_columns(table, definition)
    check_scope(table, definition)
    filled = [*filter(None, definition.columns.values()), *definition.add]
    check_sequences(_driver(session), table, filled)
    check_time_zone(_driver(session), definition.time_zone)
    is_live = before is not None and before.deleted_at is None
    if before is not None and is_live and parse_stored(before.definition) == definition:
        return Change(describe_dataset(before), is_new=False)
    statement = text(read_statement(__package__, "put_dataset"))
    values = {"name": name, "definition": definition.model_dump_json()}
    was_made = session.execute(statement, values).scalar_one()
    stored = session.get_one(Dataset, name, populate_existing=True)
    is_new = was_made or (before is not None and not is_live)
    log.info("dataset_stored", dataset=name, version=stored.version, is_new=is_new)
    return Change(describe_dataset(stored), is_new=is_new)


def _driver(session: Session) -> Connection:
    """Return psycopg2's connection of the session's transaction."""
    return cast(Connection, session.connection().connection.driver_connection)
