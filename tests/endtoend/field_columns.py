"""Cases from the field of headers that change, and of cells that are not written as Postgres reads them."""

from datetime import date
from decimal import Decimal

from tests.endtoend.field_cases import Case, Step, modes
from tests.endtoend.field_formats import BOOKED, BOOKINGS, STATEMENT
from tests.endtoend.field_formats import COLUMNS as BOOKED_COLUMNS

DAY = date(2026, 11, 24)
_TWO = "CREATE TABLE {table} (id int, v text)"
_DAY_1, _DAY_2 = "id,v\n1,a\n", "id,v,loyalty_tier\n2,b,gold\n"
_CUSTOMERS = "CREATE TABLE {table} (customer_id int PRIMARY KEY, last_name text, first_name text, birth_day text)"
_SHOUTED = "CUSTOMER_ID, LAST_NAME,FIRST_NAME ,BIRTH_DAY\n1,Doe,Ann,1990-01-02\n"
_QUESTION = "How satisfied are you with the opening hours of our branch in town?"
_AMOUNTS = (
    "id;amount\n1;5,50\n2;1.234\n3;1.234,56\n4;-950,00 €\n5;1 234,56\n6;1\u00a0234,56\n7;12\n"
)

_WIDE = ", ".join(f"c{number} bigint" for number in range(1, 1201))


def _wide_file() -> str:
    """Return three records of 1,200 columns, of which the second fills them all: more than a page takes."""
    names = ",".join(f"c{number}" for number in range(1, 1201))
    empty = "," * 1199
    full = ",".join(["1234567890123456789"] * 1200)
    return f"{names}\n1{empty}\n{full}\n3{empty}\n"


COLUMNS = [
    *(
        Case(
            f"row larger than a page, {name}",
            f"CREATE TABLE {{table}} ({_WIDE}, PRIMARY KEY (c1))",
            options,
            [Step(_wide_file(), "completed_with_rejects", failed={3: ("other", "54000")})],
            [(1, *[None] * 1199), (3, *[None] * 1199)],
        )
        for name, options in modes("c1").items()
    ),
    Case(
        "a column more from today",
        _TWO,
        {},
        [
            Step(_DAY_1, data_date="2026-11-23"),
            Step(_DAY_2, "failed", error="header-unknown-column"),
            Step(_DAY_2, options={"unknown_columns": "ignore"}, warnings=["header-drift"]),
        ],
        [(1, "a"), (2, "b")],
    ),
    Case(
        "a column more from today, rescued",
        "CREATE TABLE {table} (id int, v text, rest jsonb)",
        {"unknown_columns": {"rescue": "rest"}},
        [Step(_DAY_1, data_date="2026-11-23"), Step(_DAY_2, warnings=["header-drift"])],
        [(1, "a", None), (2, "b", {"loyalty_tier": "gold"})],
    ),
    Case(
        "upper case header",
        _CUSTOMERS,
        {},
        [
            Step(_SHOUTED, "failed", error="header-unknown-column"),
            Step(_SHOUTED, options={"header_match": "case_insensitive"}),
        ],
        [(1, "Doe", "Ann", "1990-01-02")],
    ),
    Case(
        "header longer than 63 bytes",
        f'CREATE TABLE {{table}} (id int, "{_QUESTION}" int)',
        {},
        [Step(f"id,{_QUESTION}\n1,4\n")],
        [(1, 4)],
    ),
    Case(
        "german numbers",
        "CREATE TABLE {table} (id int PRIMARY KEY, amount numeric(12,3))",
        {
            "format": {"delimiter": ";"},
            "convert": {"amount": {"decimal": ",", "thousands": ".", "currency": ["€"]}},
        },
        [Step(_AMOUNTS)],
        [
            (number, Decimal(amount))
            for number, amount in enumerate(
                ("5.5", "1234", "1234.56", "-950", "1234.56", "1234.56", "12"), start=1
            )
        ],
    ),
    Case(
        "german numbers without currency, and one that is none",
        "CREATE TABLE {table} (id int PRIMARY KEY, amount numeric(12,3))",
        {
            "format": {"delimiter": ";"},
            "convert": {"amount": {"decimal": ",", "thousands": "."}},
        },
        [
            Step(
                "id;amount\n1;1.234\n2;-950,00 €\n3;1.2\n",
                "completed_with_rejects",
                failed={3: ("conversion-error", None), 4: ("conversion-error", None)},
            )
        ],
        [(1, Decimal(1234))],
    ),
    Case(
        "preamble before the header, with its lines",
        BOOKINGS.replace("(day", "(line int, day"),
        {
            "format": {"delimiter": ";", "encoding": "cp1252", "header": {"find": "Buchungstag;"}},
            "columns": BOOKED_COLUMNS,
            "add": {"line": "$line"},
        },
        [Step(STATEMENT.encode("cp1252"))],
        [(line, *row) for line, row in zip((6, 7), BOOKED, strict=True)],
    ),
    Case(
        "texts of spreadsheets, quoted and not",
        "CREATE TABLE {table} (sku text, v text)",
        {"convert": {"sku": {"excel_text": True}}},
        [
            Step(
                'sku,v\n"=""00123""",a\n="00456",b\n',
                "completed_with_rejects",
                "2026-11-23",
                failed={3: ("malformed-quote", None)},
            ),
            Step('sku,v\n="00456",b\n00789,"c"\n', options={"format": {"quote": None}}),
        ],
        [("00123", "a"), ("00456", "b"), ("00789", '"c"')],
    ),
    Case(
        "where each row comes from",
        "CREATE TABLE {table} (id int, file text, line int, day date, sender text)",
        {"add": {"file": "$file", "line": "$line", "day": "$data_date", "sender": "till 7"}},
        [Step("id\n1\n\n2\n")],
        [
            (number, "field_where_each_row_comes_from.csv", line, DAY, "till 7")
            for number, line in ((1, 2), (2, 4))
        ],
    ),
]
