"""What the browsers look at: a running system with a dataset, loads, failed rows, and people who sign in."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Page

from libs.client.client import Client
from libs.client.models import Job
from tests.endtoend.system import System

DATASET = "prices"
TODAY = datetime.now(UTC).date()
HEADER = "sku,name,category,price,quantity,updated_at"
NASTY = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
RIGHT_TO_LEFT = "\u202e\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627"
LONG = "x" * 5000


@dataclass(frozen=True)
class Site:
    """The system, and the key of an administrator."""

    system: System
    key: str

    @property
    def url(self) -> str:
        """Return where the console is."""
        return self.system.url

    def client(self) -> Client:
        """Return a client of the api with the key."""
        return Client(self.url, self.key, retry_seconds=0)

    def sign_in(self, page: Page) -> Page:
        """Sign in as a person does."""
        page.goto(f"{self.url}/sign-in")
        page.get_by_label("API key").fill(self.key)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.url}/")
        return page

    def ensure_dataset(self) -> None:
        """Make the dataset and its table, once."""
        with self.client() as client:
            if any(dataset.name == DATASET for dataset in client.datasets()):
                return
            table = self.system.make_table(DATASET)
            definition = {
                "table": table,
                "source": "prices-{data_date}*.csv",
                "schedule": {"cron": "0 0 1 1 *"},
                "arrival": {"wait": "1h"},
            }
            client.put_dataset(DATASET, definition)

    def write(self, days_ago: int, *records: str, suffix: str = "") -> Path:
        """Write the file of a day."""
        day = TODAY - timedelta(days=days_ago)
        path = self.system.incoming / f"prices-{day}{suffix}.csv"
        path.write_text("\n".join((HEADER, *records)) + "\n", encoding="utf-8")
        return path

    def load(self, days_ago: int) -> Job:
        """Load the file of a day and wait for the end."""
        with self.client() as client:
            day = TODAY - timedelta(days=days_ago)
            job = client.submit(DATASET, data_date=day)
            return client.wait(job, seconds=60)

    def load_nasty(self, days_ago: int) -> Job:
        """Load a file whose failed rows and name hold what would hurt a careless page."""
        unique = time.time_ns()
        self.write(
            days_ago,
            f"a{unique},good,c,1,1,2026-01-01",
            f'b{unique},"{NASTY.replace(chr(34), chr(34) * 2)}",c,not a price,1,2026-01-01',
            f"c{unique},{RIGHT_TO_LEFT},c,{RIGHT_TO_LEFT},1,2026-01-01",
            f"d{unique},{LONG},c,1,{LONG},2026-01-01",
            f"e{unique},n,c,-1,1,2026-01-01",
            f"f{unique},short",
            suffix=f"-{unique}-<b>{RIGHT_TO_LEFT}",
        )
        return self.load(days_ago)
