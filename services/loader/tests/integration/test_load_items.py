"""A file of items is loaded: good rows in the table, bad rows on record with place and reason."""

from libs.common.datasets.definition import DatasetDefinition
from services.loader.tests.integration.conftest import LoadBench

ITEMS = DatasetDefinition(table="public.items")
HEADER = b"sku,name,category,price,quantity,updated_at\n"


def test_good_rows_are_loaded_and_bad_ones_kept_with_the_column_and_the_reason(
    bench: LoadBench,
) -> None:
    data = HEADER + b"\n".join(
        [
            b"A1,Anvil,tools,9.99,3,2026-01-01 10:00",
            b"A2,Bolt,tools,cheap,3,2026-01-01",
            b"A3,Nut,tools,-1,3,2026-01-01",
            b"A4,Nail,tools,1,,2026-01-01",
            b"A5,Glue,tools,1,99999999999,2026-01-01",
            b"A6,Saw,tools,12345678901.00,1,2026-01-01",
            b"A1,Again,tools,1,1,2026-01-01",
            b"A7,Tape,tools,1,1,yesterdayish",
            b"A8,Rope",
            b'A9,"Last",tools,1,1,2026-01-01',
        ]
    )

    job_id = bench.load(data, ITEMS)

    assert bench.execute("SELECT sku, name FROM public.items ORDER BY sku") == [
        ("A1", "Anvil"),
        ("A9", "Last"),
    ]
    assert [
        (line, code, column, state)
        for line, _, _, code, column, state, _ in bench.failed_rows(job_id)
    ] == [
        (3, "type-error", "price", "22P02"),
        (4, "check", "price", "23514"),
        (5, "not-null", "quantity", "23502"),
        (6, "out-of-range", "quantity", "22003"),
        (7, "out-of-range", "price", "22003"),
        (8, "unique", "sku", "23505"),
        (9, "type-error", "updated_at", "22007"),
        (10, "missing-cell", None, None),
    ]
    chunk = bench.chunk(job_id)
    assert (chunk["state"], chunk["rows_read"], chunk["rows_loaded"], chunk["rows_rejected"]) == (
        "done",
        10,
        2,
        8,
    )
    assert chunk["bytes_done"] == len(data)
    assert bench.announced == [job_id]
