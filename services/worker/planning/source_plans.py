"""Look at a job's source and write its plan: header, columns, chunks.

    one file        find ──► fingerprint ──► claim ──► header, target, chunks ──► ledger
    a large one     find ──► claim, as no other has its size ──► header, target, one chunk ──► ledger
    several files   find ──► fingerprint each ──► claim what is not loaded ──► one header ──► one chunk

Nothing here decides what becomes of a job whose source is not right: that is `job_plan`, which calls it.
"""

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.orm import Session

from libs.common.csv.chunk_boundaries import Boundary
from libs.common.csv.header import with_names
from libs.common.csv.stored_header import describe_header
from libs.common.datasets.definition import DatasetDefinition
from libs.common.enums import SENT_WHOLE, JobState, SourceMatch
from libs.common.errors import SourceError
from libs.common.ledger.dry_runs import fingerprint_of_dry_run
from libs.common.ledger.jobs import lock_job
from libs.common.ledger.models import Job
from libs.common.ledger.replays import fingerprint_of_replay
from libs.common.ledger.unread_content import fingerprint_of_unread
from libs.common.logs import get_logger
from libs.common.sources.regular_files import SourceIdentity
from libs.common.sources.stores.locations import Location
from services.worker.dependencies import WorkerContext
from services.worker.planning.arrival import find_all_whole, find_whole
from services.worker.planning.chunking import (
    DueChunks,
    find_unfinished,
    release_chunks,
    require_alike,
    take_over_chunks,
    write_chunks,
)
from services.worker.planning.claiming import claim_content, claim_unread
from services.worker.planning.comparison import compare_with_loads
from services.worker.planning.job_files import (
    fingerprint_of,
    identify_files,
    note_headers,
    read_files,
    read_seen_files,
)
from services.worker.planning.remembered_fingerprint import describe_content, known_fingerprint
from services.worker.planning.source_inspection import (
    Columns,
    Inspected,
    inspect_file,
    inspect_files,
    needs_order,
)
from services.worker.planning.source_scan import FileReader, ScannedFile
from services.worker.planning.source_search import SourceSearch
from services.worker.planning.unread_jobs import learn_unread
from services.worker.source_growth import find_shorter, refuse_grown

log = get_logger(__name__)


class LongPlan(Exception):
    """The source has so many bytes that to read it would keep others waiting."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size:,} bytes")
        self.size = size


def plan_source(worker: WorkerContext, job: Job, *, may_be_long: bool = False) -> DueChunks | None:
    """Look at the source and write the plan; return the chunks to send, None when there are none.

    Raises `BadInput` for a source that cannot be loaded (now), and `LongPlan` unless it `may_be_long`.
    """
    definition, is_sent = job.parsed_definition(), job.trigger in SENT_WHOLE
    search = SourceSearch.of(worker.settings, definition, is_sent=is_sent)
    reader = FileReader.of(worker.settings, definition)
    is_of_several = definition.match is SourceMatch.ALL and not is_sent
    try:
        found = (find_all_whole if is_of_several else _find_one)(worker, search, job)
    except SourceError as exc:
        if exc.code == "source-missing" and _is_loaded_by_another(worker, job):
            return None
        raise
    unread = (
        None if is_of_several else _claim_unread(worker, reader, job, *next(iter(found.items())))
    )
    if unread is not None:
        return _plan_claimed(worker, definition, job, unread, unread.fingerprint)
    size = sum(seen.size for seen in found.values())
    if size >= worker.settings.long_plan_bytes and not may_be_long:
        raise LongPlan(size)
    if is_of_several:
        return _plan_files(worker, reader, job, found)
    [(path, seen)] = found.items()
    if reader.may_cut(seen) and _needs_order(worker, definition):
        reader = reader.in_order()
    scanned = reader.scan(path, seen, known_fingerprint(job, path, seen))
    return _plan_file(worker, reader.definition, job, scanned)


def _claim_unread(
    worker: WorkerContext, reader: FileReader, job: Job, path: Location, seen: SourceIdentity
) -> ScannedFile | None:
    """Claim the content of a large file by its size alone; None: it has to be read first.

    Its loader must be able to see whether it is written meanwhile.
    """
    appears_whole = isinstance(path, Path) or path.store.is_atomic
    may_be_unread = (
        seen.size > worker.settings.read_first_bytes
        and appears_whole
        and seen.inode
        # A worker of the version before does not see that one of several files is this one.
        and reader.definition.match is not SourceMatch.ALL
        and not (job.force or job.dry_run or job.replay_of)
        and known_fingerprint(job, path, seen) is None
        and reader.is_one_chunk(path, seen)
        and not _may_have_grown(worker, job, path, seen)
    )
    if not may_be_unread or not claim_unread(worker, job, path, seen):
        return None
    return reader.scan_header(path, seen, fingerprint_of_unread(job.id))


def _may_have_grown(worker: WorkerContext, job: Job, path: Location, seen: SourceIdentity) -> bool:
    """Return whether the file has to be compared with what was loaded from its path."""
    watched = worker.settings.source_watch_seconds
    with worker.sessions() as session:
        return bool(find_shorter(session, job, path, seen.size, watched))


def _needs_order(worker: WorkerContext, definition: DatasetDefinition) -> bool:
    with worker.sessions() as session:
        return needs_order(session.connection().connection.driver_connection, definition)


def _find_one(
    worker: WorkerContext, search: SourceSearch, job: Job
) -> dict[Location, SourceIdentity]:
    return dict([find_whole(worker, search, job)])


def _is_loaded_by_another(worker: WorkerContext, job: Job) -> bool:
    """Return whether a job whose source is gone has ended, or waits again: another has it, and `after_load` moved it.

    What the job saw while it waited for that other one is on record.
    """
    if job.trigger in SENT_WHOLE:
        return False
    with worker.sessions() as session:
        files = read_seen_files(session, job.id)
    if files:
        return not claim_content(worker, job.id, fingerprint_of(files), files)
    known = job.known_content
    return known is not None and not claim_content(
        worker, job.id, known["fingerprint"], looked_at=known
    )


def _plan_file(
    worker: WorkerContext, definition: DatasetDefinition, job: Job, scanned: ScannedFile
) -> DueChunks | None:
    """Do so for a source that is one file."""
    content = _content_of(job, scanned.fingerprint)
    looked_at = describe_content(scanned.path, scanned.identity, scanned.fingerprint)
    learn_unread(worker, job, {scanned.identity.size})
    if not claim_content(worker, job.id, content, looked_at=looked_at):
        return None
    return _plan_claimed(worker, definition, job, scanned, content)


def _plan_claimed(
    worker: WorkerContext,
    definition: DatasetDefinition,
    job: Job,
    scanned: ScannedFile,
    content: str,
) -> DueChunks | None:
    """Write the plan of a file whose content the job has claimed."""
    path, size = scanned.path, scanned.identity.size
    with worker.sessions.begin() as session:
        connection = session.connection().connection.driver_connection
        inspected = inspect_file(connection, definition, scanned)
        if inspected.columns.take_rows_twice:
            refuse_grown(session, job, path, size, worker.settings.source_watch_seconds)
        return _write_plan(worker, session, job, scanned, inspected, content)


def _content_of(job: Job, found: str) -> str:
    """Return what tells the content of a job's one file from others: of replays and dry runs more than its bytes."""
    if job.dry_run:
        return fingerprint_of_dry_run(found, job.id)
    return found if job.replay_of is None else fingerprint_of_replay(found, job.replay_of)


def _plan_files(
    worker: WorkerContext, reader: FileReader, job: Job, found: Mapping[Location, SourceIdentity]
) -> DueChunks | None:
    """Do the same for a source that is several files: one chunk holds all of them."""
    files = identify_files(worker, job, found)
    learn_unread(worker, job, {file.identity.size for file in files})
    if not claim_content(worker, job.id, fingerprint_of(files), files):
        return None
    with worker.sessions.begin() as session:
        left = read_files(session, job.id)
        connection = session.connection().connection.driver_connection
        locations = [worker.settings.location(file.path) for file in left]
        columns, headers = inspect_files(connection, reader, locations)
        for place, file in zip(locations, left, strict=True) if columns.take_rows_twice else ():
            refuse_grown(session, job, place, file.size, worker.settings.source_watch_seconds)
        locked = lock_job(session, job.id)
        if locked is None or locked.state is not JobState.RUNNING:
            return None
        begun = find_unfinished(session, locked, {file.fingerprint for file in left})
        if begun is not None:
            require_alike(locked, begun)
        locked.bytes_total = sum(file.size for file in left)
        note_headers(session, locked, left, headers)
        _note_columns(session, locked, columns)
        _bound_rejects(worker, locked)
        log.info("job_planned", job_id=str(job.id), bytes_total=locked.bytes_total, files=len(left))
        return write_chunks(session, worker.settings, locked, [Boundary(0, 1)], [None])


def _note_columns(session: Session, job: Job, columns: Columns) -> None:
    """Keep what tells the cells of a record, once it fits the last load; raises `HeaderError`."""
    job.header = list(columns.header)
    # Of UTF-16, later chunks and replays cannot see the mark that tells the byte order.
    dialect = with_names(job.parsed_definition().format, columns.header)
    dialect = dialect.model_copy(update={"encoding": columns.encoding})
    job.definition = {**job.definition, "format": dialect.model_dump(mode="json")}
    job.next_attempt_at = None
    compare_with_loads(session, job, columns)


def _bound_rejects(worker: WorkerContext, job: Job) -> None:
    """Bound the failed rows of a job whose dataset does not: a few compressed bytes may hold millions of records."""
    if job.definition.get("max_rejected_rows") is None:
        most = worker.settings.max_rejected_rows + (job.bytes_total or 0)
        job.definition = {**job.definition, "max_rejected_rows": most}


def _write_plan(
    worker: WorkerContext,
    session: Session,
    begun: Job,
    scanned: ScannedFile,
    inspected: Inspected,
    content: str,
) -> DueChunks | None:
    """Write file and chunks into the ledger and release the first chunks; `content` is what the job has claimed.

    A plan that was thought dead leaves that to the one that was `begun` after it.
    """
    job = lock_job(session, begun.id)
    if job is None or job.state is not JobState.RUNNING or job.attempt != begun.attempt:
        return None
    # Its row has many indexes, so it is written once; what is asked meanwhile is about other jobs.
    with session.no_autoflush:
        _note_file(job, scanned, inspected, worker.settings.chunks_at_once)
        _note_columns(session, job, inspected.columns)
        _bound_rejects(worker, job)
        earlier = find_unfinished(session, job, {content})
    if earlier is None:
        due = write_chunks(
            session, worker.settings, job, inspected.cut.boundaries, inspected.cut.digests
        )
    else:
        take_over_chunks(session, job, earlier)
        due = release_chunks(session, worker.settings, job)
    log.info(
        "job_planned",
        job_id=str(job.id),
        bytes_total=job.bytes_total,
        chunks=len(inspected.cut.boundaries),
        is_ordered=inspected.is_ordered,
    )
    return due


def _note_file(job: Job, scanned: ScannedFile, inspected: Inspected, most_chunks: int) -> None:
    """Keep what the job's one file is, and how it is loaded: so many chunks at once, one where their order matters."""
    job.source_path = str(scanned.path)
    job.bytes_total = scanned.identity.size
    job.source_mtime_ns = scanned.identity.mtime_ns
    # Of a dataset with `settle`, beside what the looks before have noted.
    seen = {"inode": scanned.identity.inode, "device": scanned.identity.device}
    job.seen_identity = {**(job.seen_identity or {}), **seen}
    job.header_end = describe_header(inspected.cut.header, job.parsed_definition().format)
    job.chunks_at_once = 1 if inspected.is_ordered else most_chunks
