"""Records whose cells hold line ends go by blocks, with the lines and bytes of each."""

from typing import Any

import pytest

from libs.common.datasets.definition import DatasetDefinition
from services.loader.tests.integration.conftest import LoadBench

pytestmark = pytest.mark.usefixtures("compiled_before")

ROWS = 3000


def records(ending: str) -> list[str]:
    """Return records, of which some have line ends in a cell, some are refused, and the last is both."""
    found = []
    for i in range(ROWS):
        note = f'"first{ending}second ""line"""' if i % 7 == 0 else f"note {i}"
        found.append(f"{'x' if i % 1000 == 700 else i},{note}")
    return [*found, f'{ROWS},"too{ending}",many', f'bad,"{ending}{ending}"']


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("block_bytes", [1 << 12, 1 << 21])
@pytest.mark.parametrize("table", ["id bigint, v text", "id bigint, v text, m macaddr"])
def test_records_over_several_lines_go_by_blocks(
    bench: LoadBench, ending: str, block_bytes: int, table: str
) -> None:
    """Also as rows of a text COPY, for types without a codec."""
    bench.execute(f"CREATE TABLE feed.t ({table}, source_line bigint)")
    rows = records(ending)
    extra = ",08:00:2b:01:02:03" if "macaddr" in table else ""
    header = "id,v,m" if extra else "id,v"
    data = (ending.join([header, *(row + extra for row in rows)]) + ending).encode()
    definition = DatasetDefinition.model_validate(
        {"table": "feed.t", "mode": "append", "add": {"source_line": "$line"}}
    )

    job = bench.load(data, definition, block_bytes=block_bytes)

    chunk = bench.chunk(job)
    assert (chunk["state"], chunk["error_message"]) == ("done", None)
    assert (chunk["load_path"], chunk["load_path_reason"]) == ("blocks", None)
    expected = expected_rows(rows, ending)
    loaded = bench.execute("SELECT source_line, id, v FROM feed.t ORDER BY source_line")
    assert loaded == [row for row in expected if isinstance(row[1], int)]
    failed = {row[0] for row in expected if not isinstance(row[1], int)}
    found = bench.execute(
        "SELECT line_number, byte_offset, raw FROM adsp.failed_rows WHERE job_id = %s", str(job)
    )
    assert {line for line, _, _ in found} == failed
    assert all(data[begin : begin + len(raw)] == bytes(raw) for _, begin, raw in found)


def expected_rows(rows: list[str], ending: str) -> list[tuple[Any, ...]]:
    """Return the line of each record, and its values; a text for an id is refused."""
    line, found = 2, list[tuple[Any, ...]]()
    for row in rows:
        name, note = row.split(",", 1)
        value = note[1:-1].replace('""', '"') if note.startswith('"') else note
        is_sound = name.isdigit() and not note.endswith(",many")
        found.append((line, int(name) if is_sound else name, value))
        line += 1 + row.count(ending)
    return found
