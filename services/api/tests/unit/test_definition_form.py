"""The form of a definition loses nothing: what it shows, sent by a browser as it stands, is the same definition."""

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.notify import Occasion
from services.api.web.definition_difference import ChangedField, differences
from services.api.web.definition_fields import FieldGroup, FormField, Kind, definition_group
from services.api.web.definition_form import (
    AS_YAML,
    WITHOUT,
    ShownField,
    ShownGroup,
    document_of,
    read_form,
    show_form,
    texts_of,
)
from services.api.web.field_texts import escape_signs, read_signs
from services.api.web.pages import render
from services.api.web.yaml_text import read_yaml, write_yaml

FRAME: dict[str, Any] = {
    "path": "/", "who": None, "may_admin": False, "csrf": "", "is_signed_in": False,
    "name": "items", "version": 1, "refused": None, "etag": '"a"', "yaml": "",
    "yaml_errors": [],
}  # fmt: skip
PLAIN: dict[str, Any] = {"table": "public.items"}
HOSTILE = '"><script>alert(1)</script>&amp;\u202e'


class Browser(HTMLParser):
    """What a browser sends of the first form in `main`, with the line ends that it sends."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self.tags: list[str] = []
        self._area: tuple[str, str] | None = None
        self._select = ""
        self._forms = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self._forms += tag == "form"
        if self._forms != 1:
            return
        if tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.sent[given["name"]] = given.get("value", "on")
        elif tag == "textarea":
            self._area = given["name"], ""
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option" and (self._select not in self.sent or "selected" in given):
            self.sent[self._select] = given["value"]

    def handle_data(self, data: str) -> None:
        if self._area:
            self._area = self._area[0], self._area[1] + data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area:
            name, text = self._area
            self.sent[name] = text.removeprefix("\n").replace("\n", "\r\n")
            self._area = None


def shown(texts: dict[str, str], errors: dict[str, list[str]] | None = None) -> str:
    """Return the page of a form."""
    page = render("definition.html", {}, **FRAME, form=show_form(texts, errors or {}))
    return bytes(page.body).decode()


def sent_again(definition: DatasetDefinition) -> DatasetDefinition | None:
    """Return what becomes of a definition that a browser sends as the form shows it."""
    sent = Browser(shown(texts_of(document_of(definition)))).sent
    again, errors = read_form(sent)
    assert errors == {}
    return again


CELLS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
COLUMNS = CELLS.map(lambda text: text.replace("\0", "_"))
SIGNS = st.text(st.characters(max_codepoint=127, exclude_characters="\r\n\0"), min_size=1)
YES_OR_NO = st.booleans()


def _some(**options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=options)


HEADER = _some(
    lines=st.sampled_from([0, 1]),
    names=st.lists(CELLS, max_size=3, unique=True),
    skip_before=st.integers(0, 10_000),
    find=CELLS,
    repeated=YES_OR_NO,
)
FORMAT = _some(
    type=st.sampled_from(["csv", "jsonl"]),
    delimiter=SIGNS.map(lambda text: text[:8]),
    quote=st.none() | SIGNS.map(lambda text: text[0]),
    escape=st.sampled_from([None, "\\"]),
    encoding=st.sampled_from(["utf-8", "latin-1", "utf-16"]),
    null=CELLS | st.lists(st.just("") | CELLS, max_size=3),
    header=HEADER,
    comment=SIGNS.map(lambda text: text[:3]),
    footer=st.sampled_from([{}, {"lines": 2}, {"pattern": "^T,(?P<n>\\d+)", "rows": "n"}])
    | st.just({"pattern": "(1)", "rows": 1}),
    line_end=st.sampled_from(["auto", "lf", "crlf", "cr"]),
    member=CELLS,
)
CONVERSION = _some(
    trim=YES_OR_NO,
    map=st.dictionaries(st.just("") | CELLS, st.none() | CELLS, max_size=3),
    currency=st.lists(CELLS, max_size=2),
    date_format=st.just("%d.%m.%Y"),
)
NOTIFY = st.fixed_dictionaries(
    {"to": st.just(["yes", "no"])},
    optional={"on": st.lists(st.sampled_from(Occasion), min_size=1, max_size=2)},
)
DOCUMENTS = st.fixed_dictionaries(
    {"table": st.just("public.items") | COLUMNS.map(lambda text: f"s.{text}")},
    optional={
        "source": CELLS,
        "format": FORMAT,
        "columns": st.dictionaries(CELLS, st.none() | CELLS, max_size=3),
        "unknown_columns": st.sampled_from(["ignore", {"rescue": "rest"}]),
        "convert": st.dictionaries(COLUMNS, CONVERSION, max_size=2),
        "add": st.dictionaries(st.just("file"), st.just("$file") | COLUMNS, max_size=1),
        "mode": st.sampled_from(["append", "replace", "upsert"]),
        "key": st.lists(st.just("") | CELLS, max_size=3),
        "atomic": YES_OR_NO,
        "scope": st.just({"day": "data_date"}),
        "time_zone": st.sampled_from(["UTC", "Europe/Vienna"]),
        "date_order": st.sampled_from([None, "DMY"]),
        "schedule": st.sampled_from(
            [{"cron": "0 2 * * *"}, {"cron": "0 2 * * *", "catch_up": "all"}]
        ),
        "arrival": st.sampled_from([{"wait": "2h"}, {"until": "06:00", "poll": "30s"}]),
        "settle": st.floats(0, 86_400, exclude_min=True),
        "done_file": COLUMNS,
        "max_rejected_rows": st.integers(0, 10**30),
        "max_rejected_ratio": st.floats(0, 1),
        "masked_columns": st.lists(COLUMNS, max_size=3),
        "required_columns": st.lists(CELLS, max_size=3),
        "notify": st.lists(NOTIFY, max_size=2),
    },
)


@settings(max_examples=100, deadline=None)
@given(document=DOCUMENTS)
def test_a_form_that_is_sent_as_it_is_shown_is_the_same_definition(document: Any) -> None:
    try:
        definition = DatasetDefinition.model_validate(document)
    except ValidationError:
        reject()

    assert sent_again(definition) == definition


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_signs_that_cannot_be_seen_are_written_as_escapes(text: str) -> None:
    assert escape_signs(text).isprintable()
    assert read_signs(escape_signs(text)) == text
    assert read_yaml(write_yaml(text)) == text


def test_each_option_has_a_field_with_its_help() -> None:
    fields = list(definition_group().fields())
    page = shown(texts_of(PLAIN))

    assert {each.path[0] for each in fields} == set(DatasetDefinition.model_fields)
    assert [each.name for each in fields if not each.help] == []
    for each in fields:
        assert f'id="f-{each.name}"' in page
        assert f'aria-describedby="help-{each.name}"' in page
        assert f'id="help-{each.name}"' in page


def test_mappings_alone_are_boxes_of_yaml() -> None:
    boxes = {each.name for each in definition_group().fields() if each.kind is Kind.YAML}

    assert boxes == {
        *("format.null", "format.footer.rows", "columns", "unknown_columns", "convert", "add"),
        *("scope", "notify"),
    }


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"table": ""}, {"table": ["Field required"]}),
        ({"mode": "<b>"}, {"mode": ["Input should be 'append', 'upsert' or 'replace'"]}),
        ({"min_rows": "1e3"}, {"min_rows": ["Input should be a valid integer"]}),
        ({"min_rows": "٣"}, {"min_rows": ["Input should be a valid integer"]}),
        ({"settle": "nan"}, {"settle": ["Input should be a valid number"]}),
        ({"format.header.lines": "0"}, {"format.header": ["header: 'names' are those"]}),
        ({"schedule.time_zone": "UTC"}, {"schedule.cron": ["Field required"]}),
        ({"convert": "{price: {trim: 7}}"}, {"convert": ["price.trim: Input should be"]}),
        ({"convert": "["}, {"convert": ["the definition is no YAML"]}),
        ({"columns": "a: &a b\nc: *a"}, {"columns": ["write the definition without aliases"]}),
        ({"add": "[" * 90_000}, {"add": ["the definition is no YAML"]}),
        ({"mode": "upsert"}, {"": ["mode 'upsert' needs a 'key'"]}),
        ({"source": "x" * 100_001}, {"": ["the form has more than 100000 characters"]}),
    ],
)
def test_what_is_wrong_is_said_of_its_field(
    changed: dict[str, str], wrong: dict[str, list[str]]
) -> None:
    texts = {**texts_of(PLAIN), **changed}
    definition, errors = read_form(texts)
    page = shown(texts, errors)

    assert definition is None
    assert list(errors) == list(wrong)
    for name, [begins] in wrong.items():
        assert errors[name][0].startswith(begins)
        assert not name or f'aria-describedby="error-{name} help-{name}"' in page


def test_hostile_texts_stay_texts() -> None:
    """Also where the form has to show what none of its fields takes."""
    names = [each.name for each in definition_group().fields()]
    texts = dict.fromkeys(names, HOSTILE)
    _, errors = read_form(texts)
    read = Browser(shown(texts, errors))
    plain = Browser(shown(texts_of(PLAIN)))

    assert read.tags.count("script") == plain.tags.count("script")
    assert {name: read.sent[name] for name in names} == texts


@pytest.mark.parametrize("value", ["a\nb", "\x01", "\xa0x", "\u2028", "x\r"])
def test_what_one_line_cannot_hold_is_shown_as_yaml(value: str) -> None:
    texts = texts_of({**PLAIN, "source": value})
    definition, _ = read_form(texts)

    assert texts[f"{AS_YAML}source"].replace("\n", "").isprintable()
    assert "yaml:source" in _boxes(show_form(texts, {}))
    assert definition
    assert definition.source == value


def _boxes(form: ShownGroup) -> list[str]:
    return [each.name for each in form.parts if isinstance(each, ShownField) and each.is_box]


def test_a_group_is_left_out_by_its_box_or_when_it_is_emptied() -> None:
    given = DatasetDefinition.model_validate({**PLAIN, "format": {"footer": {}}})
    texts = texts_of(document_of(given))
    by_box, _ = read_form({**texts, f"{WITHOUT}format.footer": "on"})
    emptied, _ = read_form({**texts, "format.footer.lines": ""})

    assert given.format.footer is not None
    assert f'name="{WITHOUT}format.footer"' in shown(texts)
    assert f'name="{WITHOUT}format.footer"' not in shown(texts_of(PLAIN))
    assert by_box == emptied == DatasetDefinition.model_validate(PLAIN)


def test_a_definition_that_is_refused_by_now_is_shown_with_what_is_wrong() -> None:
    texts = texts_of({"table": 5, "mode": "merge", "format": "csv", "schedule": {"cron": "x"}})

    assert texts[f"{AS_YAML}table"] == "5"
    assert texts[f"{AS_YAML}mode"] == "merge"
    assert texts["schedule.cron"] == "x"


def test_differences_are_reported_by_field() -> None:
    plain = {**PLAIN, "source": "a.csv"}
    before = _whole({**plain, "columns": {"A": "a"}, "convert": {"a": {"trim": True}}})
    after = _whole(
        {
            **plain,
            "columns": {"A": "a", "B": None},
            "schedule": {"cron": "0 2 * * *"},
            "format": {"delimiter": "\t"},
            "min_rows": 1,
        }
    )

    assert differences(before, before) == []
    assert differences(before, after) == [
        ChangedField("format.delimiter", "','", '"\\t"'),
        ChangedField("columns.B", None, "null"),
        ChangedField("convert.a", "trim: true", None),
        ChangedField("schedule.cron", None, "0 2 * * *"),
        ChangedField("schedule.time_zone", None, "UTC"),
        ChangedField("min_rows", "null", "1"),
    ]


@given(before=DOCUMENTS, after=DOCUMENTS)
def test_whatever_differs_is_reported(before: Any, after: Any) -> None:
    try:
        old, new = _whole(before), _whole(after)
    except ValidationError:
        reject()

    assert bool(differences(old, new)) == (old != new)


def _whole(document: dict[str, Any]) -> dict[str, Any]:
    return DatasetDefinition.model_validate(document).model_dump(mode="json")


def _groups(part: FieldGroup | FormField) -> list[FieldGroup]:
    if isinstance(part, FormField):
        return []
    return [part, *(group for each in part.parts for group in _groups(each))]


def test_an_optional_group_always_says_something_when_it_is_there() -> None:
    """Else its fields, all empty, would leave it out: a new one needs a required field, or a default."""
    silent = {
        group.name
        for group in _groups(definition_group())
        if group.is_optional
        and not any(
            isinstance(each, FormField)
            and (each.is_required or each.default is not None)
            and each.kind is not Kind.YAML
            for each in group.parts
        )
    }

    assert silent == set()
