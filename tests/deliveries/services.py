"""Do the steps of worker and loader in a process that can be killed in the middle of one.

RabbitMQ's part is played by the caller: each message that a step sends comes to it, to be delivered in any order, again
or never. Everything else is real.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, event

from libs.common import failpoints
from libs.common.failpoints import FailPoint
from libs.common.logs import configure_logging
from libs.common.messaging.app import make_celery
from libs.common.messaging.dispatcher import Dispatcher
from libs.common.messaging.names import FINISH, LOAD_CHUNK, PLAN, SWEEP
from services.loader.chunk_loader import ChunkLoader
from services.loader.settings import LoaderSettings
from services.worker.dependencies import wire
from services.worker.finishing import finish
from services.worker.planning.job_plan import plan
from services.worker.settings import WorkerSettings
from services.worker.sweeping import sweep

_FORK = multiprocessing.get_context("fork")
_DEADLINE = 60.0
"""Seconds for one step: a child that takes longer hangs."""


@dataclass(frozen=True)
class Message:
    """What a service asks another one to do."""

    task: str
    job_id: UUID | None = None
    number: int | None = None

    def __str__(self) -> str:
        """Return it in few words."""
        return " ".join([self.task, *(str(x) for x in (self.job_id, self.number) if x is not None)])


Kill = FailPoint | int
"""Where a step dies: at a failpoint, or before its n-th statement or commit in the worker."""


class Services:
    """A worker and a loader in a child process, which is started anew when it was killed."""

    def __init__(self, worker: WorkerSettings, loader: LoaderSettings, folder: Path) -> None:
        self.folder = folder
        self.uploads = worker.upload_dir
        self.uploads.mkdir(exist_ok=True)
        self._settings = worker, loader
        self._tokens = folder / "tokens"
        self._tokens.mkdir()
        self._log = folder / "services.log"
        self._child: Any = None
        self._pipe: Any = None

    def do(self, message: Message, kill: Kill | None = None) -> tuple[list[Message], bool]:
        """Do a step; return the messages that it has sent, and whether it was killed."""
        if self._pipe is None:
            self._start()
        if isinstance(kill, FailPoint):
            (self._tokens / kill).touch()
        self._pipe.send((message, kill if isinstance(kill, int) else None))
        sent: list[Message] = []
        try:
            while (answer := self._receive()) is not None:
                sent.append(answer)
        except EOFError:
            self.stop()
            return sent, True
        finally:
            for point in FailPoint:
                (self._tokens / point).unlink(missing_ok=True)
        return sent, False

    def stop(self) -> None:
        """End the child, whatever it does."""
        if self._child is not None:
            self._child.kill()
            self._child.join(10)
            self._pipe.close()
        self._child = self._pipe = None

    def log_tail(self) -> str:
        """Return the last lines that the services have logged."""
        return "\n".join(self._log.read_text().splitlines()[-30:])

    def _start(self) -> None:
        self._pipe, theirs = _FORK.Pipe()
        self._child = _FORK.Process(
            target=_serve,
            args=(theirs, *self._settings, self._tokens, self._log),
            daemon=True,
        )
        self._child.start()
        theirs.close()

    def _receive(self) -> Message | None:
        if not self._pipe.poll(_DEADLINE):
            raise AssertionError(f"a step has not ended within {_DEADLINE} s\n{self.log_tail()}")
        answer: Message | None = self._pipe.recv()
        return answer


class _Queues(Dispatcher):
    """Gives each task to the caller, at once; events go to the broker."""

    def __init__(self, pipe: Connection, settings: WorkerSettings) -> None:
        super().__init__(make_celery(settings, "worker"), settings.publish_timeout)
        self._pipe = pipe

    def _send_task(
        self,
        task: str,
        task_id: str | None,
        options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._pipe.send(Message(task, UUID(kwargs["job_id"]), kwargs.get("number")))


class _Death:
    """Kills this process before the n-th statement or commit of the worker's step."""

    def __init__(self, engine: Engine) -> None:
        self.left: int | None = None
        event.listen(engine, "before_cursor_execute", self._count)
        event.listen(engine, "commit", self._count)

    def _count(self, *_: object) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _serve(
    pipe: Connection,
    worker_settings: WorkerSettings,
    loader_settings: LoaderSettings,
    tokens: Path,
    log: Path,
) -> None:
    """Do one step after the other until the parent is gone."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    configure_logging(worker_settings, "worker-and-loader")
    os.environ["ADSP_FAULTS"] = "1"
    os.environ["ADSP_FAILPOINTS"] = ",".join(FailPoint)
    os.environ["ADSP_FAILPOINT_TOKENS"] = str(tokens)
    failpoints._armed.cache_clear()
    queues = _Queues(pipe, worker_settings)
    worker = replace(
        wire(worker_settings, make_celery(worker_settings, "worker")), dispatcher=queues
    )
    loader, death = ChunkLoader(loader_settings, queues.send_finish), _Death(worker.engine)
    for message, death.left in _received(pipe):
        if message.task == PLAN:
            plan(worker, message.job_id)
        elif message.task == LOAD_CHUNK:
            loader.load_chunk(message.job_id, message.number)
        elif message.task == FINISH:
            finish(worker, message.job_id)
        elif message.task == SWEEP:
            sweep(worker)
        pipe.send(None)


def _received(pipe: Connection) -> Iterator[tuple[Any, int | None]]:
    while True:
        try:
            yield pipe.recv()
        except EOFError:
            return
