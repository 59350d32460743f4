"""The command `adsp` against the whole system: what people do in the morning, in a terminal and in scripts."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.endtoend.system import REPOSITORY, System
from tests.endtoend.terminal import COLUMNS, Session, adsp, run_in_terminal

HEADER = "sku,name,category,price,quantity,updated_at\n"
GOOD = "SKU-1,lamp,tools,9.99,3,2026-01-01 00:00:00+00\n"
BAD = "SKU-2,lamp,tools,9.99,many,2026-01-01 00:00:00+00\n"
WORSE = "SKU-3,lamp,tools,-1.00,3,2026-01-01 00:00:00+00\n"

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Terminal = Callable[..., Session]


@pytest.fixture
def variables(system: System, tmp_path: Path) -> dict[str, str]:
    """Return the environment of the command: a home of its own, the system's api, no key."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ADSP_")}
    return kept | {
        "ADSP_API_URL": system.url,
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
        "TERM": "xterm-256color",
        "TMPDIR": str(tmp_path),
    }


@pytest.fixture
def run(variables: dict[str, str]) -> Run:
    """Return what runs the command as a script does."""

    def running(*words: str, **more: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            adsp(*words), env=variables, capture_output=True, text=True, check=False, **more
        )

    return running


@pytest.fixture
def terminal(variables: dict[str, str]) -> Terminal:
    """Return what runs the command in a terminal."""

    def running(*words: str, answers: Mapping[str, str] | None = None, **changed: str) -> Session:
        return run_in_terminal(adsp(*words), variables | changed, answers)

    return running


@pytest.fixture
def dataset(system: System, request: pytest.FixtureRequest) -> str:
    """Make a dataset of the test's own, and return its name."""
    name = "cli_" + re.sub(r"\W", "_", request.node.name.removeprefix("test_"))[:40]
    table = system.make_table(name)
    with system.client as client:
        client.put_dataset(name, {"table": table, "source": f"{name}-{{data_date}}.csv"})
    return name


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a file with one good record and two bad ones."""
    path = tmp_path / "items.csv"
    path.write_text(HEADER + GOOD + BAD + WORSE)
    return path


def test_a_load_its_rejects_their_correction_and_replay_in_a_terminal(
    system: System, terminal: Terminal, dataset: str, file: Path
) -> None:
    editor = "sed -i s/many/4/;s/-1.00/1.00/"

    loaded = terminal("load", str(file), "--dataset", dataset, "--watch")
    [job] = re.findall(r"job\s+([0-9a-f-]{36})$", loaded.text, re.MULTILINE)[:1]
    listed = terminal("jobs", "--dataset", dataset)
    reasons = terminal("rejects", job, "--by-reason")
    rows = terminal("rejects", job)
    edited = terminal("rejects", job, "--edit", EDITOR=editor)
    shown = terminal("job", job)
    logged = terminal("job", job, "--log")

    assert loaded.status == 3, loaded.text
    assert "3 read = 1 loaded + 2 rejected" in loaded.text
    assert f"adsp rejects {job} --by-reason" in loaded.text
    assert listed.lines[1].startswith(job)
    assert "completed_with_rejects" in listed.text
    assert (reasons.status, rows.status, shown.status, logged.status) == (0, 0, 0, 0)
    for service, event in (("worker", "job_planned"), ("loader", "chunk_loaded")):
        assert any(service in line and event in line for line in logged.lines), logged.text
    assert [line.split()[:3] for line in rows.lines[1:3]] == [
        ["3", "type-error", "quantity"],
        ["4", "check", "price"],
    ]
    assert (edited.status, "2 read = 2 loaded + 0 rejected" in edited.text) == (0, True), (
        edited.text
    )
    assert system.count(f"public.{dataset}") == 3
    for session in (listed, reasons, rows):
        assert max(map(len, session.lines)) <= COLUMNS, session.text


def test_an_edit_that_changes_nothing_loads_nothing_and_one_that_fails_keeps_its_file(
    system: System, run: Run, terminal: Terminal, dataset: str, file: Path, tmp_path: Path
) -> None:
    job = json.loads(run("load", str(file), "-d", dataset, "--watch", "--json").stdout)[0]["id"]

    unchanged = terminal("rejects", job, "--edit", EDITOR="true")
    given_up = terminal("rejects", job, "--edit", EDITOR="false")
    worse = terminal("rejects", job, "--edit", EDITOR="sed -i s/many/4,4/")
    [kept] = re.findall(r"kept in (\S+);", worse.text.replace("\n", ""))
    fixed = Path(kept).read_text().replace("4,4", "4")
    mode = Path(kept).stat().st_mode & 0o777
    Path(kept).write_text(fixed)
    applied = terminal("rejects", job, "--apply", kept)

    assert (unchanged.status, given_up.status, worse.status) == (5, 64, 1)
    assert "sheet-refused" in worse.text
    assert mode == 0o600
    assert applied.status == 0, applied.text
    assert system.count(f"public.{dataset}") == 1


def test_a_sheet_is_applied_checked_and_loaded_by_hand(
    system: System, run: Run, terminal: Terminal, dataset: str, file: Path, tmp_path: Path
) -> None:
    job = json.loads(run("load", str(file), "-d", dataset, "--watch", "--json").stdout)[0]["id"]
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(run("rejects", job, "--sheet").stdout.replace("many", "4", 1))

    applied = run("rejects", job, "--apply", str(sheet), "--json")
    again = terminal("rejects", job, "--apply", str(sheet))
    checked = run("rejects", job, "--check", "--json")
    before = system.count(f"public.{dataset}")
    loaded = terminal("rejects", job, "--replay")
    late = terminal("rejects", job, "--apply", str(sheet))

    assert (applied.returncode, json.loads(applied.stdout)["changed"]) == (0, 1)
    assert (again.status, "of 2 rows, 0 are corrected" in again.text) == (5, True), again.text
    [check] = json.loads(checked.stdout)
    assert (checked.returncode, check["state"], check["rows_loaded"]) == (3, "checked", 1)
    assert before == 1
    assert (loaded.status, system.count(f"public.{dataset}")) == (3, 2), loaded.text
    assert (late.status, "failed-rows-replayed" in late.text) == (1, True), late.text


def test_scripts_get_json_and_a_code_for_each_end(
    run: Run, dataset: str, file: Path, tmp_path: Path
) -> None:
    good = tmp_path / "good.csv"
    good.write_text(HEADER + GOOD)
    broken = tmp_path / "broken.csv"
    broken.write_text("sku,nonsense\n1,2\n")

    load = ("load", "--dataset", dataset, "--watch", "--json", "--date", "2026-01-02")
    first, again = run(*load, str(good)), run(*load, str(good))
    both = run(*load, str(good), str(file))
    failed = run(*load, str(broken))
    [job] = json.loads(first.stdout)
    rejected = json.loads(both.stdout)[1]["id"]
    reasons = json.loads(run("rejects", rejected, "--by-reason", "--json").stdout)
    sheet = run("rejects", rejected, "--csv").stdout
    unknown = run("job", "00000000-0000-7000-8000-000000000000")

    assert [done.returncode for done in (first, again, both, failed)] == [0, 5, 3, 4]
    assert (job["state"], job["data_date"], job["rows_loaded"]) == ("succeeded", "2026-01-02", 1)
    assert {(each["error_code"], each["rows"]) for each in reasons} == {
        ("unique", 1),
        ("type-error", 1),
        ("check", 1),
    }
    assert sheet.splitlines()[0].startswith("sku,name,category")
    assert len(sheet.splitlines()) == 4
    assert (unknown.returncode, "job-unknown" in unknown.stderr) == (1, True)


def test_a_check_exits_as_the_load_would_and_leaves_nothing(
    system: System, run: Run, dataset: str, file: Path
) -> None:
    checked = run("check", str(file), "--dataset", dataset)
    dry = json.loads(run("load", str(file), "-d", dataset, "--dry-run", "--watch", "--json").stdout)
    left = system.count(f"public.{dataset}")
    loaded = run("load", str(file), "--dataset", dataset, "--watch")

    assert (checked.returncode, loaded.returncode) == (3, 3)
    assert "nothing of it is in the table" in checked.stdout
    assert [(job["state"], job["rows_loaded"], job["dry_run"]) for job in dry] == [
        ("checked", 1, True)
    ]
    assert (left, system.count(f"public.{dataset}")) == (0, 1)


def test_where_there_is_no_bucket_nothing_is_sent_straight_to_it(
    run: Run, dataset: str, file: Path
) -> None:
    refused = run("load", str(file), "--dataset", dataset, "--direct")

    assert refused.returncode != 0
    assert "direct-uploads-off" in refused.stderr
    assert "ADSP_UPLOAD_STORE" in refused.stderr.replace("\n", "")


def test_a_replay_a_cancel_and_a_backfill(
    system: System, run: Run, dataset: str, file: Path, tmp_path: Path
) -> None:
    job = json.loads(run("load", str(file), "-d", dataset, "--watch", "--json").stdout)[0]["id"]
    corrected = tmp_path / "corrected.csv"
    corrected.write_text(HEADER + BAD.replace("many", "4"))
    for day in (1, 3):
        source = system.incoming / f"{dataset}-2026-01-0{day}.csv"
        source.write_text(HEADER + GOOD.replace("SKU-1", f"SKU-{day}00"))

    as_they_are = run("replay", job, "--watch")
    fixed = run("replay", job, str(corrected), "--watch")
    too_late = run("cancel", job)
    filled = run("backfill", dataset, "--from", "2026-01-01", "--to", "2026-01-03", "--watch")

    assert (as_they_are.returncode, fixed.returncode, too_late.returncode) == (3, 0, 1)
    assert "job-ended" in too_late.stderr
    assert filled.returncode == 4
    assert f"2026-01-02: there is no file '{dataset}-2026-01-02.csv'" in filled.stderr
    assert filled.stdout.count("succeeded") == 2


def test_a_folder_of_files_is_planned_confirmed_and_applied(
    system: System, run: Run, terminal: Terminal, dataset: str, tmp_path: Path
) -> None:
    folder = tmp_path / "datasets"
    folder.mkdir()
    shown = run("datasets", "show", dataset).stdout
    (folder / f"{dataset}.yaml").write_text(shown.replace("mode: append", "mode: replace"))
    (folder / f"{dataset}_two.yaml").write_text(f"table: public.{dataset}\n")

    differs = run("datasets", "diff", str(folder))
    refused = terminal("datasets", "apply", str(folder), answers={"Apply 2 changes?": "n"})
    applied = terminal("datasets", "apply", str(folder), answers={"Apply 2 changes?": "y"})
    equal = run("datasets", "diff", str(folder))
    again = run("datasets", "apply", str(folder))
    (folder / f"{dataset}_two.yaml").write_text("table: public.nowhere\n")
    impossible = run("datasets", "apply", str(folder), "--yes")

    assert (differs.returncode, refused.status, applied.status) == (3, 1, 0), applied.text
    assert re.search(r"^ +-mode: append\n +\+mode: replace$", differs.stdout, re.MULTILINE)
    assert f"create {dataset}_two" in differs.stdout
    assert (equal.returncode, again.returncode) == (0, 5), equal.stdout
    assert (impossible.returncode, "public.nowhere" in impossible.stdout) == (4, True)
    with system.client as client:
        assert client.dataset(dataset).definition["mode"] == "replace"
        assert client.dataset(f"{dataset}_two").definition["table"] == f"public.{dataset}"


def test_a_dataset_is_listed_paused_resumed_and_deleted(
    run: Run, terminal: Terminal, dataset: str
) -> None:
    paused = run("datasets", "pause", dataset)
    listed = json.loads(run("datasets", "list", "--json").stdout)
    resumed = run("datasets", "resume", dataset)
    table = terminal("datasets", "list")
    deleted = terminal("datasets", "delete", dataset, answers={"Delete the dataset": "y"})
    gone = run("datasets", "show", dataset)

    [mine] = [each for each in listed if each["name"] == dataset]
    assert (paused.returncode, resumed.returncode, deleted.status) == (0, 0, 0)
    assert mine["paused_at"] is not None
    assert max(map(len, table.lines)) <= COLUMNS
    assert (gone.returncode, "dataset-unknown" in gone.stderr) == (1, True)


def test_the_doctor_names_what_stands_between_its_user_and_a_load(
    system: System, run: Run, dataset: str
) -> None:
    well = run("doctor", "--dataset", dataset)
    system.execute(f"DROP TABLE public.{dataset}")
    ill = run("doctor", "--dataset", dataset)

    assert well.returncode == 0, well.stdout
    assert {
        "address",
        "api",
        "postgres",
        "rabbitmq",
        "redis",
        "connections",
        "clock",
        "key",
        "dataset",
    } <= {line.split()[1] for line in well.stdout.splitlines()[1:]}
    assert ill.returncode == 4
    assert re.search(rf"FAILED +dataset +.*{dataset}", ill.stdout)


def test_a_login_is_kept_and_completion_offers_what_is_there(
    system: System, terminal: Terminal, variables: dict[str, str], dataset: str
) -> None:
    url = variables.pop("ADSP_API_URL")
    nowhere = terminal("jobs")
    made = terminal("login", url, answers={"API key: ": "adsp_of_an_api_without_keys"})
    jobs = terminal("jobs")
    completion = {
        "_ADSP_COMPLETE": "complete_bash",
        "COMP_WORDS": f"adsp load x.csv --dataset {dataset[:8]}",
        "COMP_CWORD": "4",
    }
    offered = subprocess.run(
        adsp(), env=variables | completion, capture_output=True, text=True, check=False
    )

    assert (nowhere.status, made.status, jobs.status) == (64, 0, 0), made.text
    assert "adsp_of_an" not in made.text
    assert dataset in offered.stdout.split(), offered.stderr


def test_the_jobs_of_today_are_chosen_by_state_and_date(run: Run, dataset: str, file: Path) -> None:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    run("load", str(file), "-d", dataset, "--watch")

    found = run("jobs", "-d", dataset, "--state", "completed_with_rejects", "--date", today)
    none = run("jobs", "-d", dataset, "--state", "succeeded")

    assert len(found.stdout.splitlines()) == 2
    assert len(none.stdout.splitlines()) == 1


def test_keys_are_made_listed_and_revoked(run: Run) -> None:
    made = run("keys", "create", "--name", "night", "--owner", "me", "--scope", "read")
    key = made.stdout.strip()
    [shown] = [
        each for each in json.loads(run("keys", "list", "--json").stdout) if each["id"] in key
    ]
    revoked = run("keys", "revoke", shown["id"], "--json")

    assert re.fullmatch(r"adsp_[0-9a-f]{12}_[0-9a-f]{64}", key)
    assert (shown["name"], shown["scopes"], shown["revoked_at"]) == ("night", ["read"], None)
    assert json.loads(revoked.stdout)["revoked_at"]
    assert run("keys", "revoke", "0" * 12).returncode == 1
    assert run("keys", "create", "--name", "a", "--owner", "b", "--scope", "all").returncode == 64
