"""Locks exclude each other, survive the deletion of their file, and end with their holder."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from libs.devstack.file_locks import EXCLUSIVE, SHARED, held, is_held, try_hold
from libs.devstack.testing.waiting import wait_for

_HOLDER = """
import signal, sys
from pathlib import Path
from libs.devstack.file_locks import EXCLUSIVE, held
with held(Path(sys.argv[1]), EXCLUSIVE):
    signal.pause()
"""


def test_a_shared_lock_lets_others_share_but_nobody_exclude(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with held(lock, SHARED), held(lock, SHARED):
        assert try_hold(lock, EXCLUSIVE) is None
        assert is_held(lock)
    assert not is_held(lock)


def test_a_lock_makes_its_folder(tmp_path: Path) -> None:
    with held(tmp_path / "new" / "lock", EXCLUSIVE):
        assert (tmp_path / "new" / "lock").exists()


def test_looking_at_a_lock_does_not_make_it(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()


def test_a_deleted_lock_is_made_anew_and_not_confused_with_the_old_one(tmp_path: Path) -> None:
    lock = tmp_path / "folder" / "lock"
    with held(lock, EXCLUSIVE):
        shutil.rmtree(lock.parent)
        descriptor = try_hold(lock, EXCLUSIVE)

        assert descriptor is not None
        os.close(descriptor)


def test_a_killed_holder_frees_its_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _HOLDER, str(lock)]
    with subprocess.Popen(command, env=environment) as holder:
        wait_for(lambda: is_held(lock), 20, "the other process holds the lock")
        holder.send_signal(signal.SIGKILL)
    assert not is_held(lock)
