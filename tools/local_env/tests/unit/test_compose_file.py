"""What the compose file gives the services, read without an engine."""

from typing import Any

import yaml

from tools.bootstrap.locations import ROOT


def test_failed_rows_wait_on_a_disk() -> None:
    """On the loader's small file system in memory, loads with a million failed rows never ended."""
    compose: Any = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    loader = compose["services"]["loader"]
    mounts = {inside: outside for outside, inside, *_ in (v.split(":") for v in loader["volumes"])}
    folder = loader["environment"]["ADSP_SPOOL_DIR"]

    assert mounts[folder] in compose["volumes"]
    assert not [path for path in loader["tmpfs"] if path.split(":")[0] == folder]
