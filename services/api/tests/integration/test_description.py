"""The api keeps to its own description, whatever it is asked: no fault, no answer that is not announced.

Schemathesis makes the requests from the OpenAPI document, right ones and wrong ones, by a fixed seed, for a fixed time.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from libs.common.ledger.api_keys import ApiKey
from libs.devstack.testing.databases import ScratchDatabase
from services.api.tests.integration.api_bench import ITEMS, Ledger, SettingsWith, serving

SEED = 20260101
SECONDS = 40
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
)


@pytest.fixture
def admin_key(clean_database: ScratchDatabase, ledger: Ledger) -> str:
    """Put a key with all rights on record."""
    key = ApiKey.make()
    ledger.execute(
        "INSERT INTO adsp.api_keys (id, name, owner, scopes, digest)"
        " VALUES (%s, 'fuzzer', 'fuzzer', '{admin}', %s)",
        key.id,
        key.digest,
    )
    return key.text


def test_the_api_answers_as_its_description_says(
    settings_with: SettingsWith, admin_key: str, root: Path, tmp_path: Path
) -> None:
    settings = settings_with(auth=True)
    (root / "items-2026-01-02.csv").write_text("sku,name,category,price,quantity,updated_at\n")
    with serving(settings) as client:
        header = {"Authorization": f"Bearer {admin_key}"}
        assert client.put("/v1/datasets/items", json=ITEMS, headers=header).status_code == 201
        command = [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            f"{client.base_url}/openapi.json",
        ]
        command += [f"--header=Authorization: Bearer {admin_key}", f"--checks={','.join(CHECKS)}"]
        command += [
            f"--seed={SEED}",
            f"--max-time={SECONDS}",
            "--continue-on-failure",
            "--exclude-path-regex=/events$",  # a stream ends after ten minutes
            "--no-color",
        ]
        command += ["--generation-database=none", "--suppress-health-check=all", "--warnings=off"]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=4 * SECONDS, check=False
        )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
