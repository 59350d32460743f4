"""Write files whose masked cells hold a secret, with records that are wrong in every way."""

from typing import Any

TOKEN, DIGITS = "qzTokenZq", "918273"
MASKED = ["email", "iban", "born", "code", "span", "login", "kind"]
NAMES = ("id", "email", "iban", "age", "born", "code", "span", "login", "kind", "parent", "note")
TABLE = """
    CREATE TABLE feed.parents (id int PRIMARY KEY); INSERT INTO feed.parents SELECT generate_series(1, 5);
    CREATE TYPE feed.kind AS ENUM ('a', 'b');
    CREATE DOMAIN feed.code AS int CHECK (value <> 918273000);
    CREATE TABLE feed.people (
        id int, email text UNIQUE, iban varchar(40) CHECK (iban NOT LIKE 'XX%'), age int CHECK (age < 150),
        born date NOT NULL, code feed.code, span int4range, login text, kind feed.kind,
        parent text REFERENCES feed.logins (login), note jsonb, lower text GENERATED ALWAYS AS (upper(email)) STORED,
        EXCLUDE USING gist (span WITH &&))
"""
LOGINS = "CREATE TABLE feed.logins (login text PRIMARY KEY); INSERT INTO feed.logins VALUES ('l')"
LOOK = """
    CREATE FUNCTION feed.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.login LIKE '%raise' THEN RAISE 'no % here', NEW.login; END IF;
        IF NEW.login LIKE '%cast' THEN NEW.age := NEW.login::int; END IF;
        IF NEW.login LIKE '%busy' THEN RAISE 'busy with %', NEW.login USING ERRCODE = '40001'; END IF;
        IF NEW.login LIKE '%wrong' THEN RAISE 'wrong %', NEW.login USING ERRCODE = '42501'; END IF;
        IF NEW.login LIKE '%drop' THEN RETURN NULL; END IF;
        RETURN NEW; END $$
"""
TRIGGER = (
    "CREATE TRIGGER look BEFORE INSERT ON feed.people FOR EACH ROW EXECUTE FUNCTION feed.look()"
)
BAD: dict[str, Any] = {
    "good": {},
    "iban_check": {"iban": f"XX{TOKEN}"},
    "too_long": {"iban": TOKEN * 5},
    "age_check": {"age": "200"},
    "age_type": {"age": "old"},
    "age_range": {"age": "99999999999"},
    "born_type": {"born": TOKEN},
    "born_range": {"born": f"{DIGITS}-99-99"},
    "born_null": {"born": ""},
    "code_type": {"code": TOKEN},
    "code_range": {"code": f"{DIGITS}999999"},
    "code_domain": {"code": f"{DIGITS}000"},
    "span_type": {"span": f"[{TOKEN}"},
    "span_overlap": {"span": f"[{DIGITS},{DIGITS}9)"},
    "email_again": {"email": f"again{TOKEN}"},
    "kind_type": {"kind": TOKEN},
    "parent_missing": {"parent": "nobody"},
    "note_type": {"note": "{no json"},
    "raise": {"login": f"{TOKEN}raise"},
    "cast": {"login": f"{TOKEN}cast"},
    "drop": {"login": f"{TOKEN}drop"},
    "missing_cell": None,
    "extra_cell": None,
    "broken_quote": None,
    "bad_bytes": None,
    "nul": None,
    "long_line": None,
}
DIALECTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "semicolons": {"delimiter": ";", "trailing_delimiter": True},
    "signs": {"delimiter": "||", "quote": "'", "null": ["NULL", "-"]},
    "stars": {"delimiter": "*", "comment": "x"},
    "escapes": {"escape": "\\", "quote": '"'},
    "utf16": {"encoding": "utf-16-le"},
    "latin": {"encoding": "cp1252"},
    "unquoted": {"quote": None, "delimiter": "\t"},
    "jsonl": {"type": "jsonl", "header": {"lines": 0, "names": list(NAMES)}},
}
CAP, BLOCK = 2048, 256
COMMON = {
    *(
        "check",
        "encoding-error",
        "exclusion",
        "extra-cell",
        "foreign-key",
        "not-null",
        "out-of-range",
    ),
    *("type-error", "unique", "value-too-long"),
}


def _cells(kind: str, number: int) -> list[str]:
    cells = {
        "id": str(number),
        "email": f"{number}{TOKEN}@ü",
        "iban": f"{TOKEN}{number}",
        "age": "30",
        "born": "1990-01-02",
        "code": f"{DIGITS}{number % 99 + 1}",
        "span": "",
        "login": f"{TOKEN}, {number}",
        "kind": "a",
        "parent": "l",
        "note": "{}",
    } | (BAD[kind] or {})
    return [cells[name] for name in NAMES]


def _line(kind: str, number: int, form: dict[str, Any], *, quoted: bool) -> bytes:
    """Write a record of this badness."""
    encoding = str(form.get("encoding", "utf-8"))
    if form.get("type") == "jsonl":
        return _object(kind, number).encode()
    quote, delimiter = form.get("quote", '"'), form.get("delimiter", ",")
    cells = _cells(kind, number)
    if "null" in form:
        cells = [cell or "NULL" for cell in cells]
    if quote is None:
        cells = [cell.replace(delimiter, " ") for cell in cells]
    else:
        cells = [
            f"{quote}{cell}{quote}"
            if cell not in {"", "NULL"} and (quoted or delimiter in cell or "," in cell)
            else cell
            for cell in cells
        ]
    if kind == "missing_cell":
        cells = cells[:-4]
    elif kind == "extra_cell":
        cells += [TOKEN]
    elif kind == "broken_quote":
        cells[1] = f"x{quote or 'x'}{TOKEN}"
    elif kind == "long_line":
        cells[1] = TOKEN * CAP
    text: str = delimiter.join(cells) + delimiter * form.get("trailing_delimiter", False)
    wrong = b"\x00\xd8" if encoding == "utf-16-le" else b"\x81\xff"
    damage = {"nul": "\0".encode(encoding), "bad_bytes": wrong}.get(kind, b"")
    return text[:3].encode(encoding) + damage + text[3:].encode(encoding)


def _object(kind: str, number: int) -> str:
    pairs = [
        f'"{name}": "{cell}"'.replace("{no json", "no") if cell else f'"{name}": null'
        for name, cell in zip(NAMES, _cells(kind, number), strict=True)
    ]
    if kind == "missing_cell":
        return "{" + ", ".join(pairs)
    if kind == "extra_cell":
        return "{" + ", ".join([*pairs, f'"{TOKEN}": 1']) + "}"
    if kind == "broken_quote":
        return f'"{TOKEN}"' + ", ".join(pairs)
    if kind == "bad_bytes":
        return f'{{"email": "{TOKEN}\\ud800"}}'
    return "{" + ", ".join(pairs) + "}"


def file_of(kinds: list[str], form: dict[str, Any], *, quoted: bool, header: str) -> bytes:
    """Write a file with a record of each badness."""
    encoding = form.get("encoding", "utf-8")
    delimiter = form.get("delimiter", ",")
    first = header.replace(",", delimiter) + delimiter * form.get("trailing_delimiter", False)
    lines = [_line(kind, number, form, quoted=quoted) for number, kind in enumerate(kinds)]
    if form.get("type") != "jsonl":
        lines = [first.encode(encoding), *lines]
    end = "\n".encode(encoding)
    return end.join(lines) + end
