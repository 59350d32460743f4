"""Let clients send files straight to the store of uploads, and make jobs of what has come.

    announce ──► <folder>/<name> ◄──PUT, signed── client ──► claim: look, copy ──► <new folder>/<name> ──► job

A signed URL can be used until it expires, also after the job was made: so the job loads a copy, of a name for which
nothing was ever signed.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from libs.common.errors import Conflict, SourceError
from libs.common.ids import uuid7
from libs.common.ledger.datasets import find_dataset
from libs.common.ledger.jobs import JobRequest, find_job
from libs.common.ledger.models import DirectUpload
from libs.common.logs import get_logger
from libs.common.sources.stores.locations import RemoteFile
from libs.common.sources.stores.retries import asking_once
from libs.common.sources.stores.search import locate
from libs.common.sources.stores.store import SignedPut, StoreFault
from libs.common.sources.upload_folders import upload_folder
from services.api.dependencies import Dependencies
from services.api.errors.problems import ProblemError
from services.api.idempotency import KeyedRequest, find_earlier
from services.api.limits.quotas import require_room
from services.api.security.caller import Caller
from services.api.settings import ApiSettings
from services.api.submission import OutcomeUnknown, Submission, submit_job
from services.api.uploads.announced_uploads import add_announced, find_announced
from services.api.uploads.shared_uploads import remove_shared, store_unusable
from services.api.uploads.upload_area import safe_filename, too_large

log = get_logger(__name__)

MOST_AT_ONCE = 5_000 << 20
"""Bytes that each kind of store takes in one request, and copies in one (S3: 5 GiB, Azure: 5,000 MiB)."""


class Announced(NamedTuple):
    """An upload that was announced, and the request that sends its file; whoever knows the URL can."""

    upload_id: UUID
    put: SignedPut
    expires_at: datetime


def announce(
    dependencies: Dependencies, caller: Caller, dataset: str, filename: str | None, size: int
) -> Announced:
    """Name a place in the store for a file of a dataset and sign the request that puts it there."""
    settings = dependencies.settings
    store = _require_store(settings)
    _refuse_size(settings, size)
    upload_id = uuid7()
    upload = DirectUpload(
        id=upload_id,
        owner=caller.owner,
        dataset=dataset,
        url=f"{store}{upload_folder(upload_id)}/{safe_filename(filename)}",
        bytes=size,
    )
    lasts = timedelta(seconds=settings.upload_url_seconds)
    with dependencies.sessions() as session:
        find_dataset(session, dataset)
        require_room(session, settings, caller.owner, size)
    expires_at = datetime.now(UTC) + lasts
    put = _sign(settings, upload.url, lasts)
    with dependencies.sessions.begin() as session:
        add_announced(session, caller, upload)
    log.info("upload_announced", upload_id=str(upload_id), dataset=dataset, bytes=size)
    return Announced(upload_id, put, expires_at)


def claim(
    dependencies: Dependencies,
    caller: Caller,
    upload_id: UUID,
    request_for: Callable[[str, str], JobRequest],
    keyed: KeyedRequest | None,
) -> Submission:
    """Make the job that loads an upload, or return the one that the key made before.

    `request_for` returns what is asked for, given a dataset and a source.
    """
    with dependencies.sessions() as session:
        earlier = find_earlier(session, keyed.of_owner(caller.owner)) if keyed else None
        if earlier is not None:
            job = find_job(session, earlier)
            caller.require(job.dataset)
            return Submission(job, is_repeat=True)
        upload = find_announced(session, caller, upload_id)
        require_room(session, dependencies.settings, caller.owner, is_announced=True)
    source = _copy_whole(dependencies.settings, upload)
    try:
        submission = submit_job(
            dependencies,
            caller.actor,
            request_for(upload.dataset, source),
            keyed,
            upload.bytes,
            announced=upload_id,
        )
    except OutcomeUnknown:
        raise
    except BaseException:
        remove_shared(dependencies.settings, source)
        raise
    remove_shared(dependencies.settings, source if submission.is_repeat else upload.url)
    return submission


def _require_store(settings: ApiSettings) -> str:
    if settings.upload_store is None:
        raise Conflict(
            "direct-uploads-off",
            "this api keeps uploads in a folder, to which nothing but itself can write; send the file to "
            "POST /v1/datasets/{name}/uploads, or set ADSP_UPLOAD_STORE to a folder of a bucket",
        )
    return settings.upload_store


def _refuse_size(settings: ApiSettings, size: int) -> None:
    if size > settings.max_upload_bytes:
        raise too_large(settings.max_upload_bytes)
    if size > MOST_AT_ONCE:
        raise ProblemError(
            413,
            "upload-too-large",
            f"stores take at most {MOST_AT_ONCE} bytes in one request; send the file compressed, or to "
            "POST /v1/datasets/{name}/uploads",
        )


def _sign(settings: ApiSettings, url: str, lasts: timedelta) -> SignedPut:
    try:
        place = locate(url, settings.connections)
        return place.store.sign_put(place.key, lasts)
    except SourceError as exc:
        if exc.code == "store-cannot-sign":
            raise
        raise store_unusable(exc) from exc


def _copy_whole(settings: ApiSettings, upload: DirectUpload) -> str:
    """Copy the file to a place of its own, if it is there and whole, and return the copy's URL."""
    store = _require_store(settings)
    target = _locate(settings, f"{store}{upload_folder(uuid7())}/{upload.url.rpartition('/')[2]}")
    place = _find_sent(settings, upload, target)
    _require_size(place, upload)
    try:
        place.store.copy(place.key, target.key)
        _require_size(target, upload)
    except BaseException as exc:
        # Also where no answer came, it may have been made.
        with asking_once():
            remove_shared(settings, target.url)
        if isinstance(exc, SourceError | StoreFault):
            raise store_unusable(exc) from exc
        raise
    return target.url


def _find_sent(settings: ApiSettings, upload: DirectUpload, target: RemoteFile) -> RemoteFile:
    """Return where the file was to be sent, which must be the store that copies it to `target`."""
    place = None
    with suppress(SourceError):
        place = locate(upload.url, settings.connections)
    if place is None or place.store.name != target.store.name:
        raise Conflict(
            "upload-missing",
            f"upload {upload.id} was announced before the api's ADSP_UPLOAD_STORE was changed; announce it again with "
            "POST /v1/uploads, and send the file",
        )
    return place


def _locate(settings: ApiSettings, url: str) -> RemoteFile:
    try:
        return locate(url, settings.connections)
    except SourceError as exc:
        raise store_unusable(exc) from exc


def _require_size(place: RemoteFile, upload: DirectUpload) -> None:
    """Raise the problem unless the file is there with the size that was announced."""
    try:
        size = place.store.stat(place.key).size
    except StoreFault as exc:
        raise store_unusable(exc) from exc
    except SourceError as exc:
        if exc.code != "source-missing":
            raise store_unusable(exc) from exc
        raise Conflict(
            "upload-missing",
            f"nothing has come of upload {upload.id}; send the file to its URL first, or announce it again with "
            "POST /v1/uploads where that has expired",
        ) from exc
    if size != upload.bytes:
        raise Conflict(
            "upload-incomplete",
            f"upload {upload.id} has {size} bytes in the store and was announced with {upload.bytes}; send the whole "
            "file to its URL again, or announce it with its size",
        )
