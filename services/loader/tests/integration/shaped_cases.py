"""Files whose cells are converted, left out, collected or added to, each a case for the oracle."""

from typing import Any

from services.loader.tests.integration.cases import Case

AMOUNTS = (
    "CREATE TABLE feed.{t} (id int PRIMARY KEY, amount numeric(12,3) CHECK (amount < 100000), day date, note text,"
    " rest jsonb, file text, line int, label varchar(6) NOT NULL DEFAULT 'none')"
)
_GERMAN = {"decimal": ",", "thousands": ".", "currency": ["€", "EUR"], "trailing_minus": True}


def shaped(name: str, header: str, *lines: str, **options: Any) -> Case:
    """Make a case of the amounts table, whose cells are converted, left out, collected or added."""
    return Case(name, "\n".join([header, *lines]).encode(), AMOUNTS, options=options)


SHAPED = [
    shaped(
        "numbers as they are written in German",
        "id,amount",
        *(
            '1,"5,50"',
            "2,1.234",
            '3,"1.234,56"',
            '4,"-950,00 €"',
            '5,"1 234,56"',
            '6,"1\u00a0234,56"',
            "7,12",
        ),
        *(
            "8,1.23",
            "9,12.34.567",
            '10,"1,5,0"',
            "11,€ 5-",
            "12,--5",
            "13,5 €€",
            "14,NaN",
            '15,"5,"',
            '16,",5"',
        ),
        *(
            '17,""',
            "18,",
            "19,999.999",
            "20,x",
            '21,"1,5e3"',
            "22,+5",
            "23,1.234.567",
            '24,"1.234 567"',
            "25, 5 ",
        ),
        *(
            "26,٥",
            '27,","',
            "28,-",
            "29,1e99999",
            "30,EUR",
            '31,"1234.567,8"',
            "32,-€5",
            "33,5-EUR",
        ),
        convert={"amount": _GERMAN},
    ),
    shaped(
        "negative numbers in brackets, after a minus of Unicode",
        "id,amount",
        *("1,(5)", "2,( 5.5 )", "3,(-5)", "4,\u22125", "5,5\u2212", "6,(5", "7,-(5)", "8,()"),
        convert={"amount": {"parentheses": True, "unicode_minus": True, "trailing_minus": True}},
    ),
    shaped(
        "dates of a format",
        "id,day",
        *(
            "1,03.02.2026",
            "2,3.2.2026",
            "3,2026-02-03",
            "4,30.02.2026",
            "5, 03.02.2026 ",
            '6,""',
            "7,",
            "8,03.02.26",
        ),
        *(
            "9,29.02.2024",
            "10,01.01.0001",
            "11,03.02.2026 ",
            "12,infinity",
            "13,03/02/2026",
            "14,31.12.9999",
        ),
        convert={"day": {"date_format": "%d.%m.%Y"}},
    ),
    shaped(
        "texts: trimmed, mapped, empty ones as NULL",
        "id,note,label",
        *(
            "1, a ,x",
            "2,  ,x",
            '3,"",x',
            "4,J,x",
            "5, N ,x",
            "6,none,x",
            "7,a\tb,x",
            "8,x,none",
            "9,x,J",
            "10, J,N",
        ),
        convert={
            "*": {"trim": True, "empty_as_null": True, "map": {"J": "yes", "N": "no", "none": None}}
        },
    ),
    shaped(
        "what spreadsheets write to keep zeros",
        "id,note,label",
        *(
            '1,"=""00123""",x',
            "2,=1+1,x",
            '3,"=""a""""b""",x',
            '4,"=""""",x',
            '5,"=""x",x',
            '"=""6""",x,x',
        ),
        convert={"id": {"excel_text": True}, "note": {"excel_text": True}},
    ),
    shaped(
        "an entry of a column's own instead of that for all",
        "id,amount,day,note",
        *(
            '1,"1,5",03.02.2026," a "',
            "2,1.5,2026-02-03,b",
            '"3,0",1,03.02.2026,c',
            "4 ,2,03.02.2026,d",
        ),
        convert={"*": {"decimal": ",", "date_format": "%d.%m.%Y", "trim": True}, "note": {}},
    ),
    shaped(
        "cells that are left out",
        "x,id,note,y",
        *("a,1,b,c", "a,2,,", "a,3,b", ",1,again,", "x,x,x,x", 'a,"4",tab\there,"c\nd"'),
        columns={"x": None, "y": None},
    ),
    shaped(
        "unknown columns that are ignored",
        "new,id,NOTE,other",
        *("a,1,b,c", "a,2,,", "a,3,b", "a,4,b,c,d"),
        unknown_columns="ignore",
    ),
    shaped(
        "unknown columns that are rescued",
        'new,id,"a ""b"" \\",note',
        *("a,1,é,c", ",2,,", '"",3,"x\ny",b', "a,1,b,again", "a,5"),
        unknown_columns={"rescue": "rest"},
    ),
    shaped(
        "a header in another case",
        "ID, Amount,NOTE ",
        *("1,1.5,a", "1,2,b", "2,x,c"),
        header_match="case_insensitive",
    ),
    shaped(
        "columns that are added",
        "id,note",
        *("1,a", '2,"b\nc"', "3,d", "3,e", "x,f", "4"),
        add={
            "file": "$file",
            "line": "$line",
            "label": "a\tb\\N",
            "day": "$data_date",
            "rest": '{"job": 1}',
        },
    ),
    shaped(
        "an added column that no row may have",
        "id,note",
        *("1,a", "x,b", "1,c"),
        add={"label": "too long for it", "line": "$line"},
    ),
    shaped(
        "an added line that some rows may not have",
        "id,note",
        *(f"{number},a" for number in range(1, 30)),
        add={"amount": "99990", "label": "$line", "line": "$line"},
        convert={"id": {"map": {"7": None, "8": "7"}}},
    ),
    shaped(
        "all at once",
        "ID;Betrag;Tag;fremd;NOTE",
        *(
            '1;1.234,50 €;03.02.2026;x;" a"',
            "2;(5);3.2.26;;b",
            "3;5;04.02.2026;y;b",
            '4;;;"";""',
            "5;1,2,3;x;;",
        ),
        format={"delimiter": ";", "null": ["", "n/a"], "quoted_null": True},
        columns={"Betrag": "amount", "tag": "day"},
        header_match="case_insensitive",
        unknown_columns={"rescue": "rest"},
        convert={
            "amount": _GERMAN,
            "day": {"date_format": "%d.%m.%Y"},
            "*": {"trim": True, "empty_as_null": True},
        },
        add={"line": "$line"},
        date_order="DMY",
    ),
]
