"""Promise 3: the loader leaves the table and the failed rows that one INSERT per record would leave."""

import pytest

from services.loader.tests.integration.cases import CASES, Case
from services.loader.tests.integration.comparison import compare_case
from services.loader.tests.integration.conftest import LoadBench
from services.loader.tests.integration.shaped_cases import SHAPED

pytestmark = pytest.mark.usefixtures("compiled_before")

RUNS = [
    pytest.param(case, mode, id=f"{case.name}-{mode}")
    for case in [*CASES, *SHAPED]
    for mode in case.modes
    if mode != "upsert" or case.key
]


@pytest.mark.parametrize(("case", "mode"), RUNS)
def test_agrees_with_one_insert_per_record(shared_bench: LoadBench, case: Case, mode: str) -> None:
    compare_case(shared_bench, case, mode)


@pytest.mark.parametrize("mode", ["append", "upsert"])
@pytest.mark.parametrize("name", ["scattered duplicates", "every tenth row bad", "foreign key"])
def test_the_size_of_blocks_does_not_matter(shared_bench: LoadBench, name: str, mode: str) -> None:
    [case] = [case for case in CASES if case.name == name]

    compare_case(shared_bench, case, mode, block_rows=7, block_bytes=100)


def test_there_are_enough_nasty_files() -> None:
    names = [case.name for case in [*CASES, *SHAPED]]

    assert len(set(names)) == len(names) >= 40
