"""Files that are no plain CSV, from the field: what their datasets say about them, and what must come of them."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.endtoend.field_cases import NOTES, PLAIN, Case, Rows, Step, modes

ABC = "CREATE TABLE {table} (a int, b int, c int)"
ACCOUNTS = "CREATE TABLE {table} (kind text, number text, balance text)"
PARTS = "CREATE TABLE {table} (id int PRIMARY KEY, v text)"
BOOKINGS = "CREATE TABLE {table} (day text, purpose text, amount text)"
TSV = 'id\tv\n1\t5" pipe\n2\t"quoted" start\n3\tplain\n4\t"\n5\ta,b\n'
TSV_ROWS: Rows = [(1, '5" pipe'), (2, '"quoted" start'), (3, "plain"), (4, '"'), (5, "a,b")]
MODES = modes("id")
SKIPPED, ODD_END = ["lines-skipped"], ["bytes-after-end"]
STATEMENT = (
    "Umsätze;\nKonto;000000000\nStand;24.11.2026\n\nBuchungstag;Verwendungszweck;Betrag\n"
    "20.11.2026;Miete;-700,00\n21.11.2026;Lohn;2.100,00\n"
)
BOOKED: Rows = [("20.11.2026", "Miete", "-700,00"), ("21.11.2026", "Lohn", "2.100,00")]
COLUMNS = {"Buchungstag": "day", "Verwendungszweck": "purpose", "Betrag": "amount"}
ITEMS = b"id,v\n1,a\n2,b\n"
ITEM_ROWS: Rows = [(1, "a"), (2, "b")]
PACKINGS: dict[str, Callable[[bytes], bytes]] = {"plain": bytes, "gzip": gzip.compress}
TRAILER = {"pattern": r"^T,(\d+),", "rows": 1}


def _loads(
    name: str, ddl: str, form: dict[str, Any], data: str | bytes, rows: Rows, **more: Any
) -> Case:
    """Return a file that loads without a failed row."""
    options = more.pop("options", {})
    return Case(name, ddl, {"format": form, **options}, [Step(data, **more)], rows)


def _refused(name: str, ddl: str, form: dict[str, Any], data: str | bytes, error: str) -> Case:
    """Return a file of which nothing is loaded."""
    return Case(name, ddl, {"format": form}, [Step(data, "failed", error=error)], [])


def _zip(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_", "."), data)
    return packed.getvalue()


def _bookings(name: str, header: dict[str, Any]) -> Case:
    """Return a bank's statement, whose header stands below account lines."""
    case = _loads(
        f"preamble before the header, {name}",
        BOOKINGS,
        {"delimiter": ";", "encoding": "cp1252", "header": header},
        STATEMENT.encode("cp1252"),
        BOOKED,
    )
    return replace(case, definition={**case.definition, "columns": COLUMNS})


FORMATS = [
    _loads(
        "control-A between cells",
        "CREATE TABLE {table} (id int PRIMARY KEY, v text, n int)",
        {"delimiter": "\x01", "null": "\\N"},
        "id\x01v\x01n\n1\x01a|b\x01\\N\n2\x01\\N\x013\n3\x01\x014\n",
        [(1, "a|b", None), (2, None, 3), (3, "", 4)],
    ),
    _loads(
        "two bars between cells",
        "CREATE TABLE {table} (id int PRIMARY KEY, v text, n int)",
        {"delimiter": "||"},
        "id||v||n\n1||a||2\n2||a|b||3\n",
        [(1, "a", 2), (2, "a|b", 3)],
    ),
    *(
        _loads(
            f"tabs without quoting, {mode}",
            PARTS,
            {"delimiter": "\t", "quote": None},
            TSV,
            TSV_ROWS,
            options=options,
        )
        for mode, options in MODES.items()
    ),
    _loads(
        "escapes of MySQL",
        PARTS,
        {"escape": "\\"},
        'id,v\n1,"say \\"hi\\""\n2,"plain"\n3,"\\""\n4,"swallowed?"\n5,c\n6,"ends with \\\\"\n7,"\\N"\n',
        [
            (1, 'say "hi"'),
            (2, "plain"),
            (3, '"'),
            (4, "swallowed?"),
            (5, "c"),
            (6, "ends with \\"),
            (7, None),
        ],
    ),
    _loads(
        "no header at all",
        "CREATE TABLE {table} (id int, name text)",
        {"header": {"lines": 0, "names": ["id", "name"]}},
        "1,Ann\n2,Bo\n",
        [(1, "Ann"), (2, "Bo")],
    ),
    _refused(
        "no header at all, and nobody says so",
        "CREATE TABLE {table} (id int, name text)",
        {},
        "1,Ann\n2,Bo\n",
        "header-unknown-column",
    ),
    _bookings("found", {"find": "Buchungstag;"}),
    _bookings("counted", {"skip_before": 4}),
    _refused(
        "preamble before the header, and nobody says so",
        BOOKINGS,
        {"delimiter": ";", "encoding": "cp1252"},
        STATEMENT.encode("cp1252"),
        "header-unknown-column",
    ),
    _loads(
        "units below the header, header again, ghosts and comments",
        PLAIN,
        {
            "header": {"skip_after": 1, "repeated": True},
            "comment": "#",
            "blank_records": "skip",
            "line_end": "crlf",
        },
        "# by night\r\nid,v\r\n[1],[text]\r\n1,a\r\n# it's noon\r\nid,v\r\n2,b\nc\r\n,\r\n",
        [(1, "a"), (2, "b\nc")],
        warnings=SKIPPED,
    ),
    *(
        _loads(
            f"trailer with the count, {name}",
            ACCOUNTS,
            {"footer": TRAILER},
            packed(b"kind,number,balance\nD,1001,5.00\nD,1002,7.00\nT,2,12.00\n"),
            [("D", "1001", "5.00"), ("D", "1002", "7.00")],
            warnings=SKIPPED,
        )
        for name, packed in PACKINGS.items()
    ),
    _loads(
        "trailer without a count or a last line end",
        ACCOUNTS,
        {"footer": {"pattern": r"^\*+END OF FILE"}},
        "kind,number,balance\nD,1001,5.00\nD,1002,7.00\n***END OF FILE***",
        [("D", "1001", "5.00"), ("D", "1002", "7.00")],
        warnings=SKIPPED,
    ),
    _refused(
        "trailer that counts more",
        ACCOUNTS,
        {"footer": TRAILER},
        "kind,number,balance\nD,1001,5.00\nT,2,12.00\n",
        "trailer-mismatch",
    ),
    _refused(
        "trailer that is not there",
        ACCOUNTS,
        {"footer": TRAILER},
        "kind,number,balance\nD,1001,5.00\nD,1002,7.00\n",
        "trailer-mismatch",
    ),
    Case(
        "trailing delimiters",
        ABC,
        {"format": {"delimiter": "|", "trailing_delimiter": True}},
        [
            Step(
                "a|b|c|\n1|2|3|\n4|5|6|\n7|8|9|x\n7|8|\n",
                "completed_with_rejects",
                failed={4: ("extra-cell", None), 5: ("missing-cell", None)},
            )
        ],
        [(1, 2, 3), (4, 5, 6)],
    ),
    _loads(
        "lone returns that are line ends, as declared",
        NOTES,
        {"line_end": "cr"},
        "id,note\r1,a\nb\r2,c\r",
        [(1, "a\nb"), (2, "c")],
    ),
    _refused(
        "UTF-16 though UTF-8 is said",
        PLAIN,
        {"delimiter": "\t"},
        "\ufeffid\tv\r\n1\tGröße\r\n".encode("utf-16-le"),
        "header-malformed",
    ),
    _refused(
        "UTF-8 mark in a feed of cp1252",
        PLAIN,
        {"encoding": "cp1252"},
        "\ufeffid,v\n1,Größe\n".encode(),
        "header-malformed",
    ),
    _loads(
        "UTF-8 without a mark in a feed of cp1252",
        PLAIN,
        {"encoding": "cp1252"},
        "id,v\n1,Größe\n".encode(),
        [(1, "GrÃ¶ÃŸe")],
        warnings=["looks-like-utf-8"],
    ),
    *(
        _loads(
            f"lines of JSON, {mode}",
            "CREATE TABLE {table} (id int PRIMARY KEY, v text, doc jsonb)",
            {"type": "jsonl"},
            '{"id": 1, "v": "a", "doc": {"x": [1, 2.50]}}\n{"doc": [], "id": 2}\n{"id": 3, "v": 1.50}\n',
            [(1, "a", {"x": [1, 2.5]}), (2, None, []), (3, "1.50", None)],
            options=options,
        )
        for mode, options in MODES.items()
    ),
    _loads("zip named csv", PLAIN, {}, _zip(t_csv=ITEMS), ITEM_ROWS),
    _loads(
        "zip of several files",
        PLAIN,
        {"member": "t.*"},
        _zip(a_csv=b"x", t_csv=ITEMS),
        ITEM_ROWS,
    ),
    _refused(
        "zip of several files, of which none is named",
        PLAIN,
        {},
        _zip(a_csv=b"x", t_csv=ITEMS),
        "source-ambiguous",
    ),
    _refused(
        "old workbook named csv",
        PLAIN,
        {},
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
        "source-not-text",
    ),
    _refused(
        "new workbook named csv",
        PLAIN,
        {},
        _zip(**{"[Content_Types]_xml": b"<x/>", "xl/workbook_xml": b"<x/>"}),
        "source-not-text",
    ),
    _refused(
        "error page named csv",
        PLAIN,
        {},
        "<!DOCTYPE html>\n<html><head><title>403 Forbidden</title></head>\n",
        "header-unknown-column",
    ),
    *(
        _loads(
            f"line end after gzip, {end!r}",
            PLAIN,
            {},
            gzip.compress(ITEMS) + end,
            ITEM_ROWS,
            warnings=ODD_END,
        )
        for end in (b"\n", b"\r\n")
    ),
    _refused("gzip in gzip", PLAIN, {}, gzip.compress(gzip.compress(ITEMS)), "source-corrupt"),
    *(
        _loads(f"packed by {pack.__module__.strip('_')}", PLAIN, {}, pack(ITEMS), ITEM_ROWS)
        for pack in (bz2.compress, lzma.compress)
    ),
]
"""What is said to a person about a refused file stands in `SAID`."""

SAID = {
    "no header at all, and nobody says so": "'1,Ann', which looks like data",
    "trailer that counts more": "has 1 records, but its footer says 2",
    "trailer that is not there": "does not match: it may be a part of the file only",
    "UTF-16 though UTF-8 is said": "mark of utf-16, but the dataset's encoding is utf-8; set",
    "UTF-8 mark in a feed of cp1252": "mark of utf-8, but the dataset's encoding is cp1252; set",
    "zip of several files, of which none is named": "'a.csv', 't.csv'",
    "old workbook named csv": "an Excel workbook (.xls)",
    "new workbook named csv": "an Excel workbook (.xlsx)",
    "preamble before the header, and nobody says so": "'Umsätze;'",
    "error page named csv": "'<!DOCTYPE html>', which looks like HTML",
    "gzip in gzip": "what comes out of the source is gzip again",
}
