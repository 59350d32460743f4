"""Make random tables: types, keys, constraints, triggers and partitions as they meet in the wild.

``{t}`` in the statements stands for the table, as in `cases`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from services.loader.tests.integration.spellings import (
    BY_TYPE,
    COMMON,
    OTHERS,
    SPELLINGS,
    TYPES,
    Spelling,
    Write,
)

PARENTS = 6
"""Rows 1 to so many are there to be referred to."""
_NAMES = ("Größe", "a b", 'q"q', "select", "%s", "c;d", "Id", "tab\tname")


@dataclass(frozen=True)
class Column:
    """A column; one that is not `given` is left out of the header."""

    name: str
    spelling: Spelling
    constraints: str = ""
    plain: Write | None = None
    is_given: bool = True

    @property
    def identifier(self) -> str:
        """Return the name as SQL has it."""
        return '"' + self.name.replace('"', '""') + '"'

    @property
    def definition(self) -> str:
        """Return the column's part of CREATE TABLE."""
        return f"{self.identifier} {self.spelling.type} {self.constraints}"

    def write(self, rng: Random) -> str:
        """Return a plain text of a value."""
        return (self.plain or self.spelling.plain)(rng)


@dataclass
class Shape:
    """A table: its columns, what else belongs to it, and how it is loaded."""

    columns: list[Column]
    key: tuple[str, ...] = ()
    constraints: list[str] = field(default_factory=list)
    before: str = TYPES
    after: list[str] = field(default_factory=list)
    partition_by: str = ""
    hidden: str | None = None
    nulls_are_equal: bool = False

    @property
    def given(self) -> list[Column]:
        """Return the columns of the header."""
        return [column for column in self.columns if column.is_given]

    @property
    def statements(self) -> str:
        """Return what makes the table."""
        parts = ", ".join([*(column.definition for column in self.columns), *self.constraints])
        create = f"CREATE TABLE feed.{{t}} ({parts}) {self.partition_by}"
        return "; ".join([self.before + create, *self.after])


def make_shape(rng: Random, *, common: bool) -> Shape:
    """Make a table, of common types if it is to be loaded by columns."""
    kinds = rng.choice((COMMON, COMMON[:-2], COMMON + OTHERS, OTHERS)) if common else SPELLINGS
    shape = Shape([_column(rng, place, kinds) for place in range(rng.randint(1, 5))])
    _add_key(rng, shape)
    extras = PLAIN_EXTRAS if common else PLAIN_EXTRAS + EXTRAS
    if shape.columns[0].name == "id" and rng.random() < 0.12:
        _partition(rng, shape)
        extras = PLAIN_EXTRAS
    for extra in rng.sample(extras, rng.choice((0, 0, 1, 1, 2, 3))):
        extra(rng, shape)
    if not common and rng.random() < 0.15:
        rng.choice(TRIGGERS)(shape)
    if rng.random() < 0.2:
        rng.shuffle(shape.columns)
    return shape


def make_day_column(rng: Random, *, common: bool) -> Column:
    """Make a column that tells of which day a row is: most are of the job's."""
    types = ("date", "timestamp", "timestamptz")
    others = ("timestamp(0)", "timestamptz(3)", "text", "varchar(10)", "char(12)")
    kind = rng.choice(types if common else types + others)
    suffix = "" if "time" not in kind else f" {rng.randint(12, 21)}:07:00"
    spelling = Spelling(
        kind + (" NOT NULL" if rng.random() < 0.2 else ""),
        lambda rng: f"2026-01-0{rng.choice('2222222222223')}{suffix}",
        ("2026-01-01", "2026-01-02", "20260102", "2 Jan 2026", "2026-01-03 00:00:00", "epoch", "", "2026-13-01",
         "2026-01-02 23:59:59.9999", "2026-01-01 23:30:00", "today", "infinity"),
    )  # fmt: skip
    return Column("day", spelling)


def _column(rng: Random, place: int, kinds: tuple[Spelling, ...]) -> Column:
    """Make a column with constraints of its own."""
    spelling = rng.choice(kinds)
    name = rng.choice(_NAMES) + str(place) if rng.random() < 0.1 else f"c{place}"
    column = Column(name, spelling)
    parts = ["NOT NULL"] if rng.random() < 0.2 else []
    if spelling.check and rng.random() < 0.35:
        parts.append(f"CHECK ({spelling.check.replace('{c}', column.identifier)})")
    is_given = True
    if spelling.default and rng.random() < 0.3:
        parts.append(f"DEFAULT {spelling.default}")
        is_given = rng.random() < 0.5
    return Column(name, spelling, " ".join(parts), is_given=is_given)


def _add_key(rng: Random, shape: Shape) -> None:
    """Give the table a key, or none."""
    integer, text = BY_TYPE["integer"], rng.choice((BY_TYPE["text"], BY_TYPE["varchar"]))
    kind = rng.choice(
        (
            "none",
            "none",
            "none",
            "id",
            "id",
            "pair",
            "text",
            "uuid",
            "nulls",
            "equal nulls",
            "other",
        )
    )
    if kind == "none":
        shape.columns.insert(0, Column("id", integer))
    elif kind == "pair":
        shape.columns[:0] = [
            Column("k1", text, plain=lambda rng: rng.choice("abcde")),
            Column("id", BY_TYPE["numeric"], plain=lambda rng: str(rng.randint(0, 300))),
        ]
        shape.key = ("k1", "id")
        shape.constraints.append("PRIMARY KEY (k1, id)")
    elif kind in {"nulls", "equal nulls"}:
        shape.nulls_are_equal = kind == "equal nulls"
        distinct = "NULLS NOT DISTINCT" if shape.nulls_are_equal else ""
        shape.columns.insert(0, Column("id", BY_TYPE["bigint"], f"UNIQUE {distinct}"))
        shape.key = ("id",)
    else:
        other = BY_TYPE[rng.choice(("inet", "cidr", "int[]", "interval", "feed.{t}_cost"))]
        known = {"id": integer, "text": text, "uuid": BY_TYPE["uuid"], "other": other}
        spelling = known[kind]
        shape.columns.insert(0, Column("id", spelling, "PRIMARY KEY"))
        shape.key = ("id",)


def _sortable(rng: Random, shape: Shape) -> Column:
    """Choose a column that can have an index; a virtual one cannot."""
    return rng.choice(
        [c for c in shape.columns if c.spelling.is_sortable and "VIRTUAL" not in c.constraints]
    )


def _check_two(_rng: Random, shape: Shape) -> None:
    """Add a CHECK over two columns; what one of them alone would allow counts for nothing."""
    counted = [column.identifier for column in shape.columns if column.name != shape.hidden]
    first, last = counted[0], counted[-1]
    shape.constraints.append(
        f"CONSTRAINT two CHECK ({last} IS NULL OR {first}::text <> {last}::text)"
    )


def _refer(rng: Random, shape: Shape) -> None:
    """Refer to a parent, now and then to one that is not there."""
    when = rng.choice(("", "", "DEFERRABLE INITIALLY DEFERRED"))
    shape.before += (
        "CREATE TABLE feed.{t}_parent (id int PRIMARY KEY);"
        f" INSERT INTO feed.{{t}}_parent SELECT generate_series(1, {PARENTS});"
    )
    constraint = f"REFERENCES feed.{{t}}_parent {when}"
    shape.columns.append(Column("parent", BY_TYPE["integer"], constraint, _parent))


def _parent(rng: Random) -> str:
    return str(rng.randint(1, PARENTS) if rng.random() < 0.98 else PARENTS + 3)


def _refer_to_two(_rng: Random, shape: Shape) -> None:
    """Refer to a parent by two columns, of which either none or both must be NULL."""
    shape.before += (
        "CREATE TABLE feed.{t}_pairs (a int, b text, PRIMARY KEY (a, b));"
        " INSERT INTO feed.{t}_pairs VALUES (1, 'x'), (2, 'x'), (2, 'y');"
    )
    shape.columns += [
        Column("pa", BY_TYPE["integer"], plain=lambda rng: rng.choice("1222")),
        Column("pb", BY_TYPE["text"], plain=lambda rng: rng.choice("xxxxxy")),
    ]
    shape.constraints.append("FOREIGN KEY (pa, pb) REFERENCES feed.{t}_pairs MATCH FULL")


def _add_unique(rng: Random, shape: Shape) -> None:
    """Make another column unique, in one of the ways there are."""
    column, name, first = _sortable(rng, shape), "another", shape.columns[0].identifier
    ways = [
        f"CREATE UNIQUE INDEX {{t}}_{name} ON feed.{{t}} ({column.identifier})",
        f"CREATE UNIQUE INDEX {{t}}_{name} ON feed.{{t}} ({column.identifier}) NULLS NOT DISTINCT",
        f"CREATE UNIQUE INDEX {{t}}_{name} ON feed.{{t}} ({column.identifier}) WHERE {first} IS NOT NULL",
    ]
    if column.identifier != first:  # beside the key, a deferrable index makes an upsert impossible
        ways.append(
            f"ALTER TABLE feed.{{t}} ADD UNIQUE ({column.identifier}) DEFERRABLE INITIALLY DEFERRED"
        )
    shape.after.append(rng.choice(ways))


def _add_expression_index(_rng: Random, shape: Shape) -> None:
    """Make an expression unique."""
    shape.columns.append(Column("word", BY_TYPE["text"]))
    shape.after.append("CREATE UNIQUE INDEX ON feed.{t} (lower(word)) WHERE word <> 'b'")


def _generate(rng: Random, shape: Shape) -> None:
    """Add generated columns, one of which may fail."""
    shape.columns.append(Column("v", BY_TYPE["integer"], plain=lambda rng: str(rng.randint(0, 40))))
    shape.columns.append(
        Column(
            "made",
            rng.choice((BY_TYPE["integer"], BY_TYPE["smallint"])),
            "GENERATED ALWAYS AS (1000000 / v) STORED",
            is_given=False,
        )
    )
    shape.columns.append(
        Column(
            "seen", BY_TYPE["bigint"], "GENERATED ALWAYS AS (v::bigint * 2) VIRTUAL", is_given=False
        )
    )


def _number(rng: Random, shape: Shape) -> None:
    """Add an identity column, which the header leaves out."""
    how = rng.choice(("ALWAYS", "BY DEFAULT"))
    shape.columns.append(
        Column("number", BY_TYPE["bigint"], f"GENERATED {how} AS IDENTITY", is_given=False)
    )
    shape.hidden = "number"


def _partition(rng: Random, shape: Shape) -> None:
    """Cut the table by its first column, which every unique constraint must hold, not for every value."""
    if shape.columns[0].spelling.type in {"integer", "bigint"}:
        shape.partition_by = "PARTITION BY RANGE (id)"
        bounds: tuple[str, ...] = ("FROM (0) TO (40)", "FROM (40) TO (90)", "FROM (90) TO (1000)")
    else:
        shape.partition_by = "PARTITION BY HASH (id)"
        bounds = tuple(f"WITH (MODULUS 3, REMAINDER {rest})" for rest in range(rng.choice((2, 3))))
    for place, bound in enumerate(bounds):
        check = "(CHECK (id IS NOT NULL))" if place == 1 else ""
        shape.after.append(
            f"CREATE TABLE feed.{{t}}_{place} PARTITION OF feed.{{t}} {check} FOR VALUES {bound}"
        )


def _exclude(_rng: Random, shape: Shape) -> None:
    """Refuse ranges that overlap."""
    shape.columns.append(Column("span", BY_TYPE["int4range"]))
    shape.constraints.append("EXCLUDE USING gist (span WITH &&)")


def _refer_to_self(_rng: Random, shape: Shape) -> None:
    """Refer to a row of the table itself."""
    if shape.key == ("id",):
        column = Column(
            "boss",
            shape.columns[0].spelling,
            "REFERENCES feed.{t} (id)",
            lambda rng: str(rng.randrange(40)),
        )
        shape.columns.append(column)


Extra = Callable[[Random, Shape], None]
PLAIN_EXTRAS: tuple[Extra, ...] = (_check_two, _refer, _refer_to_two, _generate, _number)
EXTRAS: tuple[Extra, ...] = (_add_unique, _add_expression_index, _exclude, _refer_to_self)
"""Those that a partitioned table cannot have, or that bring records into an order."""


def _trigger(shape: Shape, when: str, body: str, each: str = "ROW") -> None:
    """Add a trigger whose function has this body; column `note` is for it."""
    shape.columns.append(Column("note", BY_TYPE["text"]))
    shape.after += [
        f"CREATE FUNCTION feed.{{t}}_f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$",
        f"CREATE TRIGGER g {when} ON feed.{{t}} FOR EACH {each} EXECUTE FUNCTION feed.{{t}}_f()",
    ]


def _raise(shape: Shape) -> None:
    body = "IF NEW.note LIKE 'a%' THEN RAISE EXCEPTION 'no %', NEW.note; END IF; RETURN NEW;"
    _trigger(shape, "BEFORE INSERT OR UPDATE", body)


def _raise_after(shape: Shape) -> None:
    body = "IF NEW.note LIKE 'b%' THEN RAISE EXCEPTION 'late' USING ERRCODE = '23514'; END IF; RETURN NULL;"
    _trigger(shape, "AFTER INSERT OR UPDATE", body)


def _alter(shape: Shape) -> None:
    _trigger(shape, "BEFORE INSERT", "NEW.note := upper(NEW.note) || '!'; RETURN NEW;")


def _drop(shape: Shape) -> None:
    _trigger(shape, "BEFORE INSERT", "IF NEW.note LIKE '%a' THEN RETURN NULL; END IF; RETURN NEW;")


def _limit(shape: Shape) -> None:
    body = (
        "IF (SELECT count(*) FROM feed.{t}) > 25 THEN RAISE EXCEPTION 'full'; END IF; RETURN NULL;"
    )
    _trigger(shape, "AFTER INSERT", body, "STATEMENT")


TRIGGERS = (_raise, _raise_after, _alter, _drop, _limit)
