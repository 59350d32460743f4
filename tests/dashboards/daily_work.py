"""Have work done of which every panel has something to show: good, rejecting and failing jobs."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.endtoend.system import System
from tools.client.sample_items import write_items

DATASETS = ("good", "rejecting", "failing")
JOBS: tuple[dict[str, Any], ...] = (
    {"dataset": "good", "source": "good-1.csv"},
    {"dataset": "good", "source": "good-2.csv"},
    {"dataset": "rejecting"},
    {"dataset": "failing"},
)


def put_datasets(system: System) -> None:
    """Write the sources and make the datasets; one has a schedule."""
    write_items(system.incoming / "good-1.csv", 5_000)
    write_items(system.incoming / "good-2.csv", 6_000, seed=2)
    write_items(system.incoming / "rejecting.csv", 2_000, bad_ratio=0.1, seed=3)
    (system.incoming / "failing.csv").write_text("no,such,columns\n1,2,3\n")
    # Not due before the test is over.
    schedule = {"cron": f"0 {(datetime.now(UTC) + timedelta(hours=12)).hour} * * *"}
    with system.client as client:
        for name in DATASETS:
            definition: dict[str, Any] = {
                "table": system.make_table(name),
                "source": f"{name}.csv",
            }
            if name == "good":
                definition |= {"mode": "upsert", "key": ["sku"], "schedule": schedule}
            client.put_dataset(name, definition)
