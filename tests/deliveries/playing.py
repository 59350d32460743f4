"""Play a scenario: the seed decides which message comes next, again or never, who dies where, and when time passes.

send a delivery ─┐  or a replay of failed rows, or cancel a job; a file is rewritten while no job is under way
a message comes ─┼─► one step of worker or loader (killed in it, perhaps) ─► what it sends joins the queue
time passes ─────┘   a late file comes, leases and waits are over: the sweep finds what got lost
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.orm import Session

from libs.common.enums import JobState, Trigger
from libs.common.failpoints import FailPoint
from libs.common.ledger.datasets import find_dataset
from libs.common.ledger.jobs import JobRequest, create_job, lock_job
from libs.common.ledger.models import Job
from libs.common.ledger.replays import definition_of_replay
from libs.common.messaging.names import FINISH, PLAN, SWEEP
from libs.devstack.testing.databases import ScratchDatabase
from libs.devstack.testing.waiting import wait_for
from services.api.routes.cancel import request_cancel
from tests.deliveries.files import write_corrected
from tests.deliveries.ledger import DATASET, Ledger, open_ledger
from tests.deliveries.scenarios import Scenario, arrive
from tests.deliveries.sequential import Delivery
from tests.deliveries.services import Kill, Message, Services

_MOST_STEPS = 1_000
_MOST_REPLAYS = 3
"""What is sent once all before is over must come to its turn."""
_TROUBLE_ENDS = 60
"""From this step on nobody dies any more and no message is lost: everything must come to its end."""


@dataclass
class Sent:
    """A delivery's job: the steps at which it was made and claimed its content, or ended without."""

    job_id: UUID
    delivery: Delivery
    made: int
    claimed: int = -1
    is_cancelled: bool = False

    @property
    def place(self) -> tuple[date, UUID]:
        """Return its place in the dataset's order."""
        return self.delivery.data_date, self.job_id


class Stuck(AssertionError):
    """Jobs do not come to an end."""


@dataclass
class Play:
    """One scenario as it goes on."""

    scenario: Scenario
    services: Services
    ledger: Ledger
    api: Engine
    rng: random.Random
    late: list[Path]
    may_cancel: bool = True
    jobs: list[Sent] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    queue: list[Message] = field(default_factory=list)

    def run(self, deliveries: list[Delivery]) -> None:
        """Send the deliveries, and go on until each job is over and no message is left."""
        left, late = list(deliveries), self.late
        while left or late or self.queue or self.ledger.live():
            if len(self.history) > _MOST_STEPS:
                raise Stuck(f"not over: {self.ledger.live()}\n{self.services.log_tail()}")
            choice = self.rng.random()
            may_send = bool(left) and not (left[0].after_all and self.ledger.live())
            if left and self.may_cancel and choice < 0.04:
                self._cancel()
            elif left and choice < 0.15:
                self._replay()
            elif may_send and (choice < 0.4 or not self.queue):
                self._send(left.pop(0))
            elif self.queue and choice < 0.93:
                self._deliver()
            else:
                if late and (not left or choice < 0.96):
                    path = late.pop()
                    arrive(path)
                    self._note(f"{path.name} arrives")
                self._let_time_pass()

    def _send(self, delivery: Delivery) -> None:
        """Send a delivery, once what is rewritten stands at its path."""
        for file in delivery.rewritten:
            self._note(f"{file.content.path.name} is rewritten")
            file.content.path.unlink()
            file.content.path.write_bytes(file.data)
        self._make_job(
            delivery,
            JobRequest(
                dataset=DATASET,
                trigger=Trigger.API,
                source=delivery.source,
                data_date=delivery.data_date,
                force=delivery.force,
            ),
        )

    def _replay(self) -> None:
        """Send corrected rows of a job that has rejected some, or those that were sent before."""
        ended = [
            job
            for job in self.jobs
            if self.ledger.end_of(job.job_id)[0] is JobState.COMPLETED_WITH_REJECTS
            and job.delivery.replay_of is None
        ]
        sent = sum(job.delivery.replay_of is not None for job in self.jobs)
        if not ended or sent >= _MOST_REPLAYS:
            return
        job = self.rng.choice(ended)
        before = [each.delivery for each in self.jobs if each.delivery.replay_of is job.delivery]
        if before and self.rng.random() < 0.5:
            delivery = before[0]
        else:
            path = self.services.uploads / f"corrected-{self.scenario.seed}-{len(self.jobs)}.csv"
            day = job.delivery.data_date
            file = write_corrected(self.rng, path, self.scenario.definition, day)
            delivery = Delivery(str(path), (file,), day, replay_of=job.delivery)
        with Session(self.api) as session:
            dataset = find_dataset(session, DATASET)
            replayed = session.get_one(Job, job.job_id).parsed_definition()
        request = JobRequest(
            dataset=DATASET,
            trigger=Trigger.REPLAY,
            source=delivery.source,
            data_date=delivery.data_date,
            replay_of=job.job_id,
            definition=definition_of_replay(replayed, dataset.parsed(), "auto"),
            definition_version=dataset.version,
        )
        self._make_job(delivery, request)

    def _cancel(self) -> None:
        """Cancel a job as the api does; a part of one that is sent with force too would stand there twice."""
        live = {str(row[0]) for row in self.ledger.live()}
        jobs = [job for job in self.jobs if str(job.job_id) in live]
        is_forced = any(delivery.force for delivery in self.scenario.deliveries)
        if not jobs or (self.scenario.is_chunked and is_forced):
            return
        job = self.rng.choice(jobs)
        with Session(self.api) as session, session.begin():
            locked = lock_job(session, job.job_id)
            if locked is not None:
                request_cancel(session, locked)
        job.is_cancelled = True
        self.queue.append(Message(FINISH, job.job_id))
        self._note(f"{job.job_id} is cancelled")

    def _make_job(self, delivery: Delivery, request: JobRequest) -> None:
        """Make a job as the api does; at times it dies before it has published it."""
        with Session(self.api) as session, session.begin():
            job_id = create_job(session, request).id
        self.jobs.append(Sent(job_id, delivery, made=len(self.history)))
        if self.rng.random() < 0.9:
            self.queue.append(Message(PLAN, job_id))
        forced = ", forced" if delivery.force else ""
        flaw = f", {delivery.flaw}" if delivery.flaw else ""
        what = "replay " if delivery.replay_of else ""
        name = f"{what}{Path(delivery.source).name}"
        self._note(f"{name} of {delivery.data_date}{forced}{flaw}: {job_id}")

    def _deliver(self) -> None:
        """Deliver any message; it may come again, or never."""
        message = self.rng.choice(self.queue)
        if not (self._is_trouble and self.rng.random() < 0.15):
            self.queue.remove(message)
        if self._is_trouble and self.rng.random() < 0.05:
            self._note(f"{message} is lost")
        else:
            self._step(message)

    def _let_time_pass(self) -> None:
        """Let every wait and lease be over, and sweep. Nobody loads between two steps: each lease is a dead one's."""
        self.ledger.let_time_pass()
        self._step(Message(SWEEP))

    def _step(self, message: Message) -> None:
        kill = self._choose_kill(message) if self._is_trouble and self.rng.random() < 0.2 else None
        job = self._job_of(message)
        was_planned = job is not None and self.ledger.is_planned(job.job_id)
        sent, is_dead = self.services.do(message, kill)
        if is_dead:
            wait_for(self.ledger.are_backends_gone, 20, "the dead one's backends are gone")
        self._note(f"{message}{f' dies at {kill}' if is_dead else ''}")
        self.queue += sent
        if job is not None and not was_planned and self.ledger.is_claimed(job.job_id):
            job.claimed = len(self.history)

    def _job_of(self, message: Message) -> Sent | None:
        """Return the job that a message asks to plan."""
        wanted = message.job_id if message.task == PLAN else None
        return next((job for job in self.jobs if job.job_id == wanted), None)

    def _choose_kill(self, message: Message) -> Kill:
        """Choose where a step dies: many of a worker's statements, or a named point."""
        if message.task in {PLAN, FINISH, SWEEP} and self.rng.random() < 0.8:
            return self.rng.randrange(1, 25)
        return self.rng.choice(list(FailPoint))

    @property
    def _is_trouble(self) -> bool:
        return len(self.history) < _TROUBLE_ENDS

    def _note(self, text: str) -> None:
        self.history.append(text)


@contextmanager
def playing(scenario: Scenario, services: Services, database: ScratchDatabase) -> Iterator[Play]:
    """Give the play of a scenario on an empty ledger, with its dataset and table."""
    with open_ledger(database, scenario.table, is_keyed=scenario.is_keyed) as ledger:
        ledger.put_dataset(scenario.definition)
        rng = random.Random(scenario.seed)
        api = create_engine(database.url_for("api"), poolclass=NullPool)
        try:
            yield Play(scenario, services, ledger, api, rng, [*scenario.late])
        finally:
            services.stop()
