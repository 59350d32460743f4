"""Load a file with a Python library that is no dependency: `python -m tools.bench.peer_libraries`.

A process of its own, so that a library's memory, threads and failure are its own too.
"""

import csv
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path


def load_with_pandas(file: Path, url: str, schema: str, table: str) -> None:
    """Load through ``DataFrame.to_sql``, some rows at a time."""
    engine = import_module("sqlalchemy").create_engine(url)
    for part in import_module("pandas").read_csv(file, chunksize=50_000):
        part.to_sql(
            table,
            engine,
            schema=schema,
            if_exists="append",
            index=False,
            method="multi",
            chunksize=5_000,
        )


def load_with_dlt(file: Path, url: str, schema: str, table: str) -> None:
    """Load through a pipeline that appends to the table."""
    dlt = import_module("dlt")
    destination = dlt.destinations.postgres(url.replace("+psycopg2", "", 1))
    pipeline = dlt.pipeline("bench", destination=destination, dataset_name=schema)
    pipeline.run(_rows(file), table_name=table, write_disposition="append")


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        yield from csv.DictReader(opened)


LIBRARIES: dict[str, Callable[[Path, str, str, str], None]] = {
    "pandas": load_with_pandas,
    "dlt": load_with_dlt,
}


if __name__ == "__main__":
    _, name, file, url, schema, table = sys.argv
    LIBRARIES[name](Path(file), url, schema, table)
