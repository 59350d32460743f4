"""Find a dataset in the ledger: one that is there and not deleted, or an error that says how to fix it."""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from libs.common.errors import NotFound
from libs.common.ledger.models import Dataset


def find_dataset(session: Session, name: str) -> Dataset:
    """Return the dataset called `name`, or raise `NotFound` that says how to fix it."""
    return require_live(name, session.scalar(_live_dataset(name)))


def hold_dataset(session: Session, name: str) -> Dataset:
    """Return the dataset and keep it from being deleted until the transaction ends, or raise `NotFound`."""
    held = _live_dataset(name).with_for_update(read=True, key_share=True)
    return require_live(name, session.scalar(held.execution_options(populate_existing=True)))


def _live_dataset(name: str) -> Select[Dataset]:
    return select(Dataset).where(Dataset.name == name, Dataset.deleted_at.is_(None))


def require_live(name: str, dataset: Dataset | None) -> Dataset:
    """Return the dataset if there is one that is not deleted, or raise `NotFound` that says how to fix it."""
    if dataset is None or dataset.deleted_at is not None:
        raise unknown_dataset(name)
    return dataset


def unknown_dataset(name: str) -> NotFound:
    """Make the error for a dataset that is not there (any more)."""
    return NotFound(
        "dataset-unknown",
        f"there is no dataset {name!r}; GET /v1/datasets lists them, PUT /v1/datasets/{name} makes one",
    )
