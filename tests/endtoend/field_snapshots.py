"""Cases from the field of days that are sent again, snapshots that are broken, and tables with a peculiarity."""

from datetime import date
from decimal import Decimal
from typing import Any

from tests.endtoend.field_cases import ALARMS, Case, Rows, Step

NOV_23, NOV_24 = date(2026, 11, 23), date(2026, 11, 24)
EVENTS = "CREATE TABLE {table} (day date NOT NULL, id int NOT NULL, v text)"
THE_23RD = "day,id,v\n2026-11-23,1,a\n2026-11-23,2,b\n"
THE_24TH = "day,id,v\n2026-11-24,3,c\n2026-11-24,4,d\n"
CORRECTED = "day,id,v\n2026-11-24,3,c2\n"
FILL = "INSERT INTO {table} SELECT 'S' || n, n FROM generate_series(1, 100) AS n"
PRODUCTS = f"CREATE TABLE {{table}} (sku text PRIMARY KEY, price numeric(8,2) NOT NULL); {FILL}"
HUNDRED: Rows = sorted((f"S{n}", Decimal(n)) for n in range(1, 101))
HEADER_ALONE, ALL_BAD = "sku,price\n", 'sku,price\nS1,"9,90"\nS2,"8,00"\n'
DAY_1 = "id,email,phone\n1,a@example.org,100\n2,b@example.org,200\n"
DAY_2 = "id,email\n1,a@example.org\n2,b@example.org\n"


def _corrected(name: str, rows: Rows, warnings: list[str], **options: Any) -> Case:
    """Return two days of which the second is sent again with corrections."""
    dated = "{table}-{{data_date}}.csv"
    return Case(
        f"corrected file for the same day, {name}",
        EVENTS,
        {"source": dated, **options},
        [
            Step(THE_23RD, data_date="2026-11-23", name="{table}-2026-11-23.csv"),
            Step(THE_24TH, name="{table}-2026-11-24.csv"),
            Step(CORRECTED, name="{table}-2026-11-24.csv", warnings=warnings),
        ],
        rows,
    )


def _column_less(mode: dict[str, Any], phones: list[str | None]) -> Case:
    """Return a file that has lost a column since the day before, which is refused until the dataset allows it."""
    allowed = {"missing_columns": "default"}
    return Case(
        f"a column less from today, {mode['mode']}",
        "CREATE TABLE {table} (id int PRIMARY KEY, email text, phone text)",
        mode,
        [
            Step(DAY_1, data_date="2026-11-23"),
            Step(DAY_2, "failed", error="header-changed"),
            Step(DAY_2, options=allowed, warnings=["header-changed"]),
        ],
        [(1, "a@example.org", phones[0]), (2, "b@example.org", phones[1])],
    )


SNAPSHOTS = [
    _corrected(
        "as a slice",
        [(NOV_23, 1, "a"), (NOV_23, 2, "b"), (NOV_24, 3, "c2")],
        [],
        mode="replace",
        scope={"day": "data_date"},
    ),
    _corrected(
        "appended",
        [(NOV_23, 1, "a"), (NOV_23, 2, "b"), (NOV_24, 3, "c"), (NOV_24, 3, "c2"), (NOV_24, 4, "d")],
        ["date-loaded-before"],
    ),
    Case(
        "replace with nothing good",
        PRODUCTS,
        {"mode": "replace"},
        [
            Step(HEADER_ALONE),
            Step(
                ALL_BAD,
                "failed",
                error="nothing-good",
                failed={2: ("type-error", "22P02"), 3: ("type-error", "22P02")},
                sql=FILL,  # its keys would be there twice had the header alone not emptied the table
            ),
        ],
        HUNDRED,
    ),
    Case(
        "replace by a header alone where rows are asked for",
        PRODUCTS,
        {"mode": "replace", "min_rows": 1},
        [Step(HEADER_ALONE, "failed", error="too-few-rows")],
        HUNDRED,
    ),
    _column_less({"mode": "replace"}, [None, None]),
    _column_less({"mode": "upsert", "key": ["id"]}, ["100", "200"]),
    Case(
        "same content every day, once for each",
        "CREATE TABLE {table} (site text NOT NULL, alarms int NOT NULL)",
        {"source": "{table}-{{data_date}}.csv", "once": "data_date"},
        [
            Step(ALARMS, data_date="2026-11-23", name="{table}-2026-11-23.csv"),
            Step(ALARMS, data_date="2026-11-24", name="{table}-2026-11-24.csv"),
            Step(ALARMS, "duplicate", data_date="2026-11-24", name="{table}-2026-11-24.csv"),
        ],
        [("north", 0), ("north", 0), ("south", 0), ("south", 0)],
    ),
    Case(
        "children of a replaced table",
        "CREATE TABLE {table} (id int, name text);"
        "CREATE TABLE {table}_capitals (country text) INHERITS ({table});"
        "INSERT INTO {table} VALUES (7, 'Linz');"
        "INSERT INTO {table}_capitals VALUES (1, 'Vienna', 'AT')",
        {"mode": "replace"},
        [Step("id,name\n10,Graz\n")],
        [(1, "Vienna"), (10, "Graz")],
    ),
]
