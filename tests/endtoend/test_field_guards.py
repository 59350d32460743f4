"""What a table has around it that would fail each job: refused when the dataset is put, with the statement to run.

Each case shows that Postgres would refuse what a load does, does what the refusal says, and loads the file then: no
guard asks for what is not needed, or for too little.
"""

import io
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest

from libs.client.errors import RefusedRequest
from tests.endtoend.feed import codes, end
from tests.endtoend.system import System

GRANTS = "GRANT SELECT, INSERT, UPDATE, DELETE ON {t} TO adsp_loader"
UPSERT, REPLACE = {"mode": "upsert", "key": ["id"]}, {"mode": "replace"}
TWO, TWO_ROWS = "id,v\n1,a\n2,b\n", [(1, "a"), (2, "b")]
_SERIAL = "CREATE TABLE {t} (id serial PRIMARY KEY, v text)"
_IS_GOOD = (
    "CREATE FUNCTION {t}_good(text) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT $1 <> 'bad' $$;"
    "REVOKE EXECUTE ON FUNCTION {t}_good FROM PUBLIC;"
)
_MAY_CALL = "GRANT EXECUTE ON FUNCTION public.{t}_good(text) TO adsp_loader"
_PUBLISHED = "CREATE PUBLICATION {t}_sent FOR TABLE {t}"
_INSERT = "INSERT INTO {t} (id, v) VALUES (1, 'x')"
_UPDATE = "UPDATE {t} SET v = 'x'"
_IDENTIFIED = "ALTER TABLE public.{t} REPLICA IDENTITY FULL"


@dataclass(frozen=True)
class Guard:
    """A table, a dataset that is refused for it, what cures that, and what its file leaves in the table then."""

    name: str
    ddl: str
    cure: str
    proof: str
    """A statement of a load that Postgres refuses until then."""
    options: dict[str, Any] = field(default_factory=dict)
    data: str = TWO
    rows: list[tuple[Any, ...]] = field(default_factory=lambda: TWO_ROWS)
    code: str = "table-not-permitted"
    changes: dict[str, Any] = field(default_factory=dict)
    """Options of the dataset that cure it, where `cure` are words and no statement."""
    shown: str = "*"


GUARDS = [
    Guard(
        "serial",
        _SERIAL,
        "GRANT USAGE ON SEQUENCE public.{t}_id_seq TO adsp_loader",
        "INSERT INTO {t} (v) VALUES ('x')",
        data="v\na\nb\n",
    ),
    Guard(
        "serial that the file may bring",
        _SERIAL,
        "name the columns that files bring themselves in 'columns'",
        "INSERT INTO {t} (v) VALUES ('x')",
        changes={"columns": {"id": "id"}},
    ),
    Guard(
        "domain with a number of its own",
        "CREATE SEQUENCE {t}_seq; CREATE DOMAIN {t}_number AS int DEFAULT nextval('{t}_seq');"
        "CREATE TABLE {t} (id {t}_number, v text)",
        "GRANT USAGE ON SEQUENCE public.{t}_seq TO adsp_loader",
        "INSERT INTO {t} (v) VALUES ('x')",
        data="v\na\nb\n",
    ),
    Guard(
        "check by a function",
        _IS_GOOD + "CREATE TABLE {t} (id int, v text CHECK ({t}_good(v)))",
        _MAY_CALL,
        _INSERT,
    ),
    Guard(
        "domain whose check is a function",
        _IS_GOOD + "CREATE DOMAIN {t}_word AS text CHECK ({t}_good(VALUE));"
        "CREATE TABLE {t} (id int, v {t}_word)",
        _MAY_CALL,
        _INSERT,
    ),
    Guard(
        "generated column by a function",
        _IS_GOOD
        + "CREATE TABLE {t} (id int, v text, good boolean GENERATED ALWAYS AS ({t}_good(v)) STORED)",
        _MAY_CALL,
        _INSERT,
        rows=[(1, "a", True), (2, "b", True)],
    ),
    Guard(
        "default by a function",
        _IS_GOOD + "CREATE TABLE {t} (id int, v text, good boolean DEFAULT {t}_good('x'))",
        _MAY_CALL,
        _INSERT,
        rows=[(1, "a", True), (2, "b", True)],
    ),
    Guard(
        "index on a function",
        _IS_GOOD + "CREATE TABLE {t} (id int, v text); CREATE INDEX ON {t} ({t}_good(v))",
        _MAY_CALL,
        _INSERT,
    ),
    Guard(
        "type of a schema that is not open",
        "CREATE SCHEMA {t}_types; CREATE EXTENSION citext SCHEMA {t}_types;"
        "CREATE TABLE {t} (id {t}_types.citext PRIMARY KEY, v {t}_types.citext)",
        "GRANT USAGE ON SCHEMA {t}_types TO adsp_loader",
        "SELECT pg_input_error_info('x', '{t}_types.citext')",
        UPSERT,
        data="id,v\nOne,a\nTWO,b\none,B\n",
        rows=[("One", "B"), ("TWO", "b")],
    ),
    Guard(
        "type that not all may use",
        "CREATE TYPE {t}_mood AS ENUM ('a', 'b'); REVOKE USAGE ON TYPE {t}_mood FROM PUBLIC;"
        "CREATE TABLE {t} (id int PRIMARY KEY, v {t}_mood, others {t}_mood[])",
        "GRANT USAGE ON TYPE public.{t}_mood TO adsp_loader",
        "CREATE TEMPORARY TABLE staged AS SELECT v FROM {t}",
        UPSERT,
        rows=[(1, "a", None), (2, "b", None)],
    ),
    Guard(
        "row-level security",
        "CREATE TABLE {t} (id int, v text); ALTER TABLE {t} ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY own ON {t} USING (id > 1)",
        "ALTER TABLE public.{t} DISABLE ROW LEVEL SECURITY",
        "COPY {t} FROM STDIN",
    ),
    Guard(
        "published without an identity, replaced",
        "CREATE TABLE {t} (id int, v text); INSERT INTO {t} VALUES (7, 'old');" + _PUBLISHED,
        _IDENTIFIED,
        "DELETE FROM {t}",
        REPLACE,
    ),
    Guard(
        "published without an identity, upserted",
        "CREATE TABLE {t} (id int NOT NULL UNIQUE, v text);" + _PUBLISHED,
        _IDENTIFIED,
        _UPDATE,
        UPSERT,
    ),
    Guard(
        "published partition",
        "CREATE TABLE {t} (id int NOT NULL, v text) PARTITION BY LIST (id);"
        "CREATE TABLE {t}_rest PARTITION OF {t} DEFAULT; INSERT INTO {t} VALUES (7, 'old');"
        + _PUBLISHED,
        "ALTER TABLE public.{t}_rest REPLICA IDENTITY FULL",
        "DELETE FROM {t}",
        REPLACE,
    ),
    Guard(
        "published without the column of its identity",
        "CREATE TABLE {t} (id int PRIMARY KEY, v text);" + _PUBLISHED + " (v)",
        "ALTER PUBLICATION {t}_sent DROP TABLE {t}; ALTER PUBLICATION {t}_sent ADD TABLE {t} (id, v)",
        _UPDATE,
        UPSERT,
    ),
    Guard(
        "key without overlaps",
        "CREATE TABLE {t} (id int4range, v tstzrange, PRIMARY KEY (id, v WITHOUT OVERLAPS))",
        "not WITHOUT OVERLAPS) or change 'key'",
        "INSERT INTO {t} (id, v) VALUES (NULL, NULL) ON CONFLICT (id, v) DO UPDATE SET v = excluded.v",
        {"mode": "upsert", "key": ["id", "v"]},
        'id,v\n"[1,2)","[2026-01-01,2026-02-01)"\n',
        [("[1,2)", '["2026-01-01 00:00:00+00","2026-02-01 00:00:00+00")')],
        "key-not-unique",
        {"mode": "append", "key": []},
        shown="id::text, v::text",
    ),
    Guard(
        "time zone that Python alone knows",
        "CREATE TABLE {t} (id int, v text)",
        "use an IANA name such as 'Europe/Vienna'",
        "SET TimeZone = 'localtime'",
        {"time_zone": "localtime"},
        code="time-zone-unknown",
        changes={"time_zone": "Europe/Vienna"},
    ),
]


def _run_as_loader(system: System, statement: str) -> None:
    with closing(psycopg2.connect(system.database.dsn_for("loader"))) as connection:
        cursor = connection.cursor()
        if statement.startswith("COPY"):
            cursor.copy_expert(statement, io.StringIO("1\tx\n"))
        else:
            cursor.execute(statement)


def _write(system: System, table: str, data: str) -> None:
    part = system.incoming / f"{table}.part"
    part.write_text(data)
    part.rename(system.incoming / f"{table}.csv")


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_what_would_fail_each_job_is_refused_with_what_cures_it(
    system: System, guard: Guard
) -> None:
    table = f"guard_{GUARDS.index(guard)}"
    cure = guard.cure.format(t=table)
    system.execute(f"{guard.ddl.format(t=table)}; {GRANTS.format(t=table)}")
    definition = {"table": f"public.{table}", "source": f"{table}.csv", **guard.options}
    _write(system, table, guard.data)
    with system.client as client:
        with pytest.raises(RefusedRequest) as refused:
            client.put_dataset(table, definition)
        with pytest.raises(psycopg2.Error):
            _run_as_loader(system, guard.proof.format(t=table))
        if not guard.changes:
            system.execute(cure)
        client.put_dataset(table, {**definition, **guard.changes})
        job = system.wait_over(client.submit(dataset=table))

    assert (refused.value.status, refused.value.code) == (422, guard.code)
    assert cure in str(refused.value)
    assert (end(job), codes(job)) == (("succeeded", None), [])
    assert system.query(f"SELECT {guard.shown} FROM {table} ORDER BY 1, 2") == guard.rows


@pytest.mark.parametrize(
    ("path", "named"), [("feed_audits", "{t}_log"), (None, "public.{t}_log")], ids=["path", "name"]
)
def test_a_trigger_that_seems_to_write_where_the_loader_may_not_is_a_warning(
    system: System, path: str | None, named: str
) -> None:
    """The case `audit-trigger-without-grant`: the function's text is all that the catalog knows."""
    table = f"guard_audited_{path is None}".lower()
    schema = path or "public"
    system.execute(
        f"CREATE SCHEMA IF NOT EXISTS {schema}; GRANT USAGE ON SCHEMA {schema} TO adsp_loader;"
        f"CREATE TABLE {table} (id int PRIMARY KEY, v text); CREATE TABLE {schema}.{table}_log (id int);"
        f"CREATE FUNCTION {table}_note() RETURNS trigger LANGUAGE plpgsql"
        f" {f'SET search_path = {path}' if path else ''} AS $$ BEGIN"
        " -- INSERT INTO public.nothing VALUES (1)\n"
        f" INSERT INTO {named.format(t=table)} VALUES (NEW.id) ON CONFLICT DO NOTHING; RETURN NEW; END $$;"
        f"CREATE TRIGGER note AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_note();"
        f"{GRANTS.format(t=table)}"
    )
    definition = {"table": f"public.{table}", "source": f"{table}.csv"}
    _write(system, table, TWO)
    grant = f"GRANT INSERT ON {schema}.{table}_log TO adsp_loader"
    with system.client as client:
        warned = client.put_dataset(table, definition).warnings
        refused = system.wait_over(client.submit(dataset=table))
        system.execute(grant)
        quiet = client.put_dataset(table, definition)
        loaded = system.wait_over(client.submit(dataset=table))

    assert [grant in each and "'note'" in each for each in warned] == [True]
    assert end(refused) == ("failed", "table-not-permitted")
    assert quiet.warnings == []
    assert end(loaded) == ("succeeded", None)


def test_a_trigger_that_runs_as_its_owner_is_no_warning(system: System) -> None:
    system.execute(
        "CREATE TABLE guard_owned (id int, v text); CREATE TABLE guard_owned_log (id int);"
        "CREATE FUNCTION guard_owned_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " $$ BEGIN INSERT INTO guard_owned_log VALUES (NEW.id); RETURN NEW; END $$;"
        "CREATE TRIGGER note AFTER INSERT ON guard_owned FOR EACH ROW EXECUTE FUNCTION guard_owned_note();"
        + GRANTS.format(t="guard_owned")
    )
    with system.client as client:
        put = client.put_dataset("guard_owned", {"table": "public.guard_owned"})

    assert put.warnings == []


def test_names_are_looked_for_beside_the_table_whatever_path_the_role_has(system: System) -> None:
    """A trigger of another schema than `public` finds its tables there; the role's own path would hide them."""
    system.execute(
        "CREATE SCHEMA guard_path; GRANT USAGE ON SCHEMA guard_path TO adsp_loader;"
        "CREATE TABLE guard_path.t (id int, v text); CREATE TABLE guard_path.guard_notes (id int);"
        "GRANT INSERT ON guard_path.t, guard_path.guard_notes TO adsp_loader;"
        "CREATE FUNCTION guard_path.note() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO guard_notes VALUES (NEW.id); RETURN NEW; END $$;"
        "CREATE TRIGGER note AFTER INSERT ON guard_path.t FOR EACH ROW EXECUTE FUNCTION guard_path.note()"
    )
    role = f"ALTER ROLE adsp_loader IN DATABASE {system.database.name}"
    _write(system, "guard_path", TWO)
    with closing(psycopg2.connect(system.database.superuser_dsn)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"{role} SET search_path = pg_catalog")
        try:
            with system.client as client:
                client.put_dataset(
                    "guard_path", {"table": "guard_path.t", "source": "guard_path.csv"}
                )
                with system.restarted("loader"):
                    job = system.wait_over(client.submit(dataset="guard_path"))
        finally:
            connection.cursor().execute(f"{role} RESET search_path")

    assert end(job) == ("succeeded", None)
    assert system.query("SELECT id FROM guard_path.guard_notes ORDER BY 1") == [(1,), (2,)]
