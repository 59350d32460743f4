"""Name the advisory lock that fences the load of a chunk; loader and sweeper must mean the same one.

The transaction that copies holds it until it ends (rule 4). It is no lock on a table: DDL on the ledger need not
wait for a load.
"""

from uuid import UUID


def fence_of(job_id: UUID, number: int) -> str:
    """Return the name, which Postgres turns into a key with ``hashtextextended(name, 0)``."""
    return f"adsp.chunk:{job_id}:{number}"
