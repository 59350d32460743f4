"""Nasty files made by hand, each with the table it is loaded into and what is nasty about it.

``{t}`` in the statements stands for the table; each case is loaded into two of them, by the loader and by the oracle.
"""

import gzip
from dataclasses import dataclass, field
from typing import Any

from backports import zstd

ITEMS = (
    "CREATE TABLE feed.{t} (id int PRIMARY KEY, name varchar(8), price numeric(6,2) CHECK (price >= 0),"
    " day date, note text)"
)
HEADER = b"id,name,price,day,note\n"
PAIR = "CREATE TABLE feed.{t} (id int PRIMARY KEY, v text)"


@dataclass(frozen=True)
class Case:
    """One file and its table; `options` go into the dataset's definition.

    `key` None runs the case for append only; `hidden` columns hold sequence numbers, of which only the order
    counts; `seed` fills the table before, and so do `rows_before`, as far as they fit; `modes` are the ways to load it,
    of which `chunks` is append cut into small ones.
    """

    name: str
    data: bytes
    table: str = PAIR
    key: tuple[str, ...] | None = ("id",)
    options: dict[str, Any] = field(default_factory=dict)
    seed: str = ""
    hidden: str | None = None
    rows_before: list[str] = field(default_factory=list)
    modes: tuple[str, ...] = ("append", "chunks", "upsert", "replace")


def items(name: str, *lines: bytes, **more: Any) -> Case:
    """Make a case of the items table."""
    return Case(name, HEADER + b"\n".join(lines), ITEMS, **more)


def pairs(name: str, data: bytes, **more: Any) -> Case:
    """Make a case of the two-column table; the header is added."""
    return Case(name, b"id,v\n" + data, modes=("append", "chunks", "upsert"), **more)


def one(name: str, column: str, *cells: bytes, **more: Any) -> Case:
    """Make a case of one interesting column beside a running number."""
    data = b"id,v\n" + b"".join(b"%d,%b\n" % (i, cell) for i, cell in enumerate(cells))
    table = f"CREATE TABLE feed.{{t}} (id int PRIMARY KEY, v {column})"
    return Case(name, data, table, modes=("append", "upsert"), **more)


def dialect(**options: Any) -> dict[str, Any]:
    """Return options with a file format."""
    return {"format": options}


RAISING = (
    PAIR + "; CREATE FUNCTION feed.{t}_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF NEW.v = 'raise' THEN RAISE EXCEPTION 'no % here', NEW.v; END IF;"
    " IF NEW.v = 'custom' THEN RAISE EXCEPTION 'bad' USING ERRCODE = '23514', COLUMN = 'v'; END IF;"
    " IF NEW.v = 'drop' THEN RETURN NULL; END IF;"
    " IF NEW.v = 'alter' THEN NEW.v := 'altered'; END IF;"
    " IF NEW.v = 'divide' THEN NEW.id := NEW.id / 0; END IF;"
    " RETURN NEW; END $$;"
    " CREATE TRIGGER g BEFORE INSERT OR UPDATE ON feed.{t} FOR EACH ROW EXECUTE FUNCTION feed.{t}_f()"
)
LOOKING = (
    PAIR + "; CREATE FUNCTION feed.{t}_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " NEW.v := NEW.v || (SELECT count(*) FROM feed.{t}); RETURN NEW; END $$;"
    " CREATE TRIGGER g BEFORE INSERT ON feed.{t} FOR EACH ROW EXECUTE FUNCTION feed.{t}_f()"
)
STATEMENT_TRIGGER = (
    PAIR + "; CREATE FUNCTION feed.{t}_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF (SELECT count(*) FROM feed.{t} WHERE v = 'x') > 1 THEN RAISE EXCEPTION 'second x'; END IF;"
    " RETURN NULL; END $$;"
    " CREATE TRIGGER g AFTER INSERT ON feed.{t} FOR EACH STATEMENT EXECUTE FUNCTION feed.{t}_f()"
)
VOLATILE_CHECK = (
    "CREATE TABLE feed.{t} (id int PRIMARY KEY, v text);"
    " CREATE FUNCTION feed.{t}_few() RETURNS boolean LANGUAGE plpgsql AS"
    " $$ BEGIN RETURN (SELECT count(*) FROM feed.{t}) < 3; END $$;"
    " ALTER TABLE feed.{t} ADD CONSTRAINT few CHECK (feed.{t}_few())"
)
VOLATILE_DEFAULT = (
    "CREATE TABLE feed.{t} (id int PRIMARY KEY, v text, place bigint);"
    " CREATE FUNCTION feed.{t}_n() RETURNS bigint LANGUAGE sql STABLE AS"
    " $$ SELECT count(*) FROM feed.{t} $$;"
    " ALTER TABLE feed.{t} ALTER place SET DEFAULT feed.{t}_n()"
)
PARENT = "CREATE TABLE feed.{t}_parent (id int PRIMARY KEY); INSERT INTO feed.{t}_parent VALUES (1), (2), (3);"
FOREIGN = PARENT + (
    " CREATE TABLE feed.{t} (id int PRIMARY KEY, v text, parent int REFERENCES feed.{t}_parent)"
)
DEFERRED = PARENT + (
    " CREATE TABLE feed.{t} (id int PRIMARY KEY, v int REFERENCES feed.{t}_parent"
    " DEFERRABLE INITIALLY DEFERRED, w int UNIQUE DEFERRABLE INITIALLY DEFERRED)"
)
KEYED_BY = "CREATE TABLE feed.{{t}} (id {kind} PRIMARY KEY, v text)"
SELF = "CREATE TABLE feed.{t} (id int PRIMARY KEY, v int REFERENCES feed.{t})"
REFERENCED = (
    "CREATE TABLE feed.{t} (id int PRIMARY KEY, v int UNIQUE);"
    " INSERT INTO feed.{t} VALUES (1, 10), (2, 20);"
    " CREATE TABLE feed.{t}_child (v int REFERENCES feed.{t} (v)); INSERT INTO feed.{t}_child VALUES (10)"
)
EXCLUSION = (
    "CREATE TABLE feed.{t} (id int PRIMARY KEY, v int4range, EXCLUDE USING gist (v WITH &&))"
)
PARTITIONED = (
    "CREATE TABLE feed.{t} (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);"
    " CREATE TABLE feed.{t}_a PARTITION OF feed.{t} FOR VALUES FROM (0) TO (10);"
    " CREATE TABLE feed.{t}_b PARTITION OF feed.{t} (CHECK (v <> 'no')) FOR VALUES FROM (10) TO (20)"
)
GENERATED = (
    "CREATE TABLE feed.{t} (id int PRIMARY KEY, v int, inverse int GENERATED ALWAYS AS (100 / v) STORED,"
    " made text DEFAULT 'now', n numeric NOT NULL DEFAULT 7)"
)
IDENTITY = "CREATE TABLE feed.{t} (id int PRIMARY KEY, v int CHECK (v < 5), n bigint GENERATED ALWAYS AS IDENTITY)"
DOMAINS = (
    "CREATE DOMAIN feed.{t}_small AS int CHECK (VALUE < 10); CREATE DOMAIN feed.{t}_word AS varchar(5) NOT NULL;"
    " CREATE TABLE feed.{t} (id int PRIMARY KEY, v feed.{t}_small, w feed.{t}_word)"
)
INNER_DOMAINS = (
    "CREATE DOMAIN feed.{t}_small AS int CHECK (VALUE < 8); CREATE TYPE feed.{t}_pair AS (n feed.{t}_small, word text);"
    "CREATE TABLE feed.{t} (id int PRIMARY KEY, v feed.{t}_pair, w feed.{t}_small[])"
)
OMITTED_DOMAIN = "CREATE DOMAIN feed.{t}_must AS text NOT NULL; CREATE TABLE feed.{t} (id int PRIMARY KEY, v text, d feed.{t}_must)"
ENUM = "CREATE TYPE feed.{t}_mood AS ENUM ('sad', 'ok'); CREATE TABLE feed.{t} (id int PRIMARY KEY, v feed.{t}_mood)"
COMPOSITE = "CREATE TYPE feed.{t}_point AS (x int, y text); CREATE TABLE feed.{t} (id int PRIMARY KEY, v feed.{t}_point)"
# Of a row whose fields are NULL, or some of them, both `IS NULL` and `IS NOT NULL` say what no constraint means.
COMPOSITES = (
    "CREATE TYPE feed.{t}_point AS (x int, y text);"
    " CREATE TABLE feed.{t} (id int PRIMARY KEY, v feed.{t}_point NOT NULL, w feed.{t}_point, n int NOT NULL)"
)
COMPOSITE_KEY = COMPOSITE.replace("(id int PRIMARY KEY", "(id int, PRIMARY KEY (v)")
COMPOSITE_PARENT = (
    "CREATE TYPE feed.{t}_point AS (x int, y text); CREATE TABLE feed.{t}_parent (v feed.{t}_point PRIMARY KEY);"
    " INSERT INTO feed.{t}_parent VALUES ('(1,a)'), ('(,)'); CREATE TABLE feed.{t}"
    " (id int PRIMARY KEY, v feed.{t}_point REFERENCES feed.{t}_parent)"
)
PARTLY_NULL = b'id,v\n1,"(1,a)"\n2,"(,)"\n3,"(,b)"\n4,"(,)"\n5,"(,b)"\n6,\n7,"(2,)"\n8,\n9,"(1,a)"\n1,"(3,c)"\n'
TWO_KEYS = "CREATE TABLE feed.{t} (a text, b numeric, v text UNIQUE, PRIMARY KEY (a, b))"
NULL_KEY = "CREATE TABLE feed.{t} (id int UNIQUE, v text)"
EQUAL_NULL_KEY = "CREATE TABLE feed.{t} (id int UNIQUE NULLS NOT DISTINCT, v text)"
EXPRESSION_INDEX = (
    "CREATE TABLE feed.{t} (id int PRIMARY KEY, v text); CREATE UNIQUE INDEX ON feed.{t} (lower(v))"
)
MANY = b"".join(b"%d,v%d\n" % (i, i) for i in range(300))
EVERY_TENTH_BAD = b"".join(b"%d%b,v\n" % (i, b"x" if i % 10 == 0 else b"") for i in range(400))
SCATTERED = b"".join(b"%d,v\n" % (i if i % 37 else i // 2) for i in range(500))

CASES = [
    # What a record is
    pairs("nothing nasty", b"1,a\n2,b\n"),
    pairs("no line end at the end", b"1,a\n2,b"),
    pairs("header only", b""),
    Case("header without a line end", b"id,v"),
    pairs("blank lines everywhere", b"\n\n1,a\n\n\r\n2,b\r\r3,c\n\n"),
    pairs("crlf", b"1,a\r\n2,b\r\n"),
    pairs("lf, crlf and cr mixed", b"1,a\n2,b\r\n3,c\r4,d\r\r\n5,e"),
    pairs(
        "returns that end no line", b"1,a\rb\n2,ok\n3,c\r\n4,d\r\r\n5\r,e\n\r\n\r\r\n6,ok\n7,f\r"
    ),
    pairs(
        "returns and quotes", b'1,"a\rb"\n2,"c"\r\n3,"d"\re\n4,f\r"g\n5,h"\ri\n6,"j\r\rk"\n7,ok\n'
    ),
    Case(
        "returns that end no line of crlf",
        b"id,v\r\n1,a\rb\r\n2,ok\r\n3,c\r\r\n4,ok\r\n\r5,d\r\n6,e\r",
    ),
    Case(
        "a header that ends with a lone return", b'id,v\r1,a\r2,b\n3,c\r\n\r4,d\r\r5,"e\nf\rg"\r6,h'
    ),
    Case("a quoted return in the header", b'\n"id",v\n1,a\rb\n2,"c\rd"\n3,ok\n'),
    Case("a returning record beyond the cap", b"id,v\n1,a\r" + b"x" * 5000 + b"\n2,b\n"),
    Case(
        "returns that end no line of utf-16",
        "\ufeffid,v\r\n1,a\rb\r\n2,\u0d0a\r\n3,c\r\r\n4,\u0a0d\r\n5,d\r".encode("utf-16-be"),
        options=dialect(encoding="utf-16-be"),
    ),
    Case(
        "a header of utf-16 that ends with a lone return",
        "id,v\r1,a\r2,😀\n3,c\r\n\r4,\u0d0a\r".encode("utf-16-le"),
        options=dialect(encoding="utf-16-le"),
    ),
    Case("byte order mark", b"\xef\xbb\xbfid,v\n1,a\n"),
    Case("byte order mark before a quoted header", b'\xef\xbb\xbf"id","v"\n1,a\n'),
    pairs("byte order mark in the middle is data", b"1,\xef\xbb\xbfa\n"),
    pairs("nul bytes", b"1,a\0b\n2,b\n\0\n3,\0"),
    pairs("bad utf-8", b"1,\xff\n2,\xc3\n3,\xc3\xa9\n4,\xed\xa0\x80\n5,\xf4\x90\x80\x80\n6,ok\n"),
    pairs("letters beyond the basic plane", "1,😀é漢\n2,\u2028\u0085\n".encode()),
    pairs("ragged", b"1\n2,b,c\n3,c\n,\n4,\n5,d,\n"),
    pairs("copy's end mark", b"1,a\n\\.\n2,\\.\n3,b\n"),
    pairs("only copy's end mark", b"\\.\n1,a\n\\.\r\n\\."),
    Case("blank lines before a quoted header", b'\n\r\n"id","v"\r\n1,a\n2,b'),
    pairs("ragged and quoted at once", b'1,"a"\n"2"\n3,"b",c\n"4","d"\n"5",\n'),
    pairs("backslashes", b"1,\\\n2,\\N\n3,\\\\\n4,\\n\n5,a\\\n6,\\x41\n7,\\,\n"),
    pairs("tabs", b"1,\ta\t\n2,\t\n\t3,b\n"),
    pairs("spaces are data", b" 1 , a \n2,  \n3, b\n"),
    pairs("null and empty", b'1,\n2,""\n3," "\n'),
    pairs("quotes", b'1,"a"\n2,"a""b"\n3,""""\n4,"a,b"\n"5","c"\n'),
    pairs("newlines in quotes", b'1,"a\nb"\n2,"\r\n"\n3,"\r"\n4,"x\n\ny"\n5,z\n'),
    pairs("quote inside a cell", b'1,a"b\n2,ok\n3,a"b"\n4," x" y\n5, "x"\n6,ok\n'),
    pairs("text after a quote", b'1,"a"b\n2,ok\n3,"a"b"\n4,"a" \n5,"a"",b\n6,ok"\n'),
    pairs("a quote that never closes", b'1,a\n2,"b\n3,c\n4,d'),
    pairs("a never closed quote beyond the cap", b'1,a\n2,"' + b"b\n" * 700 + b"9,z\n"),
    pairs("a huge record", b"1,a\n2," + b"x" * 5000 + b"\n3,c\n"),
    pairs("a huge quoted record", b'1,a\n2,"' + b"x,\r\n" * 900 + b'"\n3,c\n'),
    pairs(
        "records at the cap",
        b"1," + b"x" * 1022 + b"\n2," + b"x" * 1023 + b"\n3," + b"x" * 1022 + b"\r\n",
    ),
    pairs("damage and a bad byte in one record", b'1,"a"\xff\n2,\xff\n3,\xff,c\n'),
    Case(
        "sql in the names of columns",
        b'id,"v""; DROP TABLE feed.fast; --",%s,$1\n1,a,b,c\n2,,c,\nx,a,b,c\n1,a,b,c\n',
        'CREATE TABLE feed.{t} (id int PRIMARY KEY, "v""; DROP TABLE feed.fast; --" text, "%s" text, "$1" text)',
    ),
    pairs("sql in a cell", b"1,'); DROP TABLE feed.fast; --\n2,'\n3,%s\n4,$1\n5,E'\\''\n"),
    # Dialects
    Case("semicolons", b'id;v\n1;a,b\n2;\'x\n3;"a;b"\n', options=dialect(delimiter=";")),
    Case("tab-separated", b'id\tv\n1\ta b\n2\t"a\tb"\n3\t\\t\n', options=dialect(delimiter="\t")),
    Case(
        "another quote",
        b"id|v\n1|'a|b'\n2|\"\n3|'a''b'\n4|a'b\n",
        options=dialect(delimiter="|", quote="'"),
    ),
    Case(
        "delimiter and quote that mean something in patterns",
        b"id^v\n1^]a^b]\n2^-\n",
        options=dialect(delimiter="^", quote="]"),
    ),
    Case("backslash as delimiter", b"id\\v\n1\\a\n2\\N\n3\\\\\n", options=dialect(delimiter="\\")),
    Case("latin-1", b"id,v\n1,\xe9\xff\n2,\xa0\n3,\x85\n", options=dialect(encoding="latin-1")),
    Case("cp1252", b'id,v\n1,\x80\x93\n2,\x81\n3,"\x99"\n', options=dialect(encoding="cp1252")),
    Case(
        "null string", b'id,v\n1,NULL\n2,"NULL"\n3,null\n4,\n5,""\n', options=dialect(null="NULL")
    ),
    Case("null string \\N", b'id,v\n1,\\N\n2,"\\N"\n3,\\n\n', options=dialect(null="\\N")),
    Case(
        "several null strings",
        b'id,v\n1,\n2,NULL\n3,n/a\n4,\\N\n5,""\n6,"NULL"\n7,NULLs\n8,"n/a"\nNULL,x\n',
        options=dialect(null=["", "NULL", "\\N", "n/a"]),
    ),
    Case(
        "null strings also in quotes",
        b'id,v\n1,\n2,NULL\n3,""\n4,"NULL"\n5,"a""b"\n6,"a""c"\n"NULL",x\n',
        options=dialect(null=["", "NULL", 'a"b'], quoted_null=True),
    ),
    Case("no null string", b'id,v\n1,\n2,""\n,x\n', options=dialect(null=[])),
    Case(
        "null string beyond ascii",
        'id,v\n1,ø\n2,"ø"\n3,o\n'.encode("latin-1"),
        options=dialect(null="ø", encoding="latin-1"),
    ),
    Case(
        "null string the encoding lacks",
        b"id,v\n1,?\n2,\n",
        options=dialect(null="漢", encoding="latin-1"),
    ),
    Case(
        "utf-16 with a mark",
        '\ufeffid,v\r\n1,"a\r\nb"\r\nx,ਊ\r\n\r\n2,漢😀\r3,\n4,"a"b\n5,c,d\n6,\0\n"7","é"'.encode(
            "utf-16-le"
        ),
        options=dialect(encoding="utf-16"),
    ),
    Case(
        "utf-16 of the big order, torn pairs and half a unit",
        "id\tv\n1\t\ud83d\n2\t\ude00\ud83d\n3\t\u0d0a\u2c00\nx\tb\n4\t".encode(
            "utf-16-be", "surrogatepass"
        )
        + b"\x00",
        options=dialect(encoding="utf-16-be", delimiter="\t"),
    ),
    Case(
        "utf-16 with records above the cap and a quote that never closes",
        ("id,v\n1,a\n2," + "漢" * 600 + '\n3,c\n4,"' + "ö\n" * 900 + "9,z\n").encode("utf-16-le"),
        options=dialect(encoding="utf-16-le"),
    ),
    Case(
        "gzip of many members and padding",
        gzip.compress(b"id,v\n1,")
        + gzip.compress(b"a\n2,")
        + gzip.compress(b"")
        + gzip.compress(b"b\nx,c\n")
        + bytes(99),
    ),
    Case(
        "zstd of many frames, one to be skipped",
        zstd.compress(b"id,v\n1,")
        + b"\x50\x2a\x4d\x18\x03\0\0\0abc"
        + zstd.compress(b"a\n2,b\nx,c\n"),
    ),
    Case(
        "utf-16 in gzip",
        gzip.compress("id,v\n1,ä\nx,c\n".encode("utf-16-le")),
        options=dialect(encoding="utf-16"),
    ),
    Case("gzip", gzip.compress(b"id,v\n1,a\n2,\nx,c\n")),
    Case("zstd", zstd.compress(b"id,v\n1,a\n2,\nx,c\n" + MANY)),
    Case("columns in another order", b"v,id\na,1\nb,x\n"),
    Case(
        "mapped columns",
        b"Number,Text\n1,a\n2,b\n",
        options={"columns": {"Number": "id", "Text": "v"}},
    ),
    Case(
        "strange column names",
        b'"a,""b",% s,id\n1,2,3\nx,2,4\n1,y,5\n',
        'CREATE TABLE feed.{t} (id int PRIMARY KEY, "a,""b" int, "% s" int CHECK ("% s" > 0))',
    ),
    # Types
    one(
        "integers",
        "int",
        b"1",
        b" 2 ",
        b"+3",
        b"-4",
        b"2147483647",
        b"2147483648",
        b"1e3",
        b"1.0",
        b"0x1F",
        b"1_000",
        b"",
        b'""',
        b"\xd9\xa1",
    ),
    one(
        "small and big integers", "smallint", b"32767", b"32768", b"-32768", b"99999999999999999999"
    ),
    one(
        "numerics",
        "numeric(4,2)",
        b"1.005",
        b"99.994",
        b"99.995",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e1",
        b"1e-5",
        b"1e400",
        b"0x10",
        b".5",
        b"5.",
        b"1 2",
        b"--1",
    ),
    one("floats", "float8", b"1e308", b"1e309", b"1e-400", b"nan", b"inf", b"-0", b"0.1", b"1,5"),
    one("reals", "real", b"1e38", b"1e39", b"16777217"),
    one("booleans", "boolean", b"t", b"TRUE", b"yes", b"on", b"1", b"2", b"of", b"o", b" true "),
    one(
        "dates",
        "date",
        b"2026-02-29",
        b"2024-02-29",
        b"02/03/2026",
        b"31/12/2026",
        b"today",
        b"infinity",
        b"epoch",
        b"1-2-3",
        b"J2451187",
        b"10000-01-01",
        b"5874898-01-01",
        b"2026-1-2 BC",
    ),
    one(
        "timestamps",
        "timestamptz(3)",
        b"2026-03-29 02:30",
        b"2026-10-25 02:30",
        b"2026-01-01 00:00:00.9999",
        b"2026-01-01T00:00:00Z",
        b"2026-01-01 25:00",
        b"2026-01-01 00:00 Mars/Base",
        b"2026-01-01 12:00 America/New_York",
        options={"time_zone": "Europe/Vienna"},
    ),
    one(
        "times and intervals",
        "interval(0)",
        b"1 day",
        b"1.5 sec",
        b"P1Y",
        b"1:2:3",
        b"1 blink",
        b"-1-2 +3",
    ),
    one(
        "chars are padded and cut of spaces only", "char(3)", b"a", b"abc ", b"abcd", b"   ", b"a b"
    ),
    one("varchars", "varchar(3)", b"abc", b"abc  ", b"abcd", "éàü".encode(), "éàüö".encode()),
    one(
        "uuids",
        "uuid",
        b"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        b"{A0EEBC999C0B4EF8BB6D6BB9BD380A11}",
        b"a0",
    ),
    one(
        "json",
        "jsonb",
        b'"{""a"": 1}"',
        b"{",
        b"null",
        b"01",
        b'"""\\u0000"""',
        b'"{""a"":1,""a"":2}"',
        b"1e99999",
    ),
    one("json nested too deeply", "json", b"[" * 900 + b"]" * 900, b"[" * 500, b"[]"),
    one("bytea", "bytea", b"\\x4142", b"\\x4", b"\\xzz", b"a\\\\b", b"\\400", b"plain"),
    one(
        "arrays",
        "int[]",
        b'"{1,2}"',
        b"{}",
        b"{1",
        b'"{1,x}"',
        b'"{{1},{2,3}}"',
        b'"{1,NULL}"',
        b'"[0:1]={1,2}"',
        b"{99999999999}",
    ),
    one("arrays of short texts", "varchar(2)[]", b'"{ab,cd}"', b'"{abc}"', b'"{""a b""}"'),
    one("ranges", "int4range", b'"[1,3)"', b'"[3,1)"', b"empty", b'"(,5]"', b"[1"),
    one("bits", "bit(3)", b"101", b"10", b"1011", b"1x1", b"xF"),
    one("bits of varying length", "bit varying(3)", b"1", b"1111", b""),
    one("networks", "inet", b"10.0.0.1/8", b"10.0.0", b"::1", b"x"),
    one("cidr", "cidr", b"10.0.0.0/8", b"10.0.0.1/8"),
    one("money", "money", b"$1.50", b"1e2", b"x", b"-1"),
    one("xml or not", "text", b"<a/>", b"&"),
    one("points and boxes", "point", b'"(1,2)"', b'"1,2"', b"1"),
    one("texts to search", "tsvector", b"fat cat", b"'open", b"a:1", b"a:0", b"''"),
    one("searches", "tsquery", b"fat & cat", b"fat &", b"'open", b"(a", b"!a", b""),
    one("paths", "jsonpath", b"$.a", b"$.[", b"$", b"x y", b'"$.a ? (@ > 1)"', b"strict"),
    one("names of types", "regtype", b"int4", b"no_such_type", b"text[]", b"int4 [ (", b"a.b.c.d"),
    one("names of tables", "regclass", b"pg_class", b"nope", b"no.pe", b"adsp.jobs", b"1"),
    one("names of schemas", "regnamespace", b"pg_catalog", b"nope", b"a.b"),
    Case(
        "several types that answer with class 42",
        b"id,words,wanted,path,kin\n1,a,b,$,text\n2,'a,'b,$,text\n3,a,b,[,nope\nx,'a,b,$,text\n4,a,b,$,nope",
        "CREATE TABLE feed.{t} (id int PRIMARY KEY, words tsvector, wanted tsquery NOT NULL, path jsonpath,"
        " kin regtype)",
    ),
    one("names", "name", b"a" * 70, b"b"),
    one("a single character", '"char"', b"a", b"ab", b"\\101"),
    Case("enums", b"id,v\n1,ok\n2,OK\n3,\n4,sad\n", ENUM),
    Case("composite values", b'id,v\n1,"(1,a)"\n2,"(x,a)"\n3,"(1)"\n', COMPOSITE),
    Case(
        "composite values that are NULL in part",
        b"id,v,w,n\n"
        + b"".join(
            b"%d,%b,%b,%b\n" % (number, v, w, n)
            for number, (v, w, n) in enumerate(
                (v, w, n)
                for v in (b"", b'"(1,a)"', b'"(,)"', b'"(,b)"')
                for w in (b'"(2,c)"', b"", b'"(,)"', b'"(,b)"')
                for n in (b"1", b"")
            )
        )
        + b'8,"(1,a)","(2,c)",1\n',  # of a key that is there: each row is asked about
        COMPOSITES,
    ),
    Case(
        "composite values that look like NULL",
        b'id,v,w,n\n0,,,1\n1,"(,)",,1\n2,"(1,a)",,1\n2,"(1,a)",,1\n3,"(,)",,1\n4,,,1\n',
        COMPOSITES,
    ),
    Case("composite keys that are NULL in part", PARTLY_NULL, COMPOSITE_KEY, ("v",)),
    Case(
        "composite keys, or none",
        PARTLY_NULL,
        COMPOSITE_KEY.replace("PRIMARY KEY (v)", "UNIQUE (v)"),
        ("v",),
    ),
    Case(
        "composite keys whose NULLs are equal",
        PARTLY_NULL,
        COMPOSITE_KEY.replace("PRIMARY KEY (v)", "UNIQUE NULLS NOT DISTINCT (v)"),
        ("v",),
    ),
    Case("references of composite values", PARTLY_NULL, COMPOSITE_PARENT),
    Case("domains", b"id,v,w\n1,9,abc\n2,10,abc\n3,x,abc\n4,1,\n5,1,toolong\n6,,ab\n", DOMAINS),
    Case(
        "a domain inside a type",
        b'id,v,w\n1,"(1,a)","{1,2}"\n2,"(9,a)","{1}"\n3,"(1,b)","{1,9}"\n4,"(x,a)","{9}"\n',
        INNER_DOMAINS,
    ),
    Case("an omitted domain that must not be null", b"id,v\n1,a\n2,b\n", OMITTED_DOMAIN),
    # Constraints
    items(
        "every constraint",
        b"1,a,1,2026-01-01,x",
        b"1,b,1,2026-01-01,x",
        b"x,a,1,2026-01-01,x",
        b"2,toolongname,1,2026-01-01,x",
        b"3,a,-1,2026-01-01,x",
        b"4,a,99999,2026-01-01,x",
        b",a,1,2026-01-01,x",
        b"5,a,1,2026-13-01,x",
    ),
    items(
        "two faults in one record: the first in INSERT's order counts",
        b"1,waytoolongname,cheap,2026-01-01,x",
        b"1,waytoolongname,1,someday,x",
        b"1,a,-1,someday,x",
        b",toolongname,-1,2026-01-01,x",
        b"2,ok,1,2026-01-01,",
        b"2,toolongname,1,2026-01-01,",
    ),
    pairs("duplicates within the file", b"1,a\n1,b\n2,c\n1,d\n2,e\n01,f\n 1,g\n"),
    pairs(
        "duplicates of rows that are there",
        b"1,a\n2,b\n3,c\n",
        seed="INSERT INTO feed.{t} VALUES (2, 'old')",
    ),
    *(
        Case(
            f"equal keys of type {kind} that look different",
            b"id,v\n" + data,
            KEYED_BY.format(kind=kind),
        )
        for kind, data in {
            "numeric": b"1.0,a\n1.00,b\n2,c\n1,d\n",
            "bpchar": b"a,a\na ,b\nb,c\na,d\n",
            "interval": b"1 day,a\n24:00:00,b\n2 days,c\n",
            "float8": b"0,a\n-0,b\n1,c\n1.0,d\n",
            "numeric[]": b"{1.0},a\n{1.00},b\n{2},c\n",
        }.items()
    ),
    Case(
        "a key that comes again in a table that numbers its rows",
        b"id,v\n1,a\n2,b\n1,c\n3,d\n2,e\n4,f\n1,g\n",
        "CREATE TABLE feed.{t} (id int PRIMARY KEY, v text, n bigint GENERATED ALWAYS AS IDENTITY)",
        hidden="n",
    ),
    *(
        Case(
            f"plain moments read in {zone}",
            b"id,v\n"
            + b"".join(
                b"%d,2026-%02d-%02d %02d:30:00%b\n" % (i, 1 + i % 12, 1 + i % 28, i % 24, offset)
                for i, offset in enumerate([b"", b"+02", b"-03:30"] * 60)
            ),
            "CREATE TABLE feed.{t} (id int, v timestamptz)",
            key=None,
            options={"time_zone": zone},
        )
        for zone in ("Europe/Vienna", "America/St_Johns", "Asia/Kathmandu")
    ),
    Case(
        "a refused row far into a block of a table without a key",
        b"id,v\n" + b"".join(b"%d,%d\n" % (i, -1 if i in {150, 171} else i) for i in range(200)),
        "CREATE TABLE feed.{t} (id int NOT NULL, v int CHECK (v >= 0))",
        key=None,
    ),
    Case(
        "other spellings far into a block of a table without a key",
        b"id,v\n"
        + b"".join(b"%b%d,%d\n" % (b" +" if i in {150, 171} else b"", i, i) for i in range(200)),
        "CREATE TABLE feed.{t} (id int NOT NULL, v int CHECK (v <> 171))",
        key=None,
    ),
    pairs("many good rows", MANY),
    pairs("every tenth row bad", EVERY_TENTH_BAD),
    pairs("scattered duplicates", SCATTERED),
    pairs("all rows bad", b"x,a\n" * 100),
    Case(
        "a second unique column",
        b"a,b,v\nx,1,p\nx,1.0,q\nx,2,q\ny,1,p\nx,1.00,r\n",
        TWO_KEYS,
        key=("a", "b"),
    ),
    Case("null keys", b"id,v\n,a\n,b\n1,c\n1,d\n", NULL_KEY),
    Case("null keys that are equal", b"id,v\n,a\n,b\n1,c\n", EQUAL_NULL_KEY),
    Case("unique by expression", b"id,v\n1,a\n2,A\n3,b\n1,B\n", EXPRESSION_INDEX),
    Case("key columns only", b"id\n1\n1\n2\nx\n", key=("id",)),
    Case("exclusion", b'id,v\n1,"[1,5)"\n2,"[4,6)"\n3,"[5,6)"\n4,empty\n', EXCLUSION, key=None),
    Case("foreign key", b"id,v,parent\n1,a,1\n2,b,9\n3,c,\n4,d,3\n5,e,7\n6,f,2\n", FOREIGN),
    Case(
        "foreign keys to nowhere among many",
        b"id,v,parent\n"
        + b"".join(b"%d,a,%d\n" % (i, 9 if i % 50 == 7 else 1) for i in range(300)),
        FOREIGN,
    ),
    Case(
        "foreign keys to nowhere of records that later ones supersede",
        b"id,v,parent\n1,a,9\n1,b,1\n2,c,2\n2,d,\n3,e,2\n3,f,9\n",
        FOREIGN,
    ),
    Case(
        "foreign keys of records that later ones supersede",
        b"id,v,parent\n1,a,2\n1,b,1\n2,c,2\n2,d,\n",
        FOREIGN,
    ),
    Case(
        "an index that refuses a record that a later one supersedes",
        b"id,v\n1,0\n1,2\n2,3\n",
        "CREATE TABLE feed.{t} (id int PRIMARY KEY, v int); CREATE INDEX ON feed.{t} ((6 / v))",
    ),
    Case(
        "deferred constraints are checked at once",
        b"id,v,w\n1,1,1\n2,9,2\n3,1,1\n4,2,4\n",
        DEFERRED,
    ),
    Case("a table that refers to itself", b"id,v\n1,2\n2,2\n3,1\n4,2\n", SELF),
    Case(
        "a table that others refer to",
        b"id,v\n1,11\n2,10\n3,30\n2,20\n",
        REFERENCED,
        modes=("append", "chunks", "upsert"),
    ),
    Case("partitions", b"id,v\n1,a\n11,b\n12,no\n25,c\n,d\n1,e\n", PARTITIONED),
    Case("generated columns and defaults", b"id,v\n1,4\n2,0\n3,\n4,7\n", GENERATED),
    Case("a default is no value for null", b"id,v,n\n1,4,\n2,5,1\n", GENERATED),
    Case("identity", b"id,v\n1,1\n2,9\n3,3\n4,4\n", IDENTITY, hidden="n"),
    Case(
        "triggers that raise, alter and drop",
        b"id,v\n1,a\n2,raise\n3,drop\n4,alter\n5,divide\n6,custom\n7,b\n1,c\n1,drop\n",
        RAISING,
    ),
    Case("a trigger that looks at the table", b"id,v\n1,a\n2,b\n1,c\n3,d\n", LOOKING),
    Case("a statement trigger", b"id,v\n1,x\n2,x\n3,y\n4,x\n", STATEMENT_TRIGGER),
    Case("a check that looks at the table", b"id,v\n1,a\n2,b\n3,c\n4,d\n1,e\n", VOLATILE_CHECK),
    Case("a default that looks at the table", b"id,v\n1,a\n2,b\nx,c\n3,d\n", VOLATILE_DEFAULT),
    one(
        "an index entry that is too long",
        "text UNIQUE",
        *[bytes(97 + (i * i + i // 7) % 26 for i in range(900)), b"a"],
    ),
]
