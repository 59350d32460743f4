"""Have the failed rows of a job corrected in an editor, and load them.

    records as in the source ──► $VISUAL, $EDITOR or vi ──► changed? ──► replay ──► its end

The file stays where it is unless every row was loaded: nobody corrects a hundred records twice.
"""

import hashlib
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import typer

from libs.client.client import Client
from libs.client.models import RowFilters
from services.cli.exit_codes import ExitCode
from services.cli.loads import finish
from services.cli.options import DAY_SECONDS
from services.cli.output import say


def edit_and_replay(client: Client, job_id: str, filters: RowFilters, *, as_json: bool) -> ExitCode:
    """Have the records that the filters leave edited, load them as a replay, and return what to exit with."""
    path = _exported(client, job_id, filters)
    before = _digest(path)
    _edit(path)
    if _digest(path) == before:
        path.unlink()
        say("nothing was changed, nothing is loaded")
        return ExitCode.NOTHING_TO_DO
    code = ExitCode.FAILED
    try:
        made = client.replay(job_id, path)
        code = finish(client, [made], DAY_SECONDS, as_json=as_json)
    finally:
        if code is ExitCode.OK:
            path.unlink()
        else:
            say(f"the corrected records are kept in {path}")
    return code


def _exported(client: Client, job_id: str, filters: RowFilters) -> Path:
    """Write the failed rows, as they stand in their source, to a file for the user alone."""
    number, name = tempfile.mkstemp(prefix=f"adsp-{job_id}-", suffix=".csv")
    with os.fdopen(number, "wb") as file:
        left_out = client.export_failed_rows(job_id, file, form="source", **filters)
    if left_out:
        say(
            f"{left_out} records are left out: only their start is kept; correct them in the source"
        )
    return Path(name)


def _edit(path: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        status = subprocess.run([*shlex.split(editor), path], check=False).returncode
    except OSError as exc:
        raise typer.BadParameter(f"the editor {editor!r} cannot be started ({exc})") from exc
    if status:
        raise typer.BadParameter(
            f"the editor {editor!r} ended with {status}: nothing is loaded; see {path}"
        )


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
