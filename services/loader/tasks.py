"""Register the loader's task: the message names a chunk, the ledger says what is to be done."""

import time
from functools import cache
from uuid import UUID

from celery import Celery

from libs.common.messaging.dispatcher import Dispatcher
from libs.common.messaging.names import LOAD_CHUNK
from libs.common.messaging.stage_metrics import STAGES, StageOfJob
from services.loader.chunk_loader import ChunkLoader, Outcome
from services.loader.settings import LoaderSettings


def register_tasks(celery: Celery, settings: LoaderSettings) -> None:
    """Add `load.chunk` to the app."""

    @cache
    def loader() -> ChunkLoader:
        """Make the loader in the process that loads: its broker connection must not cross a fork."""
        return ChunkLoader(settings, Dispatcher(celery, settings.publish_timeout).send_finish)

    @celery.task(name=LOAD_CHUNK)
    def load_chunk(job_id: str, number: int, request_id: str | None = None) -> str:
        """Load a chunk; return what became of this delivery."""
        start = time.perf_counter()
        outcome = loader().load_chunk(UUID(job_id), number, request_id)
        if outcome in {Outcome.LOADED, Outcome.FAILED}:
            STAGES.add(time.perf_counter() - start, StageOfJob.LOAD)
        return outcome.value
