"""The cells of a header are matched to columns by name; all that does not fit is said at once, with a map to paste."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.errors import HeaderError
from libs.common.postgres.column_names import NameIndex
from libs.common.postgres.header_mapping import HeaderRules, match_header
from libs.common.postgres.target_table import TargetColumn, TargetTable


def column(name: str, **traits: object) -> TargetColumn:
    values = {
        "type": "text",
        "is_not_null": False,
        "has_default": False,
        "is_computed": False,
        "identity": "",
        "is_domain": False,
    }
    return TargetColumn(name=name, **{**values, **traits})  # type: ignore[arg-type]


TABLE = TargetTable(
    schema="public",
    relation="t",
    oid=1,
    columns=(
        column("id", is_not_null=True),
        column("Name"),
        column("made", is_not_null=True, has_default=True),
        column("total", is_computed=True),
        column("number", is_not_null=True, identity="a"),
        column("place", is_not_null=True, identity="d"),
    ),
    unique_keys=(),
    constraint_columns={},
    referenced_columns=frozenset(),
    is_partitioned=False,
    tables_changed_by_deletes=(),
    has_unique_index=False,
    has_several_unique_indexes=False,
    references_itself=False,
    has_foreign_keys=False,
    has_user_triggers=False,
    calls_user_functions=False,
)
LOOSE = HeaderRules(ignores_case=True)


def table_of(*names: str) -> TargetTable:
    return replace(TABLE, columns=tuple(column(name) for name in names))


def matched(cells: list[str], rules: HeaderRules, table: TargetTable = TABLE) -> list[str]:
    return [each.name for each in match_header(cells, table, rules).columns]


def test_cells_are_matched_by_name_in_the_order_of_the_header() -> None:
    header = match_header(["Name", "id"], TABLE, HeaderRules())

    assert [c.name for c in header.columns] == ["Name", "id"]
    assert header.is_plain


def test_the_mapping_names_columns_for_cells_that_differ() -> None:
    rules = HeaderRules({"Number": "id", "absent": "Name"})

    assert matched(["Number", "place"], rules) == ["id", "place"]


def test_a_cell_that_is_mapped_to_nothing_is_left_out() -> None:
    header = match_header(
        ["x", "id", "number", "Name"], TABLE, HeaderRules({"x": None, "number": None})
    )

    assert [c.name for c in header.columns] == ["id", "Name"]
    assert (header.width, header.places, header.is_plain) == (4, (1, 3), False)


@pytest.mark.parametrize(
    ("cell", "name", "is_loose"),
    [
        ("Gro\u0308\u00dfe", "Gr\u00f6\u00dfe", False),
        ("Gr\u00f6\u00dfe", "Gro\u0308\u00dfe", False),
        ("CUSTOMER_ID", "customer_id", True),
        (" Name ", "name", True),
        ("GRO\u0308SSE", "gr\u00f6\u00dfe", True),
        ("x" * 70, "x" * 63, False),
        ("x" * 62 + "\u00e9" + "tail", "x" * 62, False),
        ("x" * 61 + "e\u0301" + "tail", "x" * 61 + "\u00e9", False),
        ("X" * 70, "x" * 63, True),
    ],
)
def test_a_name_that_is_written_otherwise_is_found(cell: str, name: str, *, is_loose: bool) -> None:
    table = table_of("id", name)

    assert matched(["id", cell], HeaderRules(ignores_case=is_loose), table) == ["id", name]
    if is_loose:
        with pytest.raises(HeaderError):
            match_header(["id", cell], table, HeaderRules())


@given(st.lists(st.text("aAeE\u0301\u00e9 ", min_size=1, max_size=5), unique=True), st.booleans())
def test_a_name_always_finds_itself(names: list[str], ignores_case: object) -> None:
    index = NameIndex(names, ignores_case=bool(ignores_case))

    for name in names:
        assert index.find(name) == (name,)


def test_a_mapped_cell_may_be_written_otherwise_too() -> None:
    rules = replace(LOOSE, columns={"Article": "id"})

    assert matched(["ARTICLE ", "name"], rules) == ["id", "Name"]


def test_what_has_no_column_is_left_out_or_collected() -> None:
    left_out = match_header(["id", "x"], TABLE, HeaderRules(leaves_unknown_out=True))
    rescued = match_header(["x", "id", "y"], TABLE, HeaderRules(rescue="Name"))
    without = match_header(["id"], TABLE, HeaderRules(rescue="Name"))

    assert (left_out.places, [c.name for c in left_out.columns]) == ((0,), ["id"])
    assert [c.name for c in rescued.columns] == ["id", "Name"]
    assert rescued.rescued == ((0, "x"), (2, "y"))
    assert [c.name for c in without.columns] == ["id"]


def test_added_columns_come_last_and_need_not_be_in_the_header() -> None:
    header = match_header(["Name"], TABLE, HeaderRules(added=frozenset({"id"}), needed=["id"]))

    assert [c.name for c in header.columns] == ["Name", "id"]
    assert (header.added, header.is_plain) == (1, False)


@pytest.mark.parametrize(
    ("cells", "rules", "code", "hint"),
    [
        (["id", "x"], HeaderRules(), "header-unknown-column", "'Name'"),
        (["id", "name "], HeaderRules(), "header-unknown-column", '{"name ": "Name"}'),
        (["id", "name "], HeaderRules(), "header-unknown-column", "differ only in case or spaces"),
        (["id", ""], HeaderRules(), "header-unknown-column", "no column ''"),
        (["id", "x"], HeaderRules({"x": "y"}), "header-unknown-column", "(mapped from 'x')"),
        (
            ["id", "x"],
            HeaderRules({"x": "y"}, leaves_unknown_out=True),
            "header-unknown-column",
            "(mapped from 'x')",
        ),
        (["id", "total"], HeaderRules(), "header-unknown-column", "generated by Postgres"),
        (["id", "number"], HeaderRules(), "header-unknown-column", "generated by Postgres"),
        (["Name"], HeaderRules(), "header-missing-column", "'id'"),
        (["id"], HeaderRules(needed=["Name"]), "header-missing-column", "'Name'"),
        (["id", "id"], HeaderRules(), "header-repeated-column", "'id' and 'id'"),
        (["id", "x"], HeaderRules({"x": "id"}), "header-repeated-column", "'id' and 'x'"),
        (["id", "Name"], HeaderRules(added=frozenset({"Name"})), "header-repeated-column", "'add'"),
        (["id", "Name"], HeaderRules(rescue="Name"), "header-repeated-column", "'Name'"),
        (["id", "x", "x"], HeaderRules(rescue="Name"), "header-repeated-column", "rescue column"),
    ],
)
def test_a_misfit_is_refused_with_a_code_and_a_cure(
    cells: list[str], rules: HeaderRules, code: str, hint: str
) -> None:
    with pytest.raises(HeaderError) as caught:
        match_header(cells, TABLE, rules)

    assert caught.value.code == code
    assert hint in caught.value.message


def test_a_name_that_may_mean_several_columns_is_refused() -> None:
    with pytest.raises(HeaderError, match="'NAME' may mean each of 'Name', 'name'"):
        match_header(["NAME"], table_of("Name", "name"), LOOSE)
    with pytest.raises(HeaderError, match="both mean column"):
        match_header(["x" * 64, "x" * 65], table_of("x" * 63), HeaderRules())


def test_all_misfits_are_said_at_once_with_a_map_that_fits_when_it_is_pasted() -> None:
    names = [f"column_{number}" for number in range(60)]
    cells = [name.upper().replace("_", " ") for name in names]
    rules = HeaderRules({"elsewhere": "column_0"})
    with pytest.raises(HeaderError) as caught:
        match_header(
            [*cells, "new", "id", "id"],
            replace(table_of(*names, "id", "key")),
            replace(rules, needed=["key"]),
        )

    message = caught.value.message
    for part in ("'new'", "'id' and 'id'", "lacks 'key'", *map(repr, cells)):
        assert part in message
    document, _ = json.JSONDecoder().raw_decode(message.partition('"columns": ')[2])
    assert document["new"] is None
    assert document["elsewhere"] == "column_0"
    pasted = match_header([*cells, "new"], table_of(*names), HeaderRules(document))
    assert [c.name for c in pasted.columns] == names
