"""Each file that the page of formats shows is read by the definition beside it, without a failed record."""

import io
import json
import re
from pathlib import Path

import pytest

from libs.common.csv.dialect import FileFormat
from libs.common.csv.footer import without_footer
from libs.common.csv.framing import Framer
from libs.common.csv.header import read_header, with_names
from libs.common.csv.records import RecordSplitter
from libs.common.csv.skipped_records import SkippedRecords
from libs.common.csv.text import Text
from libs.common.datasets.definition import DatasetDefinition
from services.api.web.definition_form import document_of, read_form, read_whole, texts_of
from services.api.web.yaml_text import write_yaml

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "formats.md"
TEXT = PAGE.read_text(encoding="utf-8")
SHOWN = re.findall(
    r"^## ([^\n]*)\n\n```text\n(.*?)```\n\n```json\n(.*?)```", TEXT, re.MULTILINE | re.DOTALL
)
RECORDS = {
    "There is something else between the cells": 1,
    "A backslash comes before quotes": 3,
    "There are lines above or below the header": 1,
    "There are lines of commas only": 1,
}
CAP = 1 << 16


@pytest.mark.parametrize(("title", "data", "document"), SHOWN, ids=[title for title, *_ in SHOWN])
def test_a_file_is_read_by_the_definition_beside_it(title: str, data: str, document: str) -> None:
    definition = DatasetDefinition.model_validate({"table": "a.b", **json.loads(document)})
    dialect, stored = definition.format, data.encode()
    header = read_header(io.BytesIO(stored), dialect)
    dialect = with_names(dialect, header.cells)
    rest = Text(io.BytesIO(stored[header.byte_end :]))
    body = without_footer(rest, dialect, header, CAP)
    splitter = RecordSplitter(
        dialect, width=len(header.cells), skips=SkippedRecords(dialect, header.line)
    )

    records = [
        record
        for block in Framer(body or rest, dialect).blocks()
        for record in splitter.split(block)
    ]

    assert [record.fault for record in records] == [None] * RECORDS.get(title, 2)
    if body is not None and body.footer is not None:
        body.footer.check(len(records), title)


@pytest.mark.parametrize("document", [document for *_, document in SHOWN])
def test_the_form_of_the_console_shows_each_definition_as_it_is(document: str) -> None:
    definition = DatasetDefinition.model_validate({"table": "a.b", **json.loads(document)})
    brief = document_of(definition)

    assert read_form(texts_of(brief)) == (definition, {})
    assert read_whole(write_yaml(brief)) == (definition, {})


def test_the_page_shows_enough_and_lists_every_option() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", TEXT.partition("## All options")[2], re.MULTILINE)

    assert len(SHOWN) >= 10
    assert set(listed) == FileFormat.model_fields.keys()
