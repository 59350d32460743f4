"""One job loads every file that its dataset's source means, and accounts for each."""

import csv
import io

from tests.endtoend.system import System

HEADER = b"sku,name,category,price,quantity,updated_at\n"
ROW = b"SKU-%d,lamp,tools,9.99,3,2026-01-01 00:00:00+00\n"
BAD = b"SKU-%d,lamp,tools,much,3,2026-01-01 00:00:00+00\n"


def write(system: System, name: str, rows: bytes) -> None:
    """Write a file beside its place and rename it, as a sender should."""
    folder = system.incoming / "parts"
    folder.mkdir(exist_ok=True)
    (folder / "part.tmp").write_bytes(HEADER + rows)
    (folder / "part.tmp").rename(folder / name)


def test_a_job_loads_all_files_and_the_next_one_what_is_new(system: System) -> None:
    table = system.make_table("parts")
    write(system, "a.csv", ROW % 1 + BAD % 2)
    write(system, "b.csv", ROW % 3 + ROW % 4 + BAD % 5)
    with system.client as client:
        client.put_dataset(
            "parts", {"table": table, "source": "parts/*.csv", "match": "all", "settle": 1}
        )
        first = system.wait_over(client.submit(dataset="parts"))
        found = list(client.files(first.id))
        failed = list(client.failed_rows(first.id))
        exported = client.get(f"/v1/jobs/{first.id}/failed-rows", format="csv").text
        write(system, "c.csv", ROW % 6)
        second = system.wait_over(client.submit(dataset="parts"))
        of_second = list(client.files(second.id))
        third = system.wait_over(client.submit(dataset="parts"))
        corrected = system.folder / "corrected.csv"
        corrected.write_bytes(HEADER + ROW % 2 + ROW % 5)
        replayed = system.wait_over(client.replay(first.id, corrected))
        of_replay = list(client.files(replayed.id))
        page = client.get(f"/jobs/{first.id}").text

    assert (first.state, first.rows_loaded, first.rows_rejected) == (
        "completed_with_rejects",
        3,
        2,
    )
    assert [(file.path.rpartition("/")[2], file.rows_read, file.rows_loaded) for file in found] == [
        ("a.csv", 2, 1),
        ("b.csv", 3, 2),
    ]
    places = [(row.file.rpartition("/")[2], row.line_number) for row in failed]
    assert places == [("a.csv", 3), ("b.csv", 4)]
    assert [row.byte_offset for row in failed] == [
        len(HEADER + ROW % 1),
        len(HEADER + ROW % 3 + ROW % 4),
    ]
    lines = list(csv.DictReader(io.StringIO(exported)))
    assert [(line["adsp_file"].rpartition("/")[2], line["adsp_line_number"]) for line in lines] == [
        ("a.csv", "3"),
        ("b.csv", "4"),
    ]
    assert (second.state, second.rows_loaded) == ("succeeded", 1)
    assert [file.duplicate_of for file in of_second] == [first.id, first.id, None]
    assert (third.state, third.duplicate_of) == ("duplicate", first.id)
    assert (replayed.state, replayed.rows_loaded) == ("succeeded", 2)
    assert [(file.number, file.rows_loaded) for file in of_replay] == [(0, 2)]
    assert system.count(table) == 6
    assert "b.csv" in page
