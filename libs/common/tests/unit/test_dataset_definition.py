"""A definition is accepted when it can be loaded by, and refused with its cure when not."""

import codecs
import encodings
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pkgutil import iter_modules
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from libs.common.csv.dialect import FileFormat
from libs.common.csv.utf16 import UTF_16
from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.schedule import Schedule
from libs.common.enums import CatchUp


@pytest.mark.parametrize(
    "name", ["utf-8", "UTF8", "latin-1", "cp1252", "koi8-r", "utf-8-sig", "ascii"]
)
def test_encodings_in_which_ascii_is_itself_are_accepted(name: str) -> None:
    text = b"a,b\n"

    assert text.decode(FileFormat(encoding=name).encoding) == "a,b\n"


@pytest.mark.parametrize(
    "name",
    [
        "utf-32",
        "utf-32-le",
        "utf-7",
        "shift_jis",
        "gb18030",
        "cp037",
        "iso2022_jp",
        "hz",
        "rot13",
        "idna",
        "punycode",
        "x",
        "unicode_escape",
        "raw_unicode_escape",
        "mac_arabic",
        "mac_farsi",
    ],
)
def test_encodings_that_cannot_be_split_by_bytes_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="encoding"):
        FileFormat(encoding=name)


@pytest.mark.parametrize("name", [module.name for module in iter_modules(encodings.__path__)])
def test_each_byte_of_an_accepted_encoding_is_a_character_by_itself(name: str) -> None:
    """Whatever Python knows is refused, or a file may be cut at any ASCII byte before it is decoded."""
    try:
        encoding = FileFormat(encoding=name).encoding
    except ValidationError:
        return
    if encoding == "utf-8" or encoding in UTF_16:
        return
    letters = [bytes([byte]).decode(encoding, "replace") for byte in range(256)]
    escapes = b"\\u000a\\n\\x0a+AAo-~{!!~}\x1b$B!!\x1b(Bxn--a"
    random = Random(name).randbytes(4096)

    assert "".join(letters[:128]) == bytes(range(128)).decode("ascii")
    assert all(len(letter) == 1 and ord(letter) >= 0x80 for letter in letters[128:])
    for text in (escapes, random, *(random[at : at + 7] for at in range(4096))):
        assert text.decode(encoding, "replace") == "".join(letters[byte] for byte in text)


@pytest.mark.parametrize(
    "name", ["latin-1", "cp1252", "cp1257", "iso8859-7", "koi8-u", "mac-roman"]
)
def test_single_byte_encodings_in_use_stay_accepted(name: str) -> None:
    """Some of them have bytes without a character, which fail their record only."""
    assert FileFormat(encoding=name).encoding == codecs.lookup(name).name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "upsert"}, "needs a 'key'"),
        ({"key": ["sku"]}, "take none"),
        ({"mode": "replace", "atomic": False}, "always atomic"),
        ({"schedule": {"cron": "0 2 * * *"}}, "needs a 'source'"),
        ({"source": "a-{date}.csv"}, "{data_date}"),
        ({"table": "items"}, "pattern"),
        ({"time_zone": "Mars/Base"}, "IANA"),
        ({"max_rejected_ratio": 1.5}, "less than or equal to 1"),
        ({"format": {"delimiter": ",", "quote": ","}}, "must differ"),
        ({"format": {"delimiter": "\n"}}, "ASCII character"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_definition_that_contradicts_itself_is_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError) as refusal:
        DatasetDefinition.model_validate({"table": "public.items"} | changes)

    assert message in str(refusal.value)


def test_a_threshold_is_exceeded_only_beyond_it() -> None:
    definition = DatasetDefinition(
        table="public.items", max_rejected_rows=5, max_rejected_ratio=0.5
    )

    assert not definition.exceeds_thresholds(10, 5)
    assert definition.exceeds_thresholds(100, 6)
    assert definition.exceeds_thresholds(5, 3)
    assert not definition.exceeds_thresholds(0, 0)


CRONS = ["*/7 * * * *", "30 2 * * *", "0 0 * * 1-5", "15 3 29 2 *", "59 23 31 12 *"]
ZONES = ["UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
MOMENTS = st.integers(0, 4 * 366 * 24 * 60).map(
    lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@given(
    cron=st.sampled_from(CRONS),
    zone=st.sampled_from(ZONES),
    start=MOMENTS,
    lengths=st.lists(st.integers(0, 3_000), min_size=1, max_size=5),
)
def test_ticks_see_every_due_time_once_however_they_fall(
    cron: str, zone: str, start: datetime, lengths: list[int]
) -> None:
    """Due times of adjoining intervals are those of the whole interval, in order."""
    schedule = Schedule(cron=cron, time_zone=zone)
    ticks = [start]
    for minutes in lengths:
        ticks.append(ticks[-1] + timedelta(minutes=minutes))

    piecewise = [
        due
        for after, until in pairwise(ticks)
        for due in schedule.due_times(after, until, CatchUp.ALL)
    ]

    whole = schedule.due_times(start, ticks[-1], CatchUp.ALL)
    assert piecewise[: len(whole)] == whole
    assert piecewise == sorted(set(piecewise))


@given(cron=st.sampled_from(CRONS[:3]), zone=st.sampled_from(ZONES), start=MOMENTS)
def test_the_latest_due_time_is_the_last_of_all(cron: str, zone: str, start: datetime) -> None:
    until = start + timedelta(days=4)
    schedule = Schedule(cron=cron, time_zone=zone)
    everything = schedule.due_times(start, until, CatchUp.ALL)

    latest = schedule.due_times(start, until, CatchUp.LATEST)

    assert latest == everything[-1:]


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("*/10 * * * * *", "five fields"),
        ("* * * *", "five fields"),
        ("", "five fields"),
        ("0 0 30 2 *", "five fields"),
        ("0 0 */10 2 1#5", "due on no day"),
    ],
)
def test_a_cron_that_nothing_can_be_due_by_is_refused(cron: str, message: str) -> None:
    """Seconds are no part of a cron expression here: the scheduler ticks once a minute."""
    with pytest.raises(ValidationError) as refusal:
        Schedule(cron=cron)

    assert message in str(refusal.value)


@pytest.mark.parametrize("catch_up", list(CatchUp))
def test_a_schedule_that_is_never_due_has_no_due_times(catch_up: CatchUp) -> None:
    """One may be stored that was accepted before."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    schedule = Schedule.model_construct(cron="0 0 */10 2 1#5", time_zone="UTC", catch_up=None)

    assert schedule.due_times(now - timedelta(days=800), now, catch_up) == []
    assert schedule.longest_pause(now) == timedelta()
