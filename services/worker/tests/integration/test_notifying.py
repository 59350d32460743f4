"""What a dataset asks for is sent: by mail and by signed webhook, once for each event and target, or given up."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MailHandler
from pydantic import ValidationError
from sqlalchemy import select, update

from libs.common.enums import ChunkState, JobState
from libs.common.ledger.job_end import JobError, record_end
from libs.common.ledger.jobs import lock_job
from libs.common.ledger.models import Chunk, Job, Notification
from libs.devstack.ports import free_port
from services.worker.finishing import after_end
from services.worker.notifying.outbox import notify
from services.worker.notifying.targets import Target
from services.worker.planning.job_plan import plan
from services.worker.sweeping import sweep
from services.worker.tests.conftest import Bench

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
EVERYTHING = ["failed", "late", "completed_with_rejects", "drift", "guard", "recovered"]


class Hook:
    """A web server that keeps what is posted to it, and answers what a test says."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.posts.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(hook.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/adsp"

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.posts]


@contextmanager
def hooked() -> Iterator[Hook]:
    hook = Hook()
    thread = threading.Thread(target=hook.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        hook.server.shutdown()
        hook.server.server_close()
        thread.join(10)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hooked() as hook:
        yield hook


class Mails(MailHandler):
    """A mailbox."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []

    def handle_message(self, message: Any) -> None:
        self.got.append(message)


@pytest.fixture
def notified(bench: Bench, hook: Hook) -> Bench:
    target = Target.model_validate({"webhook": hook.url, "secret": SECRET})
    bench.set(notify_targets={"hook": target}, public_url="https://adsp.example/")
    bench.put_dataset(notify=[{"to": ["hook"], "on": EVERYTHING}])
    return bench


def end(
    bench: Bench, job: Job, state: JobState, rejected: int = 0, error: JobError | None = None
) -> None:
    """End a job as its chunks would."""
    with bench.worker.sessions.begin() as session:
        locked = lock_job(session, job.id)
        assert locked is not None
        session.execute(
            update(Chunk)
            .where(Chunk.job_id == job.id)
            .values(
                state=ChunkState.DONE,
                rows_read=1,
                rows_loaded=1 - rejected,
                rows_rejected=rejected,
                next_attempt_at=None,
            )
        )
        record_end(session, locked, state, error=error)


def fail(bench: Bench, job: Job, code: str = "plan-fault") -> None:
    with bench.worker.sessions.begin() as session:
        locked = lock_job(session, job.id)
        assert locked is not None
        record_end(session, locked, JobState.FAILED, error=JobError(code, "try this"))


def occasions(hook: Hook) -> list[list[str]]:
    return [document["data"]["occasions"] for document in hook.documents]


def notifications(bench: Bench) -> list[Notification]:
    with bench.worker.sessions() as session:
        return list(session.scalars(select(Notification).order_by(Notification.id)))


def test_a_failed_job_is_posted_once_with_a_signature_that_holds(
    notified: Bench, hook: Hook
) -> None:
    job = notified.make_job(source="nowhere.csv")
    plan(notified.worker, job.id)

    assert notified.job(job).state is JobState.FAILED
    assert notify(notified.worker) == 1
    assert notify(notified.worker) == 0

    [(headers, body)] = hook.posts
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    document = json.loads(body)
    assert document["type"] == "job.failed"
    assert document["data"]["job_id"] == str(job.id)
    assert document["data"]["occasions"] == ["failed"]
    assert document["data"]["error"]["code"] == "source-missing"
    [kept] = notifications(notified)
    assert (str(kept.id), kept.attempt, kept.error) == (headers["webhook-id"], 1, None)
    assert kept.sent_at is not None


@pytest.mark.parametrize(
    ("how", "heard"),
    [
        (lambda b, j: fail(b, j, "shrunk"), [["failed", "guard"]]),
        (lambda b, j: fail(b, j, "too-many-rejects"), [["failed", "guard"]]),
        (fail, [["failed"]]),
    ],
)
def test_what_a_guard_has_stopped_is_both(
    notified: Bench, hook: Hook, how: Callable[[Bench, Job], None], heard: list[list[str]]
) -> None:
    how(notified, notified.make_job())
    notify(notified.worker)

    assert occasions(hook) == heard


def test_only_what_a_rule_names_is_sent(notified: Bench, hook: Hook) -> None:
    target = notified.worker.settings.notify_targets["hook"]
    notified.set(notify_targets={"a": target, "b": target, "c": target})
    rules = [
        {"to": ["a", "b"], "on": ["guard"]},
        {"to": ["b"], "on": ["failed"]},
        {"to": ["c"], "on": ["late"]},
    ]
    notified.put_dataset("other", notify=rules)
    fail(notified, notified.make_job("other"), "shrunk")
    notify(notified.worker)

    heard = {each.target: each.occasions for each in notifications(notified)}
    assert heard == {"a": ["guard"], "b": ["failed", "guard"]}
    assert len(hook.posts) == 2


def test_a_load_after_a_failed_one_has_recovered_and_the_next_is_silent(
    notified: Bench, hook: Hook
) -> None:
    fail(notified, notified.make_job())
    for number in range(2):
        notified.write_rows(number + 1)
        job = notified.make_job()
        plan(notified.worker, job.id)
        end(notified, job, JobState.SUCCEEDED)
    notify(notified.worker)

    assert occasions(hook) == [["failed"], ["recovered"]]


def test_a_job_that_waits_for_its_source_is_late_once(notified: Bench, hook: Hook) -> None:
    rule = {"to": ["hook"], "on": ["late"]}
    notified.put_dataset("late", arrival={"wait": "1h", "poll": "1m"}, notify=[rule])
    job = notified.make_job("late")
    for _ in range(2):
        plan(notified.worker, job.id)
        notify(notified.worker)

    assert occasions(hook) == [["late"]]
    assert "waits_until" in hook.documents[0]["data"]


def test_of_a_dry_run_nobody_hears(notified: Bench) -> None:
    fail(notified, notified.make_job(dry_run=True))

    assert notifications(notified) == []


def test_what_is_not_taken_is_sent_again_later_and_given_up_in_the_end(
    notified: Bench, hook: Hook
) -> None:
    hook.status = 500
    fail(notified, notified.make_job())
    for _ in range(20):
        notify(notified.worker)
        with notified.worker.sessions.begin() as session:
            session.execute(
                update(Notification)
                .where(Notification.next_attempt_at.is_not(None))
                .values(next_attempt_at=Notification.created_at)
            )

    [kept] = notifications(notified)
    assert (kept.attempt, kept.next_attempt_at, kept.sent_at) == (12, None, None)
    assert kept.error == "the webhook answers 500"
    assert len(hook.posts) == 12
    assert len({headers["webhook-id"] for headers, _ in hook.posts}) == 1


def test_an_attempt_that_was_refused_waits_and_does_not_hold_up_the_others(
    notified: Bench, hook: Hook
) -> None:
    gone = Target.model_validate({"webhook": f"http://127.0.0.1:{free_port()}/", "secret": SECRET})
    good = notified.worker.settings.notify_targets["hook"]
    notified.set(notify_targets={"gone": gone, "hook": good})
    rule = {"to": ["gone", "forgotten", "hook"], "on": ["failed"]}
    notified.put_dataset("other", notify=[rule])
    fail(notified, notified.make_job("other"))

    assert notify(notified.worker) == 1
    errors = {each.target: each.error for each in notifications(notified)}
    assert errors == {
        "gone": "the webhook does not answer: ConnectError",
        "forgotten": "no target 'forgotten' in ADSP_NOTIFY_TARGETS of this worker",
        "hook": None,
    }
    assert notify(notified.worker) == 0  # nothing is due yet


def test_an_end_and_a_sweep_ask_for_what_is_due(notified: Bench) -> None:
    job = notified.make_job()
    fail(notified, job)
    assert sweep(notified.worker).notifications == 1
    after_end(notified.worker, job.id)
    notify(notified.worker)

    assert sweep(notified.worker).notifications == 0


def test_a_mail_says_what_happened_and_where_to_look(bench: Bench) -> None:
    mails = Mails()
    controller = Controller(mails, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        url = f"mailto://127.0.0.1:{controller.port}?from=adsp@example.org&to=ops@example.org&mode=insecure"
        bench.set(
            notify_targets={"ops": Target.model_validate({"url": url})},
            public_url="https://adsp.example/",
        )
        bench.put_dataset(notify=[{"to": ["ops"]}])
        job = bench.make_job()
        fail(bench, job, "shrunk")
        taken = notify(bench.worker)
    finally:
        controller.stop()

    assert (taken, [each.error for each in notifications(bench)]) == (1, [None])
    [mail] = mails.got
    assert mail["subject"] == f"ADSP: items {job.data_date} failed"
    assert mail["to"] == "ops@example.org"
    texts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
    body = texts[0].get_payload(decode=True).decode()
    assert "shrunk: try this" in body
    assert f"https://adsp.example/jobs/{job.id}" in body


def test_a_mail_server_that_is_away_is_said_without_the_password(bench: Bench) -> None:
    url = f"mailto://somebody:sesame-open@127.0.0.1:{free_port()}?to=ops@example.org&mode=insecure"
    bench.set(notify_targets={"ops": Target.model_validate({"url": url})})
    bench.put_dataset(notify=[{"to": ["ops"]}])
    fail(bench, bench.make_job())

    assert notify(bench.worker) == 0
    [kept] = notifications(bench)
    assert kept.error
    assert "sesame" not in kept.error


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({}, "either a 'url'"),
        ({"url": "json://x", "webhook": "http://x/", "secret": SECRET}, "either a 'url'"),
        ({"webhook": "http://x/"}, "needs a 'secret'"),
        ({"webhook": "http://x/", "secret": "sesame"}, "base64"),
        ({"url": "json://x", "secret": SECRET}, "takes none"),
    ],
)
def test_a_target_that_cannot_be_is_refused_without_its_secret(
    target: dict[str, str], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        Target.model_validate(target)
