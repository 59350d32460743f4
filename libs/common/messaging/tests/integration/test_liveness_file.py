"""The heartbeat file tells a consumer at work from one that hangs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from libs.common.messaging.liveness_file import HEARTBEAT_SECONDS
from libs.common.messaging.tests.integration import probe as probe_module
from libs.devstack.testing.vhosts import ScratchVhost
from libs.devstack.testing.waiting import wait_for

MISSED = 3 * HEARTBEAT_SECONDS


def test_the_file_is_touched_while_messages_are_consumed_and_ages_while_the_process_hangs(
    own_vhost: ScratchVhost, redis_url: str, tmp_path: Path
) -> None:
    heartbeat = tmp_path / "heartbeat"
    settings = {
        "ADSP_BROKER_URL": own_vhost.url,
        "ADSP_REDIS_URL": redis_url,
        "ADSP_HEARTBEAT_FILE": str(heartbeat),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    arguments = [sys.executable, "-m", probe_module.__name__, str(tmp_path)]
    with subprocess.Popen(arguments, env={**os.environ, **settings}) as worker:
        try:
            wait_for(heartbeat.exists, 30, "the first beat")
            first = heartbeat.stat().st_mtime
            wait_for(lambda: heartbeat.stat().st_mtime > first, MISSED, "the next beat")

            worker.send_signal(signal.SIGSTOP)
            wait_for(lambda: _age(heartbeat) > MISSED, 5 * MISSED, "missed beats")
            hung = heartbeat.stat().st_mtime
            worker.send_signal(signal.SIGCONT)

            wait_for(lambda: heartbeat.stat().st_mtime > hung, 5 * MISSED, "a beat after the hang")
        finally:
            worker.kill()


def _age(file: Path) -> float:
    return time.time() - file.stat().st_mtime
