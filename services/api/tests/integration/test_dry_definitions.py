"""What a dataset would be: a PUT with `dry_run`, and the schema that editors check its file by."""

import httpx
import pytest

from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.json_schema import DIALECT
from services.api.tests.integration.api_bench import Ledger, SettingsWith, problem_of, serving

PATH = "/v1/datasets/items"
DRY = {"dry_run": "true"}


def test_a_dry_run_shows_what_would_be_and_stores_nothing(
    client: httpx.Client, ledger: Ledger
) -> None:
    shown = client.put(PATH, json={"table": "public.items"}, params=DRY)

    assert shown.status_code == 200
    assert (shown.json()["version"], shown.json()["mode"]) == (1, "append")
    assert "location" not in shown.headers
    assert ledger.execute("SELECT count(*) FROM adsp.datasets") == [(0,)]
    assert ledger.execute("SELECT count(*) FROM adsp.dataset_versions") == [(0,)]


def test_a_dry_run_of_a_change_leaves_the_dataset_as_it_is(client: httpx.Client) -> None:
    stored = client.put(PATH, json={"table": "public.items"}).json()

    shown = client.put(
        PATH, json={"table": "public.items", "mode": "upsert", "key": ["sku"]}, params=DRY
    ).json()

    assert (shown["version"], shown["mode"]) == (2, "upsert")
    assert client.get(PATH).json() == stored


@pytest.mark.parametrize(
    "body", [{"table": "public.nowhere"}, {"table": "public.items", "mode": "upsert"}]
)
def test_a_dry_run_refuses_what_a_put_refuses(client: httpx.Client, body: dict[str, str]) -> None:
    dry, real = client.put(PATH, json=body, params=DRY), client.put(PATH, json=body)

    assert problem_of(dry) == problem_of(real)


def test_the_schema_is_there_for_anyone_and_is_that_of_the_definition(
    settings_with: SettingsWith,
) -> None:
    with serving(settings_with(auth=True)) as client:
        answer = client.get("/schemas/dataset.json")

    schema = answer.json()
    assert answer.headers["content-type"] == "application/schema+json"
    assert (schema["$schema"], schema["additionalProperties"]) == (DIALECT, False)
    assert set(schema["properties"]) == set(DatasetDefinition.model_fields)
    assert all("description" in schema["properties"][name] for name in ("table", "source"))
