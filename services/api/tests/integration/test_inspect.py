"""Any file is answered without a fault, and nothing of it is kept; tables are made where that is allowed."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.api.tests.integration.api_bench import (
    Ledger,
    MakeKey,
    SettingsWith,
    problem_of,
    serving,
)

ITEMS = b"sku,name,category,price,quantity,updated_at\n1,a,b,1.00,1,2026-01-01\n"


def _inspect(client: httpx.Client, content: bytes, **asked: object) -> httpx.Response:
    headers = {"Content-Type": "application/octet-stream"}
    return client.post("/v1/inspect", params=asked, content=content, headers=headers)  # type: ignore[arg-type]


def test_the_answer_has_all_that_a_dataset_needs(client: httpx.Client) -> None:
    seen = _inspect(
        client, b"id;Order Day\n1;31.12.2026\n", filename="in/orders-2026-11-24.csv"
    ).json()

    assert seen["name"] == "orders"
    assert seen["definition"] == {
        "table": "public.orders",
        "source": "orders-{data_date}.csv",
        "date_order": "DMY",
        "format": {"delimiter": ";"},
        "columns": {"Order Day": "order_day"},
    }
    assert (
        seen["ddl"][0]
        == 'CREATE TABLE "public"."orders" (\n    "id" integer,\n    "order_day" date\n)'
    )
    assert seen["rows"] == [["1", "31.12.2026"]]
    assert (seen["table_exists"], seen["can_create"], seen["records"]) == (False, False, 1)


def test_a_table_that_exists_is_mapped_and_asked(client: httpx.Client) -> None:
    """Postgres says what its types would refuse; what has no column is left out."""
    content = (
        b"SKU,Name,category,PRICE,quantity,updated at,colour\n"
        b"1,a,b,cheap,1,2026-01-01,red\n2,,b,1,1,2026-01-01,red\n3,a,b,1,1,2026-01-01,red\n"
    )
    seen = _inspect(client, content, table="public.items").json()

    assert seen["table_exists"] is True
    assert seen["ddl"] == []
    assert seen["definition"]["columns"] == {
        "SKU": "sku",
        "Name": "name",
        "PRICE": "price",
        "updated at": "updated_at",
        "colour": None,
    }
    assert seen["rejected"] == 2
    first, second = seen["rejects"]
    assert (first["line_number"], first["column"], first["sqlstate"]) == (2, "price", "22P02")
    assert first["message"] == 'invalid input syntax for type numeric: "cheap"'
    assert (second["line_number"], second["sqlstate"]) == (3, "23502")


def test_packed_files_and_starts_of_files_are_read(client: httpx.Client) -> None:
    whole = b"id,v\n" + b"".join(b"%d,text %d\n" % (n, n) for n in range(100_000))
    packed = gzip.compress(whole)
    all_of_it = _inspect(client, packed).json()
    start = _inspect(client, packed[:100_000], is_part=True).json()
    plain = _inspect(client, whole[:50_003], is_part=True).json()

    assert (all_of_it["compression"], all_of_it["is_part"]) == ("gzip", True)
    for seen in (all_of_it, start, plain):
        assert [column["type"] for column in seen["columns"]] == ["integer", "text"]
        assert seen["rejected"] == 0
        assert seen["records"] > 1000


@pytest.mark.parametrize(
    ("content", "asked", "code"),
    [
        (b"", {}, "source-empty"),
        (b"\n \n", {}, "source-empty"),
        (b"%PDF-1.7 ...", {}, "source-not-text"),
        (gzip.compress(b"a,b\n1,2\n")[:12], {}, "source-corrupt"),
        (ITEMS, {"table": "items"}, "invalid-request"),
        (ITEMS, {"nonsense": 1}, "invalid-request"),
    ],
)
def test_what_is_no_file_of_records_is_refused(
    client: httpx.Client, content: bytes, asked: dict[str, object], code: str
) -> None:
    assert problem_of(_inspect(client, content, **asked))[1] == code


def test_nothing_of_a_file_is_kept(client: httpx.Client, upload_dir: Path) -> None:
    _inspect(client, ITEMS)
    _inspect(client, b"")
    _inspect(client, b"\0\1\2")

    assert list(upload_dir.glob("*/*")) == []


LINES = st.lists(
    st.lists(
        st.text(st.sampled_from("ab1290.,;|\t\"'\\ -/:TZ{}[]€ä\r"), max_size=6)
        | st.sampled_from(["", "NULL", "\\N", "2026-01-01", "31.12.2026", "1.234,56", '{"a":1}']),
        min_size=1,
        max_size=5,
    ),
    min_size=1,
    max_size=6,
)


@given(
    content=st.binary(max_size=300)
    | st.builds(
        lambda lines, sign, encoding: "\n".join(sign.join(line) for line in lines).encode(
            encoding, "replace"
        ),
        LINES,
        st.sampled_from([",", ";", "\t", "|", "||", "\u0001"]),
        st.sampled_from(["utf-8", "cp1252", "utf-16", "utf-16-le"]),
    )
)
@settings(
    max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_any_bytes_are_answered(client: httpx.Client, content: bytes) -> None:
    """A proposal is a definition that the api itself takes for valid, or the file is refused with a reason."""
    answer = _inspect(client, content)

    assert answer.status_code in {200, 422}, answer.text
    if answer.status_code == 200:
        seen = answer.json()
        assert len({column["column"] for column in seen["columns"]}) == len(seen["columns"])


@pytest.fixture(scope="module")
def making(settings_with: SettingsWith) -> Iterator[httpx.Client]:
    """Serve an api that may make tables in one schema."""
    with serving(settings_with(create_tables_in=["feed"])) as made:
        yield made


def test_tables_are_made_where_the_operator_has_allowed_it(
    making: httpx.Client, ledger: Ledger
) -> None:
    ledger.execute(
        "CREATE SCHEMA feed; GRANT CREATE, USAGE ON SCHEMA feed TO adsp_api, adsp_loader"
    )
    try:
        body = {"table": 'feed.a"b', "columns": [{"name": 'x"); DROP', "type": "integer"}]}
        seen = _inspect(making, ITEMS, table="feed.new").json()
        made = making.post("/v1/tables", json=body)
        again = making.post("/v1/tables", json=body)
        put = making.put("/v1/datasets/made", json={"table": 'feed.a"b'})
        elsewhere = making.post("/v1/tables", json={**body, "table": "public.t"})
        unknown = making.post(
            "/v1/tables", json={**body, "columns": [{"name": "a", "type": "int); DROP TABLE x"}]}
        )
    finally:
        ledger.execute("DROP SCHEMA feed CASCADE")

    assert seen["can_create"] is True
    assert made.status_code == 201, made.text
    assert problem_of(again)[:2] == (409, "table-exists")
    assert put.status_code == 201
    assert problem_of(elsewhere)[:2] == (403, "table-creation-off")
    assert "ADSP_CREATE_TABLES_IN" in problem_of(elsewhere)[2]
    assert problem_of(unknown)[1] == "invalid-request"


def test_tables_are_made_by_administrators_alone(guarded: httpx.Client, make_key: MakeKey) -> None:
    headers = {"X-API-Key": make_key("read", "submit")}
    body = {"table": "feed.t", "columns": [{"name": "a", "type": "text"}]}

    assert problem_of(guarded.post("/v1/tables", json=body, headers=headers))[0] == 403
    assert problem_of(guarded.post("/v1/inspect", content=ITEMS))[0] == 401


def test_a_right_that_the_api_lacks_is_named(making: httpx.Client, ledger: Ledger) -> None:
    ledger.execute("CREATE SCHEMA feed")
    try:
        answer = making.post(
            "/v1/tables", json={"table": "feed.t", "columns": [{"name": "a", "type": "text"}]}
        )
    finally:
        ledger.execute("DROP SCHEMA feed CASCADE")

    status, code, detail = problem_of(answer)
    assert (status, code) == (409, "table-not-permitted")
    assert "GRANT" in detail
