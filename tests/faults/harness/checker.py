"""Prove that nothing is lost and nothing is loaded twice: submit jobs, do harm, compare.

    episode of a seed:  feeds ──► clients submit ──┐
                                  faults strike ───┴──► all is well again ──► jobs end ──► judge the rows

One machine serves many episodes. ``python -m tests.faults.harness.checker --seeds 20`` or ``./dev faults``.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from libs.common.enums import END_STATES
from tests.faults.harness.clients import Accepted, Submissions, make_feeds, submit_all
from tests.faults.harness.injection import ChooseFaults, Injection, choose_faults
from tests.faults.harness.listening import EventListener
from tests.faults.harness.machine import Machine, running_machine
from tests.faults.harness.verdicts import Verdict, judge

DEADLINE = 90.0
"""Seconds after the last fault within which every accepted job must be over."""
_HURRY_SECONDS = 2.0
_USUAL_ROWS = 1_000


@dataclass
class Episode:
    """What happened under one seed, and what is wrong with what it left."""

    seed: int
    faults: list[str] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    repeated: int = 0
    recovery: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)

    def __str__(self) -> str:
        """Return a line for the person who watches."""
        result = "ok" if self.verdict.is_clean else "WRONG"
        return (
            f"seed {self.seed}: {result}, {len(self.accepted)} jobs ({self.repeated} requests repeated), "
            f"recovered in {self.recovery:.1f} s; {', '.join(self.faults)}"
        )


def run_episode(
    machine: Machine, seed: int, rows: int = _USUAL_ROWS, choose: ChooseFaults = choose_faults
) -> Episode:
    """Run the episode of a seed on a sound machine, and leave it sound."""
    machine.revive()
    machine.system.wait_ready()
    rng = random.Random(seed)
    episode = Episode(seed)
    feeds = make_feeds(machine.system, seed, rng, rows)
    submissions = Submissions()
    injection = Injection(machine)
    with ThreadPoolExecutor(len(feeds)) as pool:
        clients = submit_all(machine.system, feeds, submissions, pool, rng)
        try:
            injection.run(choose(rng))
        finally:
            injection.end()
            healed = time.monotonic()
        settle(machine, lambda: all(client.done() for client in clients))
    for client in clients:
        if client.exception():
            episode.verdict.faults.append(f"a client failed: {client.exception()!r}")
    episode.faults, episode.accepted = injection.done, submissions.accepted
    episode.repeated = submissions.repeated
    over = settle(machine, lambda: not unfinished(machine, episode.accepted))
    episode.recovery = time.monotonic() - healed
    if over:
        episode.verdict.add(judge(machine.system, episode.accepted))
    else:
        late = unfinished(machine, episode.accepted)
        episode.verdict.faults.append(f"not over after {DEADLINE:.0f} s: {late}")
    return episode


def settle(machine: Machine, condition: Callable[[], bool]) -> bool:
    """Wait for a condition while the system fixes itself; return whether it came true in time.

    Waits of a minute and more, until a message that was not heard of is sent again, are cut short in the ledger.
    """
    end = time.monotonic() + DEADLINE
    hurry = time.monotonic() + _HURRY_SECONDS
    while time.monotonic() < end:
        if condition():
            return True
        if time.monotonic() > hurry:
            machine.revive()
            machine.system.execute(_HURRY)
            hurry = time.monotonic() + _HURRY_SECONDS
        time.sleep(0.1)
    return False


_HURRY = """
UPDATE adsp.jobs SET next_attempt_at = now() WHERE id IN (
    SELECT id FROM adsp.jobs WHERE finished_at IS NULL AND next_attempt_at > now()
    FOR UPDATE SKIP LOCKED
);
UPDATE adsp.chunks SET next_attempt_at = now() WHERE (job_id, number) IN (
    SELECT job_id, number FROM adsp.chunks WHERE state = 'queued' AND next_attempt_at > now()
    FOR UPDATE SKIP LOCKED
);
UPDATE adsp.events SET next_attempt_at = now() WHERE id IN (
    SELECT id FROM adsp.events WHERE published_at IS NULL AND next_attempt_at > now()
    FOR UPDATE SKIP LOCKED
);
"""
"""What a stopped process keeps locked is left alone: waiting for it would stop the test as well."""


def unfinished(machine: Machine, accepted: Sequence[Accepted]) -> list[str]:
    """List the jobs that are not in an end state, with the state."""
    ids = [each.job_id for each in accepted]
    rows = machine.system.query(
        "SELECT id::text, state FROM adsp.jobs WHERE id = ANY (%s::uuid[])", ids
    )
    states = dict(rows)
    live = [f"{job_id} {states.get(job_id, 'missing')}" for job_id in ids]
    return [text for text in live if text.split()[1] not in END_STATES]


def judge_events(
    machine: Machine, listener: EventListener, accepted: Sequence[Accepted]
) -> Verdict:
    """See that the end of every job was published at least once, after all waits."""
    settle(
        machine,
        lambda: machine.system.count("adsp.events WHERE published_at IS NULL") == 0,
    )
    listener.drain()
    verdict = Verdict()
    ids = [each.job_id for each in accepted]
    rows = machine.system.query(
        "SELECT id::text, state FROM adsp.jobs WHERE id = ANY (%s::uuid[])", ids
    )
    for job_id, state in rows:
        if not listener.heard[job_id, state]:
            verdict.faults.append(f"the end of job {job_id} ({state}) was never published")
    return verdict


@dataclass
class Report:
    """All episodes of a run."""

    episodes: list[Episode] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    events: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return the figures of the run."""
        jobs = sum(len(episode.accepted) for episode in self.episodes)
        faults = sum(len(episode.faults) for episode in self.episodes)
        rows = sum(
            each.content.rows.total() for episode in self.episodes for each in episode.accepted
        )
        slowest = max((episode.recovery, episode.seed) for episode in self.episodes)
        return (
            f"seeds {self.episodes[0].seed} to {self.episodes[-1].seed}: "
            f"{len(self.episodes)} episodes, {faults} faults, {jobs} jobs submitted and checked "
            f"({rows:,} rows sent), {self.events} events heard, {self.seconds:.0f} s; "
            f"slowest recovery {slowest[0]:.1f} s (seed {slowest[1]})\n{self.verdict}"
        )


def run_seeds(
    machine: Machine,
    seeds: Iterable[int],
    minutes: float = 60.0,
    choose: ChooseFaults = choose_faults,
) -> Report:
    """Run an episode for each seed until the time is over, then judge the events of all."""
    start, report = time.monotonic(), Report()
    listener = EventListener(machine.addresses.broker_url())
    for seed in seeds:
        episode = run_episode(machine, seed, choose=choose)
        print(episode, flush=True)
        report.episodes.append(episode)
        report.verdict.add(episode.verdict)
        if time.monotonic() - start > minutes * 60:
            break
    accepted = [each for episode in report.episodes for each in episode.accepted]
    report.verdict.add(judge_events(machine, listener, accepted))
    report.events = listener.heard.total()
    report.seconds = time.monotonic() - start
    return report


def main() -> None:
    """Run as the command line asks; the exit status says whether all is well."""
    parser = argparse.ArgumentParser(
        description="Prove that nothing is lost and nothing is loaded twice."
    )
    parser.add_argument("--seeds", type=int, default=20, help="how many episodes")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="begin no episode after so long"
    )
    parser.add_argument("--seed", type=int, default=1, help="the first seed; a failing one replays")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    with running_machine() as machine:
        report = run_seeds(machine, seeds, arguments.minutes)
        print(report, flush=True)
        if not report.verdict.is_clean:
            kept = machine.keep_logs()
            print(f"the logs are in {kept}; ./dev faults --seed N --seeds 1 does one episode again")
    sys.exit(0 if report.verdict.is_clean else 1)


if __name__ == "__main__":
    main()
