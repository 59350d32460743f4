"""The reference is what the code declares; a page that is stale is named, and written anew."""

import ast
import json
import re
from pathlib import Path

import pytest

from libs.common.enums import END_STATES, ErrorCode, WarningCode
from libs.common.messaging.stage_metrics import STAGES
from libs.common.settings import MessagingSettings
from services.cli.exit_codes import ExitCode
from tools.reference import adsp, cli, error_codes, events, metrics, pages, settings
from tools.reference.markdown import table
from tools.reference.source_code import calls, member_docs, words_of


def test_a_page_that_is_missing_or_changed_is_named_and_written(tmp_path: Path) -> None:
    first, second, *rest = pages.PAGES
    pages.write(tmp_path)
    (tmp_path / first).unlink()
    (tmp_path / second).write_text("otherwise")

    found = pages.stale(tmp_path)
    changed = pages.write(tmp_path)

    assert rest
    assert found == changed == [first, second]
    assert pages.stale(tmp_path) == []


def test_every_setting_is_listed_with_its_default_and_meaning() -> None:
    shown = settings.page()

    for declared in settings.SERVICES.values():
        for name, field in declared.model_fields.items():
            assert f"| `ADSP_{name.upper()}` |" in shown
            assert field.description
            assert field.description in shown.replace("\\|", "|")
    assert settings.page().count("**none, needed**") == 3


def test_a_setting_is_shown_with_type_bounds_and_default() -> None:
    found = {each.variable: each for each in settings.settings_of(MessagingSettings)}

    assert found["ADSP_PUBLISH_TIMEOUT"][1:3] == ("number, > `0`", "`5`")
    assert found["ADSP_REDIS_URL"][1:3] == ("text", "**none, needed**")


def test_a_metric_that_the_page_would_not_show_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        "| `adsp_jobs_total` | counter | `dataset`, `trigger`, `state` | worker |" in metrics.page()
    )
    monkeypatch.setattr(metrics, "POSTPONED", STAGES)

    with pytest.raises(LookupError, match="adsp_chunks_postponed_total"):
        metrics.page()


def test_every_end_of_a_job_is_an_event_and_the_others_have_fields_of_their_own() -> None:
    shown = events.page()
    [example] = re.findall(r"```json\n(.*?)```", shown, re.DOTALL)

    assert all(f"`job.{state}`" in shown for state in END_STATES)
    assert "| `job.late` | a job begins to wait for its source | `waits_until` |" in shown
    assert "`path`, `bytes_loaded`, `bytes_now`" in shown
    assert json.loads(example)["rows_read"] == 10_000
    assert "| `chunk_loaded` | info |" in shown


def test_every_code_is_listed_with_stage_status_or_meaning() -> None:
    shown = error_codes.page()

    assert all(f"| `{each}` | " in shown for each in [*ErrorCode, *WarningCode])
    assert "| `foreign-key` | constraint | `23503` |" in shown
    for name, status in (
        ("job-unknown", "404"),
        ("jobs-unfinished", "409"),
        ("shrunk", "422"),
        ("key-missing", "401"),
        ("database-away", "503"),
        ("spool-full", ""),
        ("sequence-exhausted", ""),
    ):
        assert f"| `{name}` | {status} |" in shown


def test_every_command_is_listed_with_its_options_each_time() -> None:
    shown = cli.page()

    assert "| `keys.create` | Make an API key" in shown
    assert "`--job` (needed): The job's id." in shown
    assert cli.page() == shown


def test_a_cell_of_a_table_stays_a_cell() -> None:
    assert table(["a", "b"], [["x | y", "1\n2"]]) == "| a | b |\n|---|---|\n| x \\| y | 1 2 |\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("'plain'", "plain"),
        ("f'job {job_id} is {state}'", "job … is …"),
        ("'a, ' + 'b'", "a, b"),
        ("reason", "…"),
    ],
)
def test_words_are_read_with_a_sign_for_what_is_known_later(text: str, words: str) -> None:
    assert words_of(ast.parse(text, mode="eval").body) == words


def test_a_member_without_words_below_it_has_none() -> None:
    assert member_docs(ErrorCode).keys() == set(ErrorCode.__members__)
    assert member_docs(type(next(iter(END_STATES)))) == {}


def test_calls_know_what_a_variable_was_set_to_before_them() -> None:
    [json_only] = [
        call
        for call in calls({"problem_response"})
        if any(words_of(each) == "malformed-json" for each in call.node.args)
    ]

    assert words_of(json_only.arguments[-1]).startswith("the body is not JSON")


def test_every_command_of_adsp_is_listed_with_its_options_and_every_exit_code() -> None:
    shown = adsp.page()

    for command in ("load", "rejects", "datasets apply", "doctor"):
        assert f"## adsp {command}\n" in shown
    assert "--by-reason" in shown
    assert all(f"| `{each.value}` | " in shown for each in ExitCode)


def test_the_schema_is_kept_as_json_without_a_note() -> None:
    assert json.loads((pages.FOLDER / "dataset.schema.json").read_text())["title"]
