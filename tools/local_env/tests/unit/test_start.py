"""What a stack needs is said before anything is started."""

from pathlib import Path

import pytest

from libs.devstack.binaries import RABBITMQ_VARIABLE
from libs.devstack.errors import ServerMissingError
from tools.local_env.layout import Layout
from tools.local_env.start import start_local_stack


def test_without_rabbitmq_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RABBITMQ_VARIABLE, "/nowhere/rabbitmq-server")

    with pytest.raises(ServerMissingError, match="apt-get install"):
        start_local_stack(Layout(tmp_path / "local"))
    assert list(tmp_path.iterdir()) == []
