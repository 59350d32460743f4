"""A failpoint kills only when faults are enabled and it is named, and a token makes it strike once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from libs.common import failpoints
from libs.common.failpoints import FailPoint

TRY = "from libs.common.failpoints import *; failpoint(FailPoint.MID_COPY); print('alive')"


def _run(**variables: str) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(Path(failpoints.__file__).parents[2]), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", TRY],
        env={"PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_named_point_kills_the_process_when_faults_are_enabled() -> None:
    done = _run(ADSP_FAULTS="1", ADSP_FAILPOINTS="in-finish, mid-copy")

    assert done.returncode == -signal.SIGKILL
    assert done.stdout == ""


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"ADSP_FAILPOINTS": "mid-copy"},
        {"ADSP_FAULTS": "0", "ADSP_FAILPOINTS": "mid-copy"},
        {"ADSP_FAULTS": "1"},
        {"ADSP_FAULTS": "1", "ADSP_FAILPOINTS": "before-commit"},
    ],
)
def test_nothing_happens_unless_faults_are_enabled_and_the_point_is_named(
    variables: dict[str, str],
) -> None:
    done = _run(**variables)

    assert (done.returncode, done.stdout) == (0, "alive\n")


def test_a_token_is_good_for_one_crash(tmp_path: Path) -> None:
    variables = {
        "ADSP_FAULTS": "1",
        "ADSP_FAILPOINTS": "mid-copy",
        "ADSP_FAILPOINT_TOKENS": str(tmp_path),
    }
    (tmp_path / FailPoint.MID_COPY).touch()

    codes = [_run(**variables).returncode for _ in range(2)]

    assert codes == [-signal.SIGKILL, 0]


def test_a_name_that_is_no_point_is_refused() -> None:
    done = _run(ADSP_FAULTS="1", ADSP_FAILPOINTS="mid-cpoy")

    assert done.returncode == 1
    assert "'mid-cpoy' is not a valid FailPoint" in done.stderr
