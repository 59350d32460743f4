from typing import Any

import httpx
import pytest

from services.api.tests.integration.api_bench import ITEMS, Ledger, problem_of

NIGHTLY = {"cron": "30 2 * * *", "time_zone": "Europe/Vienna"}


def test_a_dataset_is_made_and_shown_with_its_defaults(client: httpx.Client) -> None:
    made = client.put("/v1/datasets/items", json={"table": "public.items"})
    shown = client.get(made.headers["location"]).json()

    assert made.status_code == 201
    assert made.json() == shown
    assert shown.pop("created_at") == shown.pop("updated_at")
    assert shown == {
        "name": "items",
        "version": 1,
        "paused_at": None,
        "table": "public.items",
        "source": None,
        "match": "one",
        "format": {
            "type": "csv", "delimiter": ",", "quote": '"', "escape": None, "encoding": "utf-8", "null": "",
            "quoted_null": False,
            "header": {
                "lines": 1, "names": [], "skip_before": 0, "find": None, "skip_after": 0,
                "repeated": False,
            },
            "comment": None, "footer": None, "blank_records": "load", "line_end": "auto",
            "trailing_delimiter": False, "compression": "auto", "member": None,
        },
        "columns": {},
        "header_match": "exact",
        "unknown_columns": "fail",
        "convert": {},
        "add": {},
        "mode": "append",
        "atomic": True,
        "key": [],
        "time_zone": "UTC",
        "date_order": None,
        "schedule": None,
        "arrival": None,
        "settle": None,
        "done_file": None,
        "once": "content",
        "after_load": "keep",
        "out_of_order": "refuse",
        "write": "changed",
        "max_rejected_rows": None,
        "max_rejected_ratio": None,
        "keep_failed_rows_days": None,
        "masked_columns": [],
        "min_rows": None,
        "max_shrink": None,
        "required_columns": [],
        "missing_columns": "refuse",
        "scope": None,
        "notify": [],
    }  # fmt: skip


def test_what_is_shown_can_be_put_again(client: httpx.Client) -> None:
    full = {
        **ITEMS,
        "format": {"delimiter": ";", "quote": "'", "encoding": "latin-1", "null": ["", "NULL"]},
        "columns": {"Artikel": "sku", "fremd": None},
        "header_match": "case_insensitive",
        "unknown_columns": "ignore",
        "convert": {
            "*": {"trim": True, "empty_as_null": True},
            "price": {"decimal": ",", "thousands": ".", "currency": ["€"]},
            "name": {"map": {"?": None}},
        },
        "add": {"category": "$file"},
        "date_order": "DMY",
        "mode": "upsert",
        "key": ["sku"],
        "schedule": NIGHTLY,
        "arrival": {"until": "06:00", "poll": "PT2M"},
        "settle": 30,
        "done_file": "{source}.done",
        "max_rejected_ratio": 0.5,
        "min_rows": 1,
        "max_shrink": 0.25,
        "required_columns": ["Artikel", "name"],
        "missing_columns": "default",
    }
    shown = client.put("/v1/datasets/items", json=full).raise_for_status().json()
    beside = {"name", "version", "paused_at", "created_at", "updated_at"}
    again = {name: shown[name] for name in shown.keys() - beside}
    changed = client.put("/v1/datasets/items", json=again)

    assert changed.status_code == 200
    assert changed.json() == shown


def test_a_changed_dataset_leaves_the_definition_of_its_jobs(
    client: httpx.Client, job: str, ledger: Ledger
) -> None:
    client.put("/v1/datasets/items", json={"table": "public.items"}).raise_for_status()

    assert ledger.value("SELECT definition ->> 'source' FROM adsp.jobs") == ITEMS["source"]


def test_due_times_count_from_when_the_schedule_was_set(
    client: httpx.Client, ledger: Ledger
) -> None:
    def put(**changes: Any) -> Any:
        client.put("/v1/datasets/items", json={**ITEMS, **changes}).raise_for_status()
        return ledger.value("SELECT last_due_at FROM adsp.datasets")

    def is_now() -> bool:
        return bool(ledger.value("SELECT last_due_at = updated_at FROM adsp.datasets"))

    assert put() is None
    first = put(schedule=NIGHTLY)
    assert is_now()
    assert put(schedule=NIGHTLY, atomic=False) == first
    assert put(schedule={**NIGHTLY, "cron": "0 3 * * *"}) > first
    assert is_now()
    assert put() is None


def test_datasets_are_listed_by_name_in_pages(client: httpx.Client) -> None:
    for name in ("orders", "items", "zebra"):
        client.put(f"/v1/datasets/{name}", json=ITEMS).raise_for_status()
    first = client.get("/v1/datasets?page_size=2").json()
    token = first["next_page_token"]
    second = client.get("/v1/datasets", params={"page_size": 2, "page_token": token}).json()

    assert [item["name"] for item in first["items"]] == ["items", "orders"]
    assert [item["name"] for item in second["items"]] == ["zebra"]
    assert second["next_page_token"] is None


def test_an_unknown_dataset_is_a_problem(client: httpx.Client) -> None:
    assert problem_of(client.get("/v1/datasets/nothing"))[:2] == (404, "dataset-unknown")


@pytest.mark.parametrize(
    ("changes", "code", "cure"),
    [
        ({"table": "public.nothing"}, "table-missing", "create it first"),
        ({"table": "adsp.jobs"}, "table-not-permitted", "your own"),
        ({"table": "pg_catalog.pg_class"}, "table-not-permitted", "your own"),
        ({"mode": "upsert", "key": ["name"]}, "key-not-unique", "change 'key'"),
        ({"mode": "upsert", "key": ["nothing"]}, "key-not-unique", "change 'key'"),
        ({"columns": {"Preis": "prize"}}, "column-unknown", "sku, name, category, price"),
        ({"convert": {"prize": {"trim": True}}}, "column-unknown", "sku, name, category, price"),
        ({"add": {"origin": "$file"}}, "column-unknown", "'add' names 'origin'"),
        ({"unknown_columns": {"rescue": "rest"}}, "column-unknown", "'unknown_columns' names"),
        ({"unknown_columns": {"rescue": "name"}}, "column-not-possible", "of type jsonb"),
        ({"time_zone": "localtime"}, "time-zone-unknown", "pg_timezone_names"),
        ({"columns": {"a\0": "sku"}}, "value-not-storable", "correct it"),
        ({"scope": {"day": "data_date"}, "mode": "replace"}, "column-unknown", "sku, name"),
        ({"scope": {"price": "data_date"}, "mode": "replace"}, "scope-not-possible", "a date"),
        ({"scope": {"updated_at": "data_date"}}, "scope-not-possible", "leave 'scope' out"),
        (
            {"scope": {"updated_at": "data_date"}, "mode": "upsert", "key": ["sku"]},
            "scope-not-possible",
            "set 'mode' to 'replace'",
        ),
    ],
)
def test_a_dataset_that_cannot_be_loaded_is_refused(
    client: httpx.Client, changes: dict[str, Any], code: str, cure: str
) -> None:
    status, given_code, detail = problem_of(
        client.put("/v1/datasets/items", json={**ITEMS, **changes})
    )

    assert (status, given_code) == (422, code)
    assert cure in detail
    assert client.get("/v1/datasets/items").status_code == 404


def test_a_table_that_the_loader_may_not_fill_is_refused_with_the_grant(
    client: httpx.Client, ledger: Ledger
) -> None:
    ledger.execute("CREATE SCHEMA shut; CREATE TABLE shut.t (a int)")
    try:
        answer = client.put("/v1/datasets/t", json={"table": "shut.t"})
    finally:
        ledger.execute("DROP SCHEMA shut CASCADE")

    status, code, detail = problem_of(answer)
    assert (status, code) == (422, "table-not-permitted")
    assert "GRANT INSERT ON shut.t TO adsp_loader" in detail


@pytest.mark.parametrize(
    ("changes", "cure"),
    [
        ({"convert": {"price": {"decimal": ",", "thousands": ","}}}, "must differ"),
        ({"convert": {"price": {"thousands": "."}}}, "must differ"),
        ({"convert": {"price": {"decimal": "5"}}}, "no digit"),
        ({"convert": {"price": {"decimal": ",", "date_format": "%d.%m.%Y"}}}, "as numbers and as dates"),
        ({"convert": {"price": {"decimal": ",", "comma": True}}}, "comma"),
        ({"convert": {"updated_at": {"date_format": "%d.%m"}}}, "needs its year"),
        ({"convert": {"updated_at": {"date_format": "%d %Y"}}}, "needs its month"),
        ({"convert": {"updated_at": {"date_format": "DD.MM.YYYY"}}}, "strptime's letters"),
        ({"convert": {"updated_at": {"date_format": "%d.%m.%Y %Q"}}}, "%Q is not read here"),
        ({"convert": {"updated_at": {"date_format": "%d.%d.%m.%Y"}}}, "strptime cannot read"),
        ({"add": {"name": "$day"}}, "$file, $line, $job_id, $data_date, $loaded_at"),
        ({"add": {"name": "$file"}, "convert": {"name": {"trim": True}}}, "leave it out of 'convert'"),
        ({"add": {"name": "$file"}, "columns": {"Name": "name"}}, "map the cell to null"),
        ({"unknown_columns": {"rescue": "name"}, "columns": {"x": "name"}}, "map the cell to null"),
        ({"unknown_columns": {"rescue": "name"}, "add": {"name": "$file"}}, "leave one of them out"),
        ({"unknown_columns": "drop"}, "unknown_columns"),
        ({"header_match": "fuzzy"}, "header_match"),
        ({"date_order": "YDM"}, "date_order"),
        ({"format": {"null": ["x"] * 101}}, "null"),
        ({"table": "items"}, "table"),
    ],
)  # fmt: skip
def test_options_that_contradict_each_other_are_refused_with_how_to_fix_it(
    client: httpx.Client, changes: dict[str, Any], cure: str
) -> None:
    answer = client.put("/v1/datasets/items", json={**ITEMS, **changes})

    assert answer.status_code == 422
    assert cure in answer.text


@pytest.mark.parametrize("name", ["daily-sales", "2024_sales", "Größen", "a.b", 'q"q', "Ωmega $1"])
def test_a_table_may_be_called_what_postgres_takes(
    client: httpx.Client, ledger: Ledger, name: str
) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    ledger.execute(f'CREATE SCHEMA "odd-ones"; CREATE TABLE "odd-ones".{quoted} (id int)')
    try:
        refused = client.put("/v1/datasets/t", json={"table": f"odd-ones.{name}"})
        ledger.execute(
            f'GRANT USAGE ON SCHEMA "odd-ones" TO adsp_loader;'
            f'GRANT INSERT ON "odd-ones".{quoted} TO adsp_loader'
        )
        made = client.put("/v1/datasets/t", json={"table": f"odd-ones.{name}"})
    finally:
        ledger.execute('DROP SCHEMA "odd-ones" CASCADE')

    assert f'GRANT INSERT ON "odd-ones".{quoted} TO adsp_loader' in problem_of(refused)[2]
    assert (made.status_code, made.json()["table"]) == (201, f"odd-ones.{name}")


@pytest.mark.parametrize("column", ["day", "moment", "instant", "word", "short"])
def test_a_slice_goes_by_a_column_that_can_hold_a_day(
    client: httpx.Client, ledger: Ledger, column: str
) -> None:
    """The loader reads it in the rows that it deletes."""
    ledger.execute(
        "CREATE SCHEMA days; GRANT USAGE ON SCHEMA days TO adsp_loader;"
        " CREATE TABLE days.t (day date, moment timestamp(3), instant timestamptz, word text, short varchar(10));"
        " GRANT INSERT, DELETE ON days.t TO adsp_loader"
    )
    definition = {"table": "days.t", "mode": "replace", "scope": {column: "data_date"}}
    try:
        refused = client.put("/v1/datasets/t", json=definition)
        ledger.execute("GRANT SELECT ON days.t TO adsp_loader")
        made = client.put("/v1/datasets/t", json=definition)
    finally:
        ledger.execute("DROP SCHEMA days CASCADE")

    assert "GRANT SELECT ON days.t TO adsp_loader" in problem_of(refused)[2]
    assert made.status_code == 201
    assert made.json()["scope"] == {column: "data_date"}


def test_a_serial_column_needs_its_sequence_unless_files_bring_it(
    client: httpx.Client, ledger: Ledger
) -> None:
    ledger.execute(
        "CREATE SCHEMA feed; CREATE TABLE feed.cities (id serial PRIMARY KEY, name text NOT NULL);"
        "GRANT USAGE ON SCHEMA feed TO adsp_loader; GRANT INSERT ON feed.cities TO adsp_loader"
    )
    body = {"table": "feed.cities"}
    try:
        refused = problem_of(client.put("/v1/datasets/t", json=body))
        mapped = client.put("/v1/datasets/t", json={**body, "columns": {"Nr": "id"}})
        ledger.execute("GRANT USAGE ON SEQUENCE feed.cities_id_seq TO adsp_loader")
        granted = client.put("/v1/datasets/t", json=body)
    finally:
        ledger.execute("DROP SCHEMA feed CASCADE")

    assert refused[:2] == (422, "table-not-permitted")
    assert "GRANT USAGE ON SEQUENCE feed.cities_id_seq TO adsp_loader" in refused[2]
    assert (mapped.status_code, granted.status_code) == (201, 200)


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"table": None}, "body.table"),
        ({"table": "items"}, "body.table"),
        ({"unknown": 1}, "body.unknown"),
        ({"format": {"delimiter": ";" * 9}}, "body.format.delimiter"),
        ({"format": {"delimiter": "ä"}}, "body.format.delimiter"),
        ({"format": {"delimiter": ""}}, "body.format.delimiter"),
        ({"format": {"quote": ""}}, "body.format.quote"),
        ({"format": {"delimiter": '"|'}}, "body.format"),
        ({"format": {"escape": "^"}}, "body.format.escape"),
        ({"format": {"escape": "\\", "quote": None}}, "body.format"),
        ({"format": {"escape": "\\", "delimiter": "\\"}}, "body.format"),
        ({"format": {"comment": ",-"}}, "body.format"),
        ({"format": {"comment": '"'}}, "body.format"),
        ({"format": {"line_end": "\n"}}, "body.format.line_end"),
        ({"format": {"header": {"lines": 0}}}, "body.format.header"),
        ({"format": {"header": {"lines": 2}}}, "body.format.header.lines"),
        ({"format": {"header": {"names": ["a"]}}}, "body.format.header"),
        ({"format": {"header": {"lines": 0, "names": ["a", "a"]}}}, "body.format.header"),
        ({"format": {"header": {"lines": 0, "names": ["a"], "find": "a"}}}, "body.format.header"),
        ({"format": {"header": {"find": "a", "skip_before": 1}}}, "body.format.header"),
        ({"format": {"footer": {"lines": 0}}}, "body.format.footer.lines"),
        ({"format": {"footer": {"rows": 1}}}, "body.format.footer"),
        ({"format": {"footer": {"pattern": "(", "rows": 1}}}, "body.format.footer"),
        ({"format": {"footer": {"pattern": "T(.)", "rows": 2}}}, "body.format.footer"),
        ({"format": {"footer": {"pattern": "T(.)", "rows": 1}}, "atomic": False}, "body"),
        ({"format": {"compression": "gzip", "member": "a"}}, "body.format"),
        ({"format": {"type": "jsonl", "delimiter": ";"}}, "body.format"),
        ({"format": {"quote": ","}}, "body.format"),
        ({"format": {"encoding": "utf-32"}}, "body.format.encoding"),
        ({"mode": "upsert"}, "body"),
        ({"mode": "replace", "atomic": False}, "body"),
        ({"source": "{day}.csv"}, "body"),
        ({"time_zone": "Mars/Base"}, "body.time_zone"),
        ({"schedule": {"cron": "at noon"}}, "body.schedule.cron"),
        ({"max_rejected_ratio": 2}, "body.max_rejected_ratio"),
        ({"max_rejected_ratio": False}, "body.max_rejected_ratio"),
        ({"max_rejected_rows": -1}, "body.max_rejected_rows"),
        ({"max_rejected_rows": "3"}, "body.max_rejected_rows"),
        ({"atomic": "yes"}, "body.atomic"),
        ({"arrival": {}}, "body.arrival"),
        ({"arrival": {"wait": "8d"}}, "body.arrival.wait"),
        ({"arrival": {"wait": "2h", "poll": "1s"}}, "body.arrival.poll"),
        ({"arrival": {"until": "25:00"}}, "body.arrival.until"),
        ({"settle": 0}, "body.settle"),
        ({"done_file": "{day}.done"}, "body"),
        ({"after_load": "burn"}, "body.after_load"),
        ({"after_load": "move", "source": "**/*.csv"}, "body"),
        ({"match": "all", "atomic": False}, "body"),
        ({"once": "data_date", "mode": "replace"}, "body"),
        ({"write": "all"}, "body"),
        ({"write": "some", "mode": "replace"}, "body.write"),
        ({"min_rows": 0}, "body.min_rows"),
        ({"min_rows": True}, "body.min_rows"),
        ({"min_rows": 1, "atomic": False}, "body"),
        ({"max_shrink": 1.5}, "body.max_shrink"),
        ({"max_shrink": 0.5, "atomic": False}, "body"),
        ({"required_columns": [""]}, "body.required_columns.0"),
        ({"missing_columns": "ignore"}, "body.missing_columns"),
        ({"scope": {}, "mode": "replace"}, "body.scope"),
        ({"scope": {"a": "data_date", "b": "data_date"}, "mode": "replace"}, "body.scope"),
        ({"scope": {"updated_at": "today"}, "mode": "replace"}, "body.scope.updated_at"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(
    client: httpx.Client, changes: dict[str, Any], location: str
) -> None:
    answer = client.put("/v1/datasets/items", json={**ITEMS, **changes})

    assert problem_of(answer)[:2] == (422, "invalid-request")
    assert [error["location"] for error in answer.json()["errors"]] == [location]


@pytest.mark.parametrize("name", ["Items", "1items", "a" * 64, "a.b", "a%0A"])
def test_a_dataset_has_a_plain_name(client: httpx.Client, name: str) -> None:
    answer = client.put(f"/v1/datasets/{name}", json=ITEMS)

    assert problem_of(answer)[:2] == (422, "invalid-request")
    assert answer.json()["errors"][0]["location"] == "path.name"
