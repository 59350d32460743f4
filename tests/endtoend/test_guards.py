"""What looks wrong is refused, whatever the mode would do to the table, and the table stays as it was."""

from typing import Any

import pytest

from tests.endtoend.feed import Feed, codes, end
from tests.endtoend.system import System

PRODUCTS = "sku text PRIMARY KEY, price numeric(8,2) NOT NULL"
SNAPSHOT = "sku,price\n" + "".join(f"S{n},{n}\n" for n in range(1, 101))
ALL_BAD = 'sku,price\nS1,"9,90"\nS2,"8,00"\n'


def test_a_broken_snapshot_does_not_empty_the_table(system: System) -> None:
    """Seen before: 100 rows became 0, and the job was `completed_with_rejects`."""
    feed = Feed(system, "products", PRODUCTS, mode="replace")
    feed.load(SNAPSHOT)

    broken = feed.load(ALL_BAD)

    assert end(broken) == ("failed", "nothing-good")
    assert (broken.rows_read, broken.rows_rejected, broken.rows_loaded) == (2, 2, 0)
    assert len(feed.rows()) == 100
    with system.client as client:
        assert {row.error_code for row in client.failed_rows(broken.id)} == {"type-error"}


def test_a_file_of_a_header_alone_empties_the_table_unless_rows_are_asked_for(
    system: System,
) -> None:
    feed = Feed(system, "emptied", PRODUCTS, mode="replace", min_rows=1)
    feed.load(SNAPSHOT)

    guarded = feed.load("sku,price\n")
    kept = len(feed.rows())
    feed.put(mode="replace")
    allowed = feed.load("sku,price\n\n")

    assert (end(guarded), kept) == (("failed", "too-few-rows"), 100)
    assert (end(allowed), feed.rows()) == (("succeeded", None), [])


def test_a_shrunk_snapshot_is_loaded_by_force_alone(system: System) -> None:
    """What is forced is flagged, and is what the next one is held against."""
    feed = Feed(system, "shrinking", PRODUCTS, mode="replace", max_shrink=0.5)
    feed.load(SNAPSHOT)
    half = "sku,price\n" + "".join(f"S{n},1\n" for n in range(49))

    refused = feed.load(half)
    kept = len(feed.rows())
    forced = feed.load(half, force=True)
    following = feed.load(half.replace("S48,1", "S48,2"))

    assert (end(refused), kept) == (("failed", "shrunk"), 100)
    assert (end(forced), codes(forced)) == (("succeeded", None), ["shrunk"])
    assert forced.warnings[0].counts == {"rows_loaded": 49, "rows_before": 100}
    assert (end(following), codes(following)) == (("succeeded", None), [])


DAY_1 = "id,email,phone\n1,a@example.org,100\n2,b@example.org,200\n"
DAY_2 = "id,email\n1,a@example.org\n2,b@example.org\n"
CONTACTS = "id int PRIMARY KEY, email text, phone text"


@pytest.mark.parametrize(
    ("mode", "left"),
    [({"mode": "replace"}, None), ({"mode": "upsert", "key": ["id"]}, "100")],
    ids=["replace", "upsert"],
)
def test_a_column_that_is_gone_is_reported(
    system: System, mode: dict[str, Any], left: str | None
) -> None:
    """Seen before: the numbers were gone from the table, and the job's page had no trace of it."""
    feed = Feed(system, f"contacts_{mode['mode']}", CONTACTS, **mode)
    feed.load(DAY_1)

    refused = feed.load(DAY_2)
    kept = feed.rows()
    feed.put(missing_columns="default", **mode)
    allowed = feed.load(DAY_2)

    assert end(refused) == ("failed", "header-changed")
    assert "'phone'" in refused.error_message
    assert [row[2] for row in kept] == ["100", "200"]
    assert (end(allowed), codes(allowed)) == (("succeeded", None), ["header-changed"])
    assert feed.rows()[0] == (1, "a@example.org", left)


def test_a_column_more_than_the_table_has_fails_before_a_row(system: System) -> None:
    feed = Feed(system, "tiers", "id int, v text")
    feed.load("id,v\n1,a\n")

    job = feed.load("id,v,loyalty_tier\n2,b,gold\n")

    assert end(job) == ("failed", "header-unknown-column")
    assert feed.rows() == [(1, "a")]
