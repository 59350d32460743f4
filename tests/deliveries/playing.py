"""Play a scenario: the seed decides which message comes next, again or never, who dies where, and when time passes.

send a delivery ─┐
a message comes ─┼─► one step of worker or loader (killed in it, perhaps) ─► what it sends joins the queue
time passes ─────┘   a late file comes, leases and waits are over: the sweep finds what got lost
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
from sqlalchemy import NullPool, create_engine
from sqlalchemy.orm import Session

from libs.common.datasets import DatasetDefinition
from libs.common.lifecycle import JobRequest, create_job
from libs.common.messaging.names import FINISH, PLAN, SWEEP
from libs.common.states import END_STATES, Trigger
from libs.common.testing.databases import ScratchDatabase
from libs.common.testing.waiting import wait_for
from tests.deliveries.scenarios import Scenario, arrive
from tests.deliveries.sequential import Delivery
from tests.deliveries.services import KILL_POINTS, Kill, Message, Services
from tests.faults.contents import Row

DATASET = "deliveries"
_MOST_STEPS = 500
_TROUBLE_ENDS = 60
"""From this step on nobody dies any more and no message is lost: everything must come to its end."""


@dataclass
class Sent:
    """A delivery's job: the steps at which it was made and claimed its content, or ended without."""

    job_id: UUID
    delivery: Delivery
    made: int
    claimed: int = -1

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
    database: ScratchDatabase
    owner: Any
    rng: random.Random
    late: list[Path]
    jobs: list[Sent] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    queue: list[Message] = field(default_factory=list)

    def run(self, deliveries: list[Delivery]) -> None:
        """Send the deliveries, and go on until each job is over and no message is left."""
        left, late = list(deliveries), self.late
        while left or late or self.queue or self.live():
            if len(self.history) > _MOST_STEPS:
                raise Stuck(f"not over: {self.live()}\n{self.services.log_tail()}")
            choice = self.rng.random()
            if left and (choice < 0.3 or not self.queue):
                self._send(left.pop(0))
            elif self.queue and choice < 0.93:
                self._deliver()
            else:
                if late and (not left or choice < 0.96):
                    path = late.pop()
                    arrive(path)
                    self._note(f"{path.name} arrives")
                self._let_time_pass()

    def live(self) -> list[tuple[Any, ...]]:
        """Return the jobs that are not over."""
        rows = self.query("SELECT id, state, error_code FROM adsp.jobs")
        return [row for row in rows if row[1] not in END_STATES]

    def table(self) -> Counter[Row]:
        """Return the target table's rows."""
        rows = self.query(f"SELECT sku, name, price::text, quantity FROM {self.scenario.table}")
        return Counter(rows)

    def query(self, statement: str, *parameters: object) -> list[Any]:
        """Run a statement as the superuser and return its rows, if it has any."""
        with self.owner.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def _send(self, delivery: Delivery) -> None:
        """Make a job as the api does; at times it dies before it has published it."""
        request = JobRequest(
            dataset=DATASET,
            trigger=Trigger.API,
            source=str(delivery.content.path),
            data_date=delivery.data_date,
            force=delivery.force,
        )
        engine = create_engine(self.database.url_for("api"), poolclass=NullPool)
        with Session(engine) as session, session.begin():
            job_id = create_job(session, request).id
        self.jobs.append(Sent(job_id, delivery, made=len(self.history)))
        if self.rng.random() < 0.9:
            self.queue.append(Message(PLAN, job_id))
        forced = ", forced" if delivery.force else ""
        flaw = f", {delivery.flaw}" if delivery.flaw else ""
        self._note(f"{delivery.content.path.name} of {delivery.data_date}{forced}{flaw}: {job_id}")

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
        self.query(
            "UPDATE adsp.jobs SET next_attempt_at = now() WHERE next_attempt_at > now();"
            "UPDATE adsp.chunks SET next_attempt_at = now() WHERE next_attempt_at > now();"
            "UPDATE adsp.chunk_leases SET expires_at = now() - interval '1 s'"
        )
        self._step(Message(SWEEP))

    def _step(self, message: Message) -> None:
        kill = self._choose_kill(message) if self._is_trouble and self.rng.random() < 0.2 else None
        was_planned = message.task == PLAN and self._is_planned(message.job_id)
        sent, is_dead = self.services.do(message, kill)
        if is_dead:
            wait_for(self._are_backends_gone, 20, "the dead one's backends are gone")
        self._note(f"{message}{f' dies at {kill}' if is_dead else ''}")
        self.queue += sent
        if message.task == PLAN and not was_planned and self._is_claimed(message.job_id):
            job = next(job for job in self.jobs if job.job_id == message.job_id)
            job.claimed = len(self.history)

    def _choose_kill(self, message: Message) -> Kill:
        """Choose where a step dies: many of a worker's statements, or a named point."""
        if message.task in {PLAN, FINISH, SWEEP} and self.rng.random() < 0.8:
            return self.rng.randrange(1, 25)
        return self.rng.choice(KILL_POINTS)

    @property
    def _is_trouble(self) -> bool:
        return len(self.history) < _TROUBLE_ENDS

    def _is_planned(self, job_id: UUID | None) -> bool:
        """Tell whether a plan of the job has nothing to do any more."""
        return bool(
            self.query(
                "SELECT 1 FROM adsp.jobs WHERE id = %s AND (finished_at IS NOT NULL OR EXISTS"
                " (SELECT 1 FROM adsp.chunks WHERE job_id = jobs.id))",
                str(job_id),
            )
        )

    def _is_claimed(self, job_id: UUID | None) -> bool:
        return bool(
            self.query(
                "SELECT 1 FROM adsp.jobs WHERE id = %s AND (finished_at IS NOT NULL"
                " OR (state = 'running' AND fingerprint IS NOT NULL))",
                str(job_id),
            )
        )

    def _are_backends_gone(self) -> bool:
        return not self.query(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name IN ('adsp-worker', 'adsp-loader')"
        )

    def _note(self, text: str) -> None:
        self.history.append(text)


@contextmanager
def playing(scenario: Scenario, services: Services, database: ScratchDatabase) -> Iterator[Play]:
    """Make the dataset and its table on an empty ledger; remove the table in the end."""
    database.empty()
    with closing(psycopg2.connect(database.superuser_dsn)) as owner:
        owner.autocommit = True
        play = Play(
            scenario, services, database, owner, random.Random(scenario.seed), [*scenario.late]
        )
        indexes = "INCLUDING" if scenario.is_keyed else "EXCLUDING"
        play.query(
            f"CREATE TABLE {scenario.table} (LIKE public.items INCLUDING ALL {indexes} INDEXES);"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {scenario.table} TO adsp_loader"
        )
        put_dataset(play, scenario.definition)
        try:
            yield play
        finally:
            services.stop()
            play.query(f"DROP TABLE {scenario.table}")


def put_dataset(play: Play, definition: dict[str, Any]) -> None:
    """Make or change the dataset."""
    document = DatasetDefinition.model_validate(definition).model_dump_json()
    play.query(
        "INSERT INTO adsp.datasets (name, definition) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET definition = excluded.definition",
        DATASET,
        document,
    )
