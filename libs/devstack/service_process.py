"""Say how one of our services is run as a process, for the local stack, benchmarks and tests alike."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from libs.devstack.child_process import Command, import_path
from libs.devstack.os_user import Account


def service_command(name: str, environment: Mapping[str, str], logs: Path) -> Command:
    """Return how to start a service, whose output goes to a log of its name.

    What follows a hyphen in the name tells two of a kind apart. It runs as ourselves, only servers run as another
    account, and has the caller's environment (`ADSP_LOG_LEVEL` and the like) below the one given.
    """
    ours = {"PYTHONUNBUFFERED": "1", "ADSP_LOG_FORMAT": "json", **import_path()}
    return Command(
        name=name,
        # -P: the import path is PYTHONPATH alone, not what the current folder happens to hold.
        arguments=[sys.executable, "-P", "-m", f"services.{name.partition('-')[0]}.main"],
        environment={**os.environ, **ours, **environment},
        folder=logs,
        log=logs / f"{name}.log",
        account=Account(os.geteuid(), os.getegid()),
    )
