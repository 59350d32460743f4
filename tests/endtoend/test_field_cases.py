"""Each case from the field comes to its right end through the REST API."""

from datetime import date
from typing import Any

import pytest

from libs.client.client import Client
from libs.client.errors import RefusedRequest
from libs.client.models import Job
from libs.devstack.testing.waiting import wait_for
from tests.endtoend.feed import codes
from tests.endtoend.field_cases import DELIVERIES, PLAIN, RECORDS, Case, Step
from tests.endtoend.field_columns import COLUMNS
from tests.endtoend.field_formats import FORMATS, SAID
from tests.endtoend.field_snapshots import SNAPSHOTS
from tests.endtoend.system import System


def _filled(value: Any, table: str) -> Any:
    """Return a definition with the table's name in its texts."""
    if isinstance(value, dict):
        return {key: _filled(each, table) for key, each in value.items()}
    return value.format(table=table) if isinstance(value, str) else value


def _write(system: System, name: str, data: str | bytes) -> None:
    content = data if isinstance(data, bytes) else data.encode()
    aside = system.incoming / f"{name}.part"
    aside.write_bytes(content)
    aside.rename(system.incoming / name)


def _has_looked(system: System, job_id: str) -> bool:
    """Return whether a job has seen that its source is not there, or not whole."""
    statement = "SELECT state = 'waiting' OR seen_identity IS NOT NULL FROM adsp.jobs WHERE id = %s"
    return bool(system.query(statement, job_id)[0][0])


def _do(
    system: System, client: Client, dataset: str, definition: dict[str, Any], step: Step
) -> Job:
    """Send a step's file for its day and return the job when it is over."""
    table = dataset
    if step.options:
        definition.update(step.options)
        client.put_dataset(dataset, definition)
    if step.sql is not None:
        system.execute(step.sql.format(table=table))
    for name, data in step.before.items():
        _write(system, name.format(table=table), data)
    name = step.name.format(table=table)
    if not step.late:
        _write(system, name, step.data)
    job = client.submit(dataset=dataset, data_date=step.data_date)
    if step.late:
        wait_for(lambda: _has_looked(system, job.id), 30, "the job has looked")
        _write(system, name, step.data)
    return system.wait_over(job)


@pytest.mark.parametrize(
    "case",
    [*DELIVERIES, *RECORDS, *FORMATS, *SNAPSHOTS, *COLUMNS],
    ids=lambda case: case.name,
)
def test_a_case_from_the_field_ends_as_it_must(system: System, case: Case) -> None:
    short = "field_" + "".join(letter if letter.isalnum() else "_" for letter in case.name.lower())
    table = f"public.{short}"
    system.execute(
        f"{case.ddl.format(table=table)};"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO adsp_loader"
    )
    definition = _filled({"source": "{table}.csv"} | case.definition, short) | {"table": table}
    with system.client as client:
        client.put_dataset(short, definition)

        jobs = [_do(system, client, short, definition, step) for step in case.steps]

        failed = [
            {row.line_number: (row.error_code, row.sqlstate) for row in rows}
            for rows in (client.failed_rows(job.id) for job in jobs)
        ]
    assert [job.state for job in jobs] == [step.state for step in case.steps], jobs
    assert [job.error_code for job in jobs] == [s.error for s in case.steps]
    assert SAID.get(case.name, "") in jobs[-1].error_message
    assert failed == [step.failed for step in case.steps]
    warned = [step.warnings for step in case.steps]
    assert [codes(job) for job in jobs] == warned, [job.warnings for job in jobs]
    order = 'ORDER BY 1, t::text COLLATE "C"'
    assert system.query(f"SELECT * FROM {table} AS t {order}") == case.rows


def test_what_is_said_about_a_refused_file_is_of_a_case() -> None:
    assert SAID.keys() <= {case.name for case in FORMATS}


def test_every_trigger_means_the_day_of_the_schedules_zone(system: System) -> None:
    """The case `two-time-zones`: at any moment, the days of these two zones differ."""
    dates: dict[str, set[date]] = {}
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        name = "field_" + zone.split("/")[1].lower()
        system.execute(f"{PLAIN.format(table=name)}; GRANT SELECT, INSERT ON {name} TO adsp_loader")
        _write(system, f"{name}.csv", "id,v\n1,a\n")
        schedule = {"cron": "* * * * *", "time_zone": zone}
        with system.client as client:
            client.put_dataset(
                name, {"table": f"public.{name}", "source": f"{name}.csv", "schedule": schedule}
            )
            client.submit(dataset=name)
            client.trigger(dataset=name)
            client.load(name, system.incoming / f"{name}.csv")
            system.execute(
                f"UPDATE adsp.datasets SET last_due_at = now() - interval '1 minute' WHERE name = '{name}'"
            )

            def jobs(client: Client = client, name: str = name) -> list[Job]:
                items = list(client.jobs(dataset=name))
                return items if {job.trigger for job in items} >= {"schedule"} else []

            made = wait_for(jobs, 30, "the schedule has made a job")
        dates[zone] = {job.data_date for job in made}

    assert [len(each) for each in dates.values()] == [1, 1]
    assert max(dates["Pacific/Kiritimati"]) > max(dates["Pacific/Pago_Pago"])


@pytest.mark.parametrize("cron", ["30 6 * * * *", "0 30 6 * * *", "* * * *"])
def test_a_cron_that_has_not_five_fields_is_refused(system: System, cron: str) -> None:
    definition = {"table": "public.items", "source": "t.csv", "schedule": {"cron": cron}}
    with system.client as client, pytest.raises(RefusedRequest, match="five fields") as refused:
        client.put_dataset("field-cron", definition)

    assert refused.value.status == 422


def test_after_the_grant_the_same_file_loads_without_force(system: System) -> None:
    """The case `audit-trigger-without-grant`: a fault of the job is no delivery."""
    [case] = [each for each in RECORDS if each.name.startswith("a trigger")]
    system.execute(case.ddl.format(table="field_granted"))
    system.execute("GRANT SELECT, INSERT, UPDATE ON field_granted TO adsp_loader")
    _write(system, "field_granted.csv", case.steps[0].data)
    with system.client as client:
        client.put_dataset(
            "field_granted",
            {"table": "public.field_granted", "source": "field_granted.csv", **case.definition},
        )
        refused = system.wait_over(client.submit(dataset="field_granted"))
        system.execute("GRANT INSERT ON field_granted_log TO adsp_loader")
        loaded = system.wait_over(client.submit(dataset="field_granted"))

    assert (refused.state, refused.attempt) == ("failed", 1)
    assert "field_granted_log" in refused.error_message
    assert (loaded.state, loaded.rows_loaded) == ("succeeded", 2)


def test_big_files_do_not_block_a_small_one(system: System) -> None:
    """The case `two-big-files-block-the-small`: a lock makes the big ones last, and a third waits."""
    rows = 100_000
    for name in ("big", "small"):
        system.execute(
            f"{PLAIN.format(table='field_' + name)}; GRANT SELECT, INSERT ON field_{name} TO adsp_loader"
        )
    _write(system, "field_small.csv", "id,v\n1,a\n")
    for number in range(3):
        lines = (f"{row},file {number}\n" for row in range(rows))
        _write(system, f"field_big_{number}.csv", "id,v\n" + "".join(lines))
    with system.client as client:
        client.put_dataset("field_big", {"table": "public.field_big"})
        client.put_dataset(
            "field_small", {"table": "public.field_small", "source": "field_small.csv"}
        )
        with system.holding("LOCK TABLE public.field_big"):
            big = [
                client.submit(dataset="field_big", source=f"field_big_{number}.csv")
                for number in range(3)
            ]
            chunks = "adsp.chunks JOIN adsp.jobs ON id = job_id WHERE dataset = 'field_big'"
            loading = f"{chunks} AND chunks.state = 'running'"
            wait_for(lambda: system.count(loading) == 2, 60, "two big files are being loaded")
            wait_for(lambda: system.count(chunks) == 3, 60, "the third one is planned")

            small = system.wait_over(client.submit(dataset="field_small"))

            assert small.state == "succeeded"
            assert system.count(loading) == 2

    assert [system.wait_over(job).rows_loaded for job in big] == [rows] * 3
