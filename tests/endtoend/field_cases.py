"""What people who load files met in the field, as small files: what is sent, and what must come of it.

In statements and definitions `{table}` is the case's table; in names of sources it is what keeps cases apart.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

Rows = list[tuple[Any, ...]]
STATUS = "CREATE TABLE {table} (service text PRIMARY KEY, state text NOT NULL)"
UP, DOWN = "service,state\nmail,up\nweb,up\n", "service,state\nmail,down\nweb,up\n"
NOTES = "CREATE TABLE {table} (id int PRIMARY KEY, note text)"
CALLS = "CREATE TABLE {table} (id int NOT NULL, seconds int NOT NULL)"
PART, WHOLE = "id,seconds\n1,60\n2,120\n3,6", "id,seconds\n1,60\n2,120\n3,600\n4,15\n"
ALARMS = "site,alarms\nnorth,0\nsouth,0\n"
PLAIN = "CREATE TABLE {table} (id int, v text)"


@dataclass(frozen=True)
class Step:
    """A file that is sent for a day, and how its job must end.

    `failed` has the failed rows: line → error code and SQLSTATE. `late`: it comes once the job waits for it; `before`
    are files that are there already. From this step on the dataset has these `options`, too; `sql` is run before.
    """

    data: str | bytes
    state: str = "succeeded"
    data_date: str = "2026-11-24"
    name: str = "{table}.csv"
    failed: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    error: str | None = None
    late: bool = False
    before: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    sql: str | None = None


@dataclass(frozen=True)
class Case:
    """A dataset, what is sent to it, and the rows that its table must hold in the end."""

    name: str
    ddl: str
    definition: dict[str, Any]
    steps: list[Step]
    rows: Rows


def modes(key: str) -> dict[str, dict[str, Any]]:
    """Return the options of each way to load a table by its key."""
    return {
        "append": {},
        "chunks": {"atomic": False},
        "upsert": {"mode": "upsert", "key": [key]},
        "replace": {"mode": "replace"},
    }


def _states(mode: dict[str, Any]) -> Case:
    """Return the snapshots of three days, of which the last is as the first."""
    days = [("2026-11-23", UP), ("2026-11-24", DOWN), ("2026-11-25", UP)]
    steps = [Step(data, data_date=day, name="{table}-" + f"{day}.csv") for day, data in days]
    return Case(
        f"back to earlier content, {mode['mode']}",
        STATUS,
        {"source": "{table}-{{data_date}}.csv", **mode},
        steps,
        [("mail", "up"), ("web", "up")],
    )


def _named(name: str, pattern: str, file: str) -> Case:
    """Return a file whose name has the date in another form."""
    return Case(
        f"date in the name, {name}",
        PLAIN,
        {"source": "{table}-" + pattern, "schedule": {"cron": "0 3 * * *"}},
        [Step("id,v\n1,a\n", name="{table}-" + file)],
        [(1, "a")],
    )


def _returns(name: str, data: bytes, failed: int, **options: Any) -> Case:
    """Return a file with a carriage return inside a cell of one line."""
    return Case(
        f"lone return, {name}",
        NOTES,
        options,
        [
            Step(
                data,
                "completed_with_rejects",
                failed={failed: ("bare-carriage-return", None)},
            )
        ],
        [(2, "ok"), (3, "cut here"), (4, "end")],
    )


_LONE_RETURN = b"id,note\n1,Line one\rLine two\n2,ok\n3,cut here\r\n4,end\n"


DELIVERIES = [
    _states({"mode": "replace"}),
    _states({"mode": "upsert", "key": ["service"]}),
    Case(
        "same content every day",
        "CREATE TABLE {table} (site text NOT NULL, alarms int NOT NULL)",
        {"source": "{table}-{{data_date}}.csv"},
        [
            Step(ALARMS, data_date="2026-11-23", name="{table}-2026-11-23.csv"),
            Step(ALARMS, "duplicate", data_date="2026-11-24", name="{table}-2026-11-24.csv"),
        ],
        [("north", 0), ("south", 0)],
    ),
    Case(
        "older snapshot after a newer one",
        STATUS,
        {"source": "{table}.csv", "mode": "replace"},
        [Step(UP, data_date="2026-11-24"), Step(DOWN, "outdated", data_date="2026-11-23")],
        [("mail", "up"), ("web", "up")],
    ),
    Case(
        "older snapshot after a newer one, as wanted",
        STATUS,
        {"source": "{table}.csv", "mode": "replace", "out_of_order": "load"},
        [Step(UP, data_date="2026-11-24"), Step(DOWN, data_date="2026-11-23")],
        [("mail", "down"), ("web", "up")],
    ),
    Case(
        "late file",
        "CREATE TABLE {table} (sku text PRIMARY KEY, price int NOT NULL)",
        {
            "source": "{table}-{{data_date}}.csv",
            "mode": "upsert",
            "key": ["sku"],
            "schedule": {"cron": "30 2 * * *", "time_zone": "Europe/Vienna"},
            "arrival": {"wait": "90m", "poll": "5s"},
        },
        [Step("sku,price\nA-1,9\nA-2,12\n", name="{table}-2026-11-24.csv", late=True)],
        [("A-1", 9), ("A-2", 12)],
    ),
    Case(
        "file that never comes",
        PLAIN,
        {"source": "{table}.csv", "arrival": {"wait": "2s", "poll": "5s"}},
        [Step("", "failed", name="elsewhere.csv", error="source-missing")],
        [],
    ),
    Case(
        "half a file until its done file is there",
        CALLS,
        {
            "source": "{table}.csv",
            "done_file": "{{source}}.done",
            "arrival": {"wait": "1h", "poll": "5s"},
        },
        [Step("", name="{table}.csv.done", late=True, before={"{table}.csv": WHOLE})],
        [(1, 60), (2, 120), (3, 600), (4, 15)],
    ),
    Case(
        "half a file that goes on within the settle time",
        CALLS,
        {"source": "{table}.csv", "settle": 4},
        [Step(WHOLE, late=True, before={"{table}.csv": PART})],
        [(1, 60), (2, 120), (3, 600), (4, 15)],
    ),
    Case(
        "half a file, and the whole after its load",
        CALLS,
        {"source": "{table}.csv"},
        [Step(PART), Step(WHOLE, "failed", error="source-grew")],
        [(1, 60), (2, 120), (3, 6)],
    ),
    _named("%Y%m%d", "{{data_date:%Y%m%d}}.csv", "20261124.csv"),
    _named("%d.%m.%y", "{{data_date:%d.%m.%y}}.csv", "24.11.26.csv"),
    _named("day before", "{{data_date-1d}}-*.csv", "2026-11-23-0715.csv"),
]

RECORDS = [
    _returns("LF", _LONE_RETURN, 2),
    _returns(
        "CRLF",
        b"id,note\r\n1,Line one\rLine two\r\n2,ok\r\n3,cut here\r\n4,end\r\n",
        2,
        mode="upsert",
        key=["id"],
    ),
    _returns("in chunks", _LONE_RETURN, 2, atomic=False),
    Case(
        "types that answer with class 42",
        "CREATE TABLE {table} (id int PRIMARY KEY, words tsvector, wanted tsquery, path jsonpath, kin regtype)",
        {},
        [
            Step(
                "id,words,wanted,path,kin\n1,fat cat,fat & cat,$.a,int4\n2,'open,fat,$.a,int4\n"
                "3,fat,'open,$.a,int4\n4,fat,fat &,$.a,int4\n5,fat,fat,$.[,int4\n"
                "6,fat,fat,$.a,no_such_type\n7,a:1,a,$,text\n",
                "completed_with_rejects",
                failed={
                    3: ("type-error", "42601"),
                    4: ("type-error", "42601"),
                    5: ("type-error", "42601"),
                    6: ("type-error", "42601"),
                    7: ("type-error", "42704"),
                },
            )
        ],
        [
            (1, "'cat' 'fat'", "'fat' & 'cat'", '$."a"', "integer"),
            (7, "'a':1", "'a'", "$", "text"),
        ],
    ),
    Case(
        "sequence at its end",
        "CREATE TABLE {table} (id serial PRIMARY KEY, v text);"
        "GRANT USAGE ON SEQUENCE {table}_id_seq TO adsp_loader;"
        "SELECT setval('{table}_id_seq', 2147483645)",
        {},
        [Step("v\na\nb\nc\nd\n", "failed", error="sequence-exhausted")],
        [],
    ),
    Case(
        "tabs, and inches are inches",
        "CREATE TABLE {table} (id int PRIMARY KEY, v text)",
        {"format": {"delimiter": "\t", "quote": "\x01"}},
        [Step('id\tv\n1\t5" pipe\n2\t"quoted" start\n3\tplain\n4\t"\n5\ta,b\n')],
        [(1, '5" pipe'), (2, '"quoted" start'), (3, "plain"), (4, '"'), (5, "a,b")],
    ),
    Case(
        "zero dates, and bits as bytes",
        "CREATE TABLE {table} (id int PRIMARY KEY, born date, active text)",
        {},
        [
            Step(
                b"id,born,active\n1,0000-00-00,\x01\n2,1990-00-00,\x00\n3,0009-12-04,\x01\n"
                b"4,1990-01-02,\x00\n5,,\x01\n",
                "completed_with_rejects",
                failed={
                    2: ("type-error", "22008"),
                    3: ("encoding-error", None),
                    5: ("encoding-error", None),
                },
            )
        ],
        [(3, date(9, 12, 4), "\x01"), (5, None, "\x01")],
    ),
    Case(
        "day before month, read as month first",
        "CREATE TABLE {table} (id int PRIMARY KEY, arrival date NOT NULL)",
        {},
        [
            Step(
                "id,arrival\n1,03/02/2026\n2,13/02/2026\n3,28/02/2026\n4,12/12/2026\n5,1.2.2026\n",
                "completed_with_rejects",
                failed={3: ("type-error", "22008"), 4: ("type-error", "22008")},
                warnings=["ambiguous-dates"],
            )
        ],
        [(1, date(2026, 3, 2)), (4, date(2026, 12, 12)), (5, date(2026, 1, 2))],
    ),
    Case(
        "day before month, as declared",
        "CREATE TABLE {table} (id int PRIMARY KEY, arrival date NOT NULL)",
        {"date_order": "DMY"},
        [Step("id,arrival\n1,03/02/2026\n2,13/02/2026\n3,28/02/2026\n4,12/12/2026\n5,1.2.2026\n")],
        [
            (1, date(2026, 2, 3)),
            (2, date(2026, 2, 13)),
            (3, date(2026, 2, 28)),
            (4, date(2026, 12, 12)),
            (5, date(2026, 2, 1)),
        ],
    ),
    Case(
        "a trigger that writes where the loader may not",
        "CREATE TABLE {table} (id int PRIMARY KEY, n int); CREATE TABLE {table}_log (id int);"
        "CREATE FUNCTION {table}_note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO {table}_log VALUES (NEW.id); RETURN NEW; END $$;"
        "CREATE TRIGGER note AFTER INSERT OR UPDATE ON {table} FOR EACH ROW"
        " EXECUTE FUNCTION {table}_note()",
        {"mode": "upsert", "key": ["id"]},
        [Step("id,n\n1,5\n2,7\n", "failed", error="table-not-permitted")],
        [],
    ),
]
