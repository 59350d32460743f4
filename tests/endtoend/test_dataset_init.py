"""`adsp datasets init FILE`: from a file to its dataset, by the command alone."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.endtoend.system import REPOSITORY, System
from tests.endtoend.terminal import adsp

ORDERS = "Order;Day;Amount\n1;31.12.2026;5,50\n2;01.01.2026;1.234,56\n3;x\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write the file of a day."""
    path = tmp_path / "orders-2026-12-31.csv"
    path.write_text(ORDERS)
    return path


def _run(system: System, *words: object) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ADSP_")}
    variables = kept | {
        "ADSP_API_URL": system.url,
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
    }
    return subprocess.run(
        adsp(*map(str, words)), env=variables, capture_output=True, text=True, check=False
    )


def test_a_file_becomes_a_dataset(system: System, file: Path, tmp_path: Path) -> None:
    printed = _run(system, "datasets", "init", file, "--table", "public.orders")
    refused = _run(system, "datasets", "init", file, "--table", "public.orders", "--create")
    statements = [line[2:] for line in printed.stdout.splitlines() if line.startswith("# ")]
    system.execute("\n".join(statements))
    made = _run(system, "datasets", "init", file, "--table", "public.orders", "--create")
    loaded = _run(system, "load", file, "--dataset", "orders", "--watch")

    assert printed.returncode == 0, printed.stderr
    assert yaml.safe_load(printed.stdout) == {
        "table": "public.orders",
        "source": "orders-{data_date}.csv",
        "date_order": "DMY",
        "format": {"delimiter": ";"},
        "columns": {"Order": "order", "Day": "day", "Amount": "amount"},
        "convert": {"amount": {"decimal": ",", "thousands": "."}},
    }
    assert "1 of them would be refused" in printed.stderr
    assert refused.returncode != 0
    assert "may not make tables in public" in refused.stderr
    assert made.returncode == 0, made.stderr
    assert loaded.returncode == 3, loaded.stderr
    assert system.query("SELECT sum(amount)::text, max(day)::text FROM public.orders") == [
        ("1240.06", "2026-12-31")
    ]


def test_the_definition_is_written_for_apply(system: System, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "datasets"
    folder.mkdir()
    words = (
        "datasets",
        "init",
        file,
        "--table",
        "public.written",
        "--name",
        "written",
        "-o",
        folder,
    )
    first, second = (_run(system, *words) for _ in range(2))

    assert first.returncode == 0, first.stderr
    assert yaml.safe_load((folder / "written.yaml").read_text())["table"] == "public.written"
    assert second.returncode != 0
    assert "is there already" in second.stderr
