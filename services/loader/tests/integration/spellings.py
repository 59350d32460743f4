"""How values of each type are written: plainly, as most files do, and in every way that needs a second look.

Both the generated files of the oracle and the tests of codecs draw from here. `now` and its like are left out: two
loads would store two moments.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from uuid import UUID

Write = Callable[[Random], str]


@dataclass(frozen=True)
class Spelling:
    """A type with its plain texts and its odd ones, right or wrong.

    `check` is an expression over column ``{c}`` that most plain values satisfy, `default` a constant; `is_sortable`
    types can be keys.
    """

    type: str
    plain: Write
    odd: tuple[str, ...]
    check: str | None = None
    default: str | None = None
    is_sortable: bool = True


def _integer(least: int, most: int) -> Write:
    return lambda rng: str(rng.choice((rng.randint(least, most), rng.randint(0, 50))))


def _decimal(whole: int, scale: int) -> Write:
    return lambda rng: f"{rng.randint(-3, 10**whole - 1)}.{rng.randint(0, 10**scale - 1):0{scale}d}"


def _float(rng: Random) -> str:
    return repr(rng.choice((rng.uniform(-1e6, 1e6), rng.random(), float(rng.randint(0, 99)))))


def _float4(rng: Random) -> str:
    return f"{rng.uniform(-1e4, 1e4):.3f}"


def _day(rng: Random) -> date:
    return date(1999, 12, 25) + timedelta(
        days=rng.choice((rng.randint(0, 9000), rng.randint(0, 20)))
    )


def _moment(rng: Random) -> datetime:
    return datetime.combine(_day(rng), datetime.min.time()) + timedelta(
        seconds=rng.randrange(86_400),
        microseconds=rng.randrange(10**6) if rng.random() < 0.02 else 0,
    )


def _clock(rng: Random) -> str:
    return str(_moment(rng).time())


def _moment_with_zone(rng: Random) -> str:
    other = rng.choice(("Z", "+02:00", "-05:30", " UTC")) if rng.random() < 0.05 else ""
    return f"{_moment(rng)}{other or rng.choice(('', '+00'))}"


def _word(rng: Random) -> str:
    letters = "abcdeABC z" if rng.random() < 0.9 else "äß漢😀'\",;\t\\%$"
    return "".join(rng.choice(letters) for _ in range(rng.randint(1, 8)))


def _short_word(rng: Random) -> str:
    return "".join(rng.choice("abcdé") for _ in range(rng.randint(1, 4)))


def _choice(*texts: str) -> Write:
    return lambda rng: rng.choice(texts)


def _uuid(rng: Random) -> str:
    return str(UUID(int=rng.choice((rng.getrandbits(128), rng.randrange(40)))))


def _range(rng: Random) -> str:
    start = rng.randrange(0, 4000, 5)
    return f"[{start},{start + rng.randint(1, 6)})"


# fmt: off
# Written by hand on purpose: the limits of the widths, and what parsers of other languages take and refuse.
INTEGERS = (
    *( str(sign * 2**bits + step) for bits in (15, 31, 63) for sign in (1, -1) for step in (-1, 0, 1) ), "+5",
    " 5", "5 ", "\t5", "-0", "+0", "007", "-007", "0x10", "0X1f", "0b11", "0o17", "1_000", "1__0", "_1", "1e3",
    "1.0", "1.", "", "-", "+", "--1", "+-1", "1 2", "٣", "１", "−5", "\u00a05", "5\u200b", "5\x0b", "x",
    "99999999999999999999", "-99999999999999999999", "000000000000000000000000000007", "NaN", "true", "'1'",
)
DECIMALS = (
    "0.005", "-0.005", "1.005", "1.015", "2.5", "-0", "-0.00", ".5", "5.", "-.5", ".", "+5.5", " 5.5 ",
    "007.50", "99.994", "99.995", "999.99", "9999.99", "9999.994", "9999.995", "99999999.99", "9999999999.99",
    "12345678.9", "NaN", "nan", "-NaN", "Infinity", "-Infinity", "inf", "+inf", "infinity", "1e1", "1E-5",
    "1e400", "1e-400", "1e131073", "1e", "1e+", "0x10", "0x1.8", "1_000.5", "1,5", "1 2", "--1", "٣", "１.５",
    "", "x", "1.5.5", "$1", "0.00000000000000000001", "9" * 30, "9" * 17 + "." + "9" * 9, "0" * 40 + "1",
    "1." + "0" * 40, "5\u00a0",
)
FLOATS = (
    "1e308", "1e309", "-1e309", "1e-323", "1e-400", "1e38", "1e39", "1e-45", "1e-46", "16777217", "0.1",
    "1e22", "nan", "NaN", "-nan", "inf", "-inf", "Infinity", "+Infinity", "infinit", "-0", "-0.0", "+1.5",
    " 1.5", "1.5 ", ".5", "5.", "1e", "0x1p3", "0x10", "1_000", "1,5", "٣", "", "x", "1d", "1f",
    "2.2250738585072011e-308", "9" * 400, "9007199254740993", "0.1000000000000000055511151231257827",
    "1.7976931348623159e308", "3.4028236e38",
)
BOOLEANS = (
    "t", "f", "TRUE", "False", "tRuE", "yes", "no", "y", "n", "on", "off", "of", "o", "1", "0", "2", "-1",
    "01", "tr", "tru", "truee", " true ", "fals", "", "null", "T\u00a0", "ja", "０",
)
DAYS = (
    "2024-02-29", "2023-02-29", "2024-02-30", "1900-02-29", "2000-02-29", "2026-13-01", "2026-00-10",
    "2026-01-00", "0000-01-01", "0001-01-01", "0001-01-01 BC", "4713-01-01 BC", "4714-01-01 BC", "9999-12-31",
    "10000-01-01", "5874897-12-31", "5874898-01-01", "infinity", "-infinity", "epoch", "today", "yesterday",
    "tomorrow", "J2451187", "20260102", "260102", "2026-1-2", "26-01-02", "1-2-3", "02/03/2026", "31/12/2026",
    "02.03.2026", "Jan 2 2026", "2 January 2026", "2026.002", "2026-002", " 2026-01-02", "2026-01-02 ",
    "+2026-01-02", "-2026-01-02", "٢٠٢٦-٠١-٠٢", "2026-01-02T03:04:05", "2026-01-02 03:04", "2026-01-02 25:00",
    "2026-01-02Z", "2026-W01-1", "", "someday", "0",
)
CLOCKS = (
    "00:00:00", "24:00:00", "24:00:01", "23:59:60", "23:59:59.9999999", "23:59:61", "25:00", "12:34",
    "7:08:09", "040506", "0405", "04:05 PM", "13:05 PM", "00:05 AM", "allballs", "12:34:56.789",
    "12:34:56.7890125", "12:34:56,7", "12:34:56+02", "12:34:56 Europe/Vienna", "12:34:56Z", " 12:34:56",
    "-01:00", "12:60:00", "", "noon", "T12:34",
)
MOMENTS = (
    "2026-03-29 02:30", "2026-10-25 02:30", "2026-03-29 02:30:00+01", "2026-11-01 01:30:00 America/New_York",
    "2026-01-01T00:00:00Z", "2026-01-01T00:00:00z", "2026-01-01 00:00:00+00", "2026-01-01 00:00:00+0000",
    "2026-01-01 00:00:00+15:59:59", "2026-01-01 00:00:00+16", "2026-01-01 00:00:00-12:30",
    "2026-01-01 00:00 Mars/Base", "2026-01-01 00:00:00 UTC", "2026-01-01 00:00:00 PST",
    "2026-01-01 00:00:00 EST5EDT", "2026-01-01 00:00:00 BC", "2026-01-01 24:00:00", "2026-01-01 24:00:01",
    "2026-01-01 23:59:60", "2026-01-01 25:00", "2024-02-30 00:00:00", "0000-01-01 00:00:00",
    "0001-01-01 00:00:00", "4713-01-01 00:00:00 BC", "4714-11-23 00:00:00 BC", "4714-11-24 00:00 BC",
    "9999-12-31 23:59:59.999999", "9999-12-31 23:59:59.9999999", "10000-01-01 00:00:00",
    "294276-12-31 23:59:59", "294277-01-01 00:00:00", "infinity", "-infinity", "epoch", "today", "2026-01-01",
    "20260101T000000", "20260101 000000", "2026-01-01 00:00:00.1", "2026-01-01 00:00:00.0000005",
    "2026-01-01 00:00:00.9999995", "2026-01-01  00:00:00", " 2026-01-01 00:00:00", "2026-01-01 00:00:00 ",
    "2026-1-1 0:0:0", "2026-01-01 12:00 PM", "01/02/2026 03:04", "1e9", "1900-01-01 00:00:00",
    "1883-11-18 12:03:57", "1970-01-01 00:00:00", "1999-12-31 23:59:59.999999", "", "x", "1767225600",
)
INTERVALS = (
    "1 day", "1.5 sec", "P1Y", "P1Y2M3DT4H5M6S", "PT0.5S", "1:2:3", "1 blink", "-1-2 +3", "1 mon -1 day",
    "@ 1 hour ago", "1 year 13 mons", "0", "", "1.5 months", "178000000 years", "179000000 years", "infinity",
    "-infinity", "1e3 s", "1 2",
)
BYTES = (
    "\\x", "\\x4142", "\\X41", "\\x4", "\\xzz", "\\x 41 42", "\\\\", "a\\\\b", "\\400", "\\377", "\\101",
    "\\1", "plain", "é", "", "0x41", "\\x41\\x42",
)
DOCUMENTS = (
    "{}", "[]", "[1, 2]", "{", "null", "01", '"\\u0000"', '{"a":1,"a":2}', '{"b":1,"a":2}', "1e99999", "1.10",
    "-0", "tru", '"\\ud800"', '"\\ud83d\\ude00"', " {} ", '{"a": "ä"}', "", "{'a':1}", "[1,]", "NaN", '"\t"',
    "[" * 80 + "]" * 80,
)
NETWORKS = (
    "10.0.0.1/8", "10.0.0.0/8", "10.0.0", "10", "::1", "::ffff:1.2.3.4", "2001:db8::/32", "2001:db8::1/129",
    "1.2.3.4/33", "256.1.1.1", "01.2.3.4", "10.0.0.1/", " 10.0.0.1", "x", "", "FE80::1%eth0", "0x0a.0.0.1",
)
ADDRESSES = (
    "08:00:2b:01:02:03", "08-00-2B-01-02-03", "08002b:010203", "0800.2b01.0203", "08002b010203",
    "08:00:2b:01:02", "x", "", "08:00:2b:01:02:0g", "08:00:2b:01:02:03:04",
)
ARRAYS = (
    "{1,2}", "{}", "{1", "{1,x}", "{{1},{2,3}}", "{{1},{2}}", "{1,NULL}", "{1,null}", '{1,"2"}', "[0:1]={1,2}",
    "{99999999999}", "{ 1 , 2 }", "{1,}", "1,2", "", "{1,0x10}", "{{}}", "[1:2]={1}",
)
WORDS = (
    "\\N", "\\.", "NULL", "null", " ", "  a", "a  ", "a\tb", "a\nb", "a\r\nb", '"', '""', 'a"b', "'", "%s",
    "$1", "{}", "\\", "äöüß", "漢字", "😀", "e\u0301", "\u00a0", "\u2028", "\ufeff", "\u200b", "x" * 40, "abcd",
    "abcde", "abcd ", "abc   ", "éàüö", "éàüöx", "=1+1", "-", ",", ";", "|", "'); DROP TABLE feed.fast; --",
    "\x01", "\x7f", "\x85", "\x1a", "", "0", "true",
)
UUIDS = (
    "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
    "a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111", "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc9-99c0b-4ef8-bb6d-6bb9bd380a11", "", "x",
    "urn:uuid:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000007",
)
RANGES = (
    "[1,3)", "[3,1)", "empty", "(,5]", "[1", "(1,1)", "[5,5]", "[2147483647,2147483647]", "[1,x)", "",
    " [1,2) ", "[1;2)",
)
ENUMS = (
    "OK", " ok", "ok ", "", "so-so", "sad\u200b",
)

SPELLINGS = (
    Spelling("smallint", _integer(-999, 9999), INTEGERS, "{c} > -100", "7"),
    Spelling("integer", _integer(-9999, 10**6), INTEGERS, "{c} < 900000", "-1"),
    Spelling("bigint", _integer(-9999, 10**15), INTEGERS, "{c} % 7 <> 3", "10000000000"),
    Spelling("numeric", _decimal(6, 3), DECIMALS, "{c} >= 0", "1.50"),
    Spelling("numeric(6,2)", _decimal(4, 2), DECIMALS, "{c} >= 0", "0"),
    Spelling("numeric(12,2)", _decimal(9, 2), DECIMALS, "{c} < 900000000"),
    Spelling("numeric(12,4)", _decimal(7, 4), DECIMALS),
    Spelling("numeric(8,0)", _integer(-99, 10**7), DECIMALS, "{c} <> 7"),
    Spelling("numeric(3,-2)", _integer(0, 9999), DECIMALS),
    Spelling("numeric(3,5)", _choice("0.00123", "0.009", "0"), DECIMALS),
    Spelling("numeric(30,10)", _decimal(15, 10), DECIMALS),
    Spelling("real", _float4, FLOATS, "{c} > -9000", "0.5"),
    Spelling("double precision", _float, FLOATS, "{c} > -900000", "'NaN'"),
    Spelling("boolean", _choice("t", "f", "true", "false"), BOOLEANS, "{c} IS NOT NULL", "true"),
    Spelling("date", lambda rng: str(_day(rng)), DAYS, "{c} >= '2000-01-01'", "'2026-01-02'"),
    Spelling("time", _clock, CLOCKS, "{c} > '00:10'", "'12:00'"),
    Spelling("time(1)", _clock, CLOCKS),
    Spelling("timetz", lambda rng: f"{_clock(rng)}+01", CLOCKS),
    Spelling("timestamp", lambda rng: str(_moment(rng)), MOMENTS, "{c} >= '2000-01-01'", "'epoch'"),
    Spelling("timestamp(0)", lambda rng: str(_moment(rng)), MOMENTS),
    Spelling("timestamptz", _moment_with_zone, MOMENTS, "{c} >= '2000-01-01'", "'2026-01-02 03:04Z'"),
    Spelling("timestamptz(3)", _moment_with_zone, MOMENTS),
    Spelling("interval", _choice("1 day", "02:03:04", "3 mons"), INTERVALS, "{c} < '2 years'"),
    Spelling("interval(0)", _choice("1.5 sec", "00:00:01"), INTERVALS),
    Spelling("uuid", _uuid, UUIDS, "{c} <> '00000000-0000-0000-0000-000000000003'"),
    Spelling("text", _word, WORDS, "{c} <> 'a'", "'none'"),
    Spelling("varchar", _word, WORDS, "length({c}) < 9"),
    Spelling("varchar(4)", _short_word, WORDS, "{c} <> 'a'", "'abc'"),
    Spelling("char(4)", _short_word, WORDS, "{c} <> 'a'"),
    Spelling("name", _short_word, (*WORDS, "n" * 70)),
    Spelling("bytea", _choice("\\x00ff", "\\x41", "abc"), BYTES),
    Spelling("json", _choice('{"a": 1}', "[1]", '"x"'), DOCUMENTS, is_sortable=False),
    Spelling("jsonb", _choice('{"a": 1}', "[1]", "7"), DOCUMENTS, "{c} <> '7'"),
    Spelling("inet", lambda rng: f"10.0.{rng.randrange(9)}.{rng.randrange(256)}", NETWORKS),
    Spelling("cidr", lambda rng: f"10.{rng.randrange(256)}.0.0/16", NETWORKS),
    Spelling("macaddr", lambda rng: f"08:00:2b:01:02:{rng.randrange(256):02x}", ADDRESSES),
    Spelling("int[]", lambda rng: f"{{{rng.randrange(9)},{rng.randrange(9)}}}", ARRAYS, "cardinality({c}) > 0"),
    Spelling("varchar(2)[]", _choice("{a,b}", "{}"), (*ARRAYS, "{abc}", '{"a b"}')),
    Spelling("int4range", _range, RANGES),
    Spelling("feed.{t}_mood", _choice("sad", "ok"), ENUMS, "{c} <> 'sad'", "'ok'"),
    Spelling("feed.{t}_small", _integer(-9, 9), INTEGERS),
    Spelling("feed.{t}_word", _short_word, WORDS),
    Spelling("feed.{t}_mood[]", _choice("{sad}", "{ok,glad}", "{}"), ("{bad}", "{ok", "sad", "", *ARRAYS)),
    Spelling("text[]", _choice("{a,b}", '{"a b"}', "{}"), (*ARRAYS, '{"a\\"b"}', "{a\\\\b}", "{\\}", "a\tb")),
    Spelling("feed.{t}_tiny", _integer(-3, 3), INTEGERS),
    Spelling("feed.{t}_cost", _decimal(2, 2), DECIMALS, "{c} < 50"),
    Spelling("feed.{t}_code", _choice("ab", "cd", "abc "), ("abcd", "ABC", "", "é", *WORDS)),
    Spelling("feed.{t}_since", lambda rng: str(_moment(rng)), MOMENTS),
    Spelling("feed.{t}_pair", _choice("(1,a)", "(2,)", "(,b)"), ("(1)", "(x,a)", "(9,a)", "(1,abcdefg)", "1,a", "")),
    Spelling("int4multirange", _choice("{[1,3)}", "{}"), ("{[3,1)}", "[1,2)", "{", "{[1,x)}", "")),
    Spelling("bit varying(4)", _choice("101", "1"), ("10101", "1x", "", "xF")),
    Spelling("xid8", _integer(0, 99), INTEGERS, is_sortable=False),
    Spelling("tsvector", _choice("a b", "c"), ("'open", "a:1", "a:0", "''", ""), is_sortable=False),
    Spelling("jsonpath", _choice("$.a", "$"), ("$.[", "x y", "strict", ""), is_sortable=False),
    Spelling("regtype", _choice("int4", "text"), ("nope", "a.b.c.d", "int4 [ (", ""), is_sortable=False),
    Spelling("bit(3)", _choice("101", "000"), ("10", "1011", "1x1", "xF", "B101", "")),
    Spelling("money", _choice("1.50", "7"), ("$1.50", "1e2", "x", "-1", "($1)", "1,000.5", "")),
    Spelling("point", _choice("(1,2)", "(0,0)"), ("1,2", "1", "(1,2", "(x,1)", ""), is_sortable=False),
)
# fmt: on
TYPES = (
    "CREATE TYPE feed.{t}_mood AS ENUM ('sad', 'ok', 'glad');"
    " CREATE DOMAIN feed.{t}_small AS int CHECK (VALUE < 8) CHECK (VALUE > -8);"
    " CREATE DOMAIN feed.{t}_word AS varchar(5) NOT NULL;"
    " CREATE DOMAIN feed.{t}_tiny AS feed.{t}_small CHECK (VALUE IS NOT NULL AND VALUE <> 3);"
    " CREATE DOMAIN feed.{t}_cost AS numeric(4,2) CHECK (VALUE >= 0);"
    " CREATE DOMAIN feed.{t}_code AS char(3) CHECK (VALUE = lower(VALUE));"
    " CREATE DOMAIN feed.{t}_since AS timestamptz(0) CHECK (VALUE > '2000-01-01Z');"
    " CREATE TYPE feed.{t}_pair AS (n feed.{t}_small, word varchar(5));"
)
"""What some of the types need before a table can have them."""

BY_TYPE = {spelling.type: spelling for spelling in SPELLINGS}
OTHERS = tuple(
    BY_TYPE[name]
    for name in (
        *(
            "feed.{t}_mood",
            "inet",
            "cidr",
            "macaddr",
            "int[]",
            "text[]",
            "feed.{t}_mood[]",
            "interval",
            "money",
        ),
        *(
            "feed.{t}_small",
            "feed.{t}_word",
            "feed.{t}_tiny",
            "feed.{t}_cost",
            "feed.{t}_code",
            "feed.{t}_since",
        ),
        *(
            "bit(3)",
            "bit varying(4)",
            "int4range",
            "int4multirange",
            "feed.{t}_pair",
            "tsvector",
            "json",
            "jsonb",
        ),
        *(
            "varchar(2)[]",
            "numeric(3,-2)",
            "timetz",
            "name",
            "xid8",
            "point",
            "timestamp(0)",
            "regtype",
        ),
    )
)
"""Types that only Postgres reads."""
# The types of a daily file, most of them loaded by columns; the last two need not be.
COMMON = tuple(
    BY_TYPE[name]
    for name in (
        "integer",
        "bigint",
        "numeric(12,2)",
        "numeric(6,2)",
        "boolean",
        "date",
        "timestamp",
        "timestamptz",
        "uuid",
        "text",
        "varchar(4)",
        "smallint",
        "varchar",
        "double precision",
        "real",
    )
)
