"""Prepare and show the demo: the daily dataset of items, its file of today, the rows in its table."""

import shutil
from datetime import UTC, datetime
from typing import Any

import psycopg2
from rich.console import Console
from rich.table import Table

from tools.bootstrap.locations import ROOT
from tools.local_env.layout import Layout
from tools.local_env.state import LocalState

SAMPLE = ROOT / "infra" / "sample" / "items.csv"

ITEMS = {
    "table": "public.items",
    "source": "items-{data_date}.csv",
    "mode": "upsert",
    "key": ["sku"],
    "schedule": {"cron": "30 2 * * *", "time_zone": "UTC"},
}
"""The daily dataset of the demo: each day's file brings the items up to date."""


def drop_todays_file(layout: Layout) -> None:
    """Put the sample where the daily file is expected, as a feed would: written aside, then renamed."""
    target = layout.incoming / f"items-{datetime.now(UTC):%Y-%m-%d}.csv"
    aside = target.with_suffix(".part")
    shutil.copyfile(SAMPLE, aside)
    aside.replace(target)


def show_table(state: LocalState, console: Console) -> None:
    """Print how many rows the table of items has."""
    url = state.environment()["ADSP_DATABASE_URL"].replace("+psycopg2", "", 1)
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM public.items")
            counted: Any = cursor.fetchone()
    finally:
        connection.close()
    console.print(f"rows in items: [bold]{counted[0]:,}[/]")


def show_next_steps(state: LocalState, console: Console) -> None:
    """Print where the result can be checked and what to try next."""
    table = Table.grid(padding=(0, 2))
    table.add_row("web page", f"{state.api_url}/")
    table.add_row("API", f"{state.api_url}/docs")
    table.add_row("this demo's jobs", f"{state.api_url}/v1/jobs")
    table.add_row("failed rows as CSV", f"{state.api_url}/v1/jobs/<id>/failed-rows?format=csv")
    console.print(table)
    console.print(
        "\nNext: [bold]./dev trigger[/] sends the same file again (a duplicate: nothing is loaded twice), "
        "\n      [bold]./dev db.run --command 'SELECT * FROM items LIMIT 5'[/], "
        "[bold]./dev verify[/], [bold]./dev logs --follow[/], [bold]./dev down[/]"
    )
