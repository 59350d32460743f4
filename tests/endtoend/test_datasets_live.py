"""A dataset that is deleted and put again does not load twice what its table holds."""

from tests.endtoend.system import System
from tools.client.sample_items import write_items


def test_a_dataset_that_comes_back_loads_nothing_again(system: System) -> None:
    table = system.make_table("returning")
    definition = {"table": table, "source": "returning.csv"}
    write_items(system.incoming / "returning.csv", 100)
    with system.client as client:
        client.put_dataset("returning", definition)
        first = system.wait_over(client.submit(dataset="returning"))
        client.delete_dataset("returning")
        client.put_dataset("returning", definition)

        again = system.wait_over(client.submit(dataset="returning"))

    assert (first.state, first.rows_loaded) == ("succeeded", 100)
    assert (again.state, again.duplicate_of) == ("duplicate", first.id)
    assert system.count(table) == 100
