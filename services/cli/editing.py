"""Have the failed rows of a job corrected in a file, by way of the draft that all who correct them share.

    sheet of the draft ──► $VISUAL, $EDITOR or vi ──► changed? ──► draft ──► check, or replay ──► its end

What was edited stays where it is unless the draft has taken it: nobody corrects a hundred rows twice.
"""

import hashlib
import os
import shlex
import subprocess
import tempfile
from enum import Enum
from pathlib import Path

import typer

from libs.client.client import Client
from libs.client.corrections import UploadedSheet
from libs.client.models import RowFilters
from services.cli.exit_codes import ExitCode
from services.cli.loads import finish
from services.cli.options import DAY_SECONDS
from services.cli.output import say, show_json


class Then(Enum):
    """What is done with a draft when it is written."""

    NOTHING = "nothing"
    CHECK = "check"
    REPLAY = "replay"


def edit_draft(
    client: Client, job_id: str, filters: RowFilters, then: Then, *, as_json: bool
) -> ExitCode:
    """Have the rows that the filters leave edited, and go on with the draft; return what to exit with."""
    path = _exported(client, job_id, filters)
    before = _digest(path)
    _edit(path)
    taken = None
    try:
        if _digest(path) != before:
            taken = client.corrections(job_id).upload(path)
    except BaseException:
        say(
            f"what was edited is kept in {path}; once it is right: adsp rejects {job_id} --apply {path}"
        )
        raise
    path.unlink()
    if taken is None or not _has_changed(taken):
        say("nothing was changed, nothing is loaded")
        return ExitCode.NOTHING_TO_DO
    return use_draft(client, job_id, then, as_json=as_json)


def apply_sheet(client: Client, job_id: str, path: Path, then: Then, *, as_json: bool) -> ExitCode:
    """Write a corrected sheet into the draft, and go on with it; return what to exit with."""
    taken = client.corrections(job_id).upload(path)
    if not as_json:
        say(
            f"of {taken.rows:,} rows, {taken.changed:,} are corrected in the draft now, and the corrections of "
            f"{taken.removed:,} are taken back"
        )
    if then is not Then.NOTHING:
        return use_draft(client, job_id, then, as_json=as_json)
    if as_json:
        show_json(taken)
    return ExitCode.OK if _has_changed(taken) else ExitCode.NOTHING_TO_DO


def use_draft(client: Client, job_id: str, then: Then, *, as_json: bool) -> ExitCode:
    """Check the draft of a job or load it, and return what to exit with."""
    draft = client.corrections(job_id)
    made = draft.check() if then is Then.CHECK else draft.replay()
    return finish(client, [made], DAY_SECONDS, as_json=as_json)


def _has_changed(taken: UploadedSheet) -> bool:
    return taken.changed + taken.removed > 0


def _exported(client: Client, job_id: str, filters: RowFilters) -> Path:
    """Write the sheet of the failed rows to a file for the user alone."""
    number, name = tempfile.mkstemp(prefix=f"adsp-{job_id}-", suffix=".csv")
    with os.fdopen(number, "wb") as file:
        client.corrections(job_id).export(file, **filters)
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
