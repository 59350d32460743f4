"""Compare what a play has left with what the plain loader comes to."""

from collections.abc import Iterator
from dataclasses import replace

from libs.common.enums import LOADED_STATES, JobState
from tests.deliveries.playing import Play, Sent
from tests.deliveries.sequential import Flaw, SequentialLoader


def differences(play: Play) -> list[str]:
    """Play the scenario to its end; list what differs."""
    scenario = play.scenario
    play.run(scenario.deliveries)
    loader = SequentialLoader(scenario.definition, is_keyed=scenario.is_keyed)
    found = [*_find_disorder(play), *_compare_jobs(play, play.jobs, loader)]
    may_be_partial = loader.most_rejected is not None or any(job.is_cancelled for job in play.jobs)
    if scenario.is_chunked and may_be_partial:
        found += _fix(play, loader)
    lost, unexpected = loader.rows - play.ledger.rows(), play.ledger.rows() - loader.rows
    if lost or unexpected:
        found.append(f"the table lacks {dict(lost)} and has {dict(unexpected)} too many")
    return found


def _fix(play: Play, loader: SequentialLoader) -> Iterator[str]:
    """Let a person raise the threshold and send all again: what a job has loaded that failed is not loaded twice."""
    definition = play.scenario.definition
    play.ledger.put_dataset(
        {key: value for key, value in definition.items() if key != "max_rejected_rows"}
    )
    loader.most_rejected = None
    before, play.may_cancel = (
        len(play.jobs),
        False,
    )  # nobody would send the rest of what is cancelled now
    play.run([replace(delivery, force=False) for delivery in play.scenario.deliveries])
    yield from _compare_jobs(play, play.jobs[before:], loader)


def _compare_jobs(play: Play, jobs: list[Sent], loader: SequentialLoader) -> Iterator[str]:
    """Load the deliveries in the order in which their jobs claimed them; yield how their ends differ."""
    for job in sorted(jobs, key=lambda job: job.claimed):
        state, error, counts = play.ledger.end_of(job.job_id)
        if state is JobState.CANCELLED and job.is_cancelled:
            continue  # it has loaded nothing, or a part that the next one of its content goes on with
        right = loader.load(job.delivery)
        if state != right.state:
            yield f"job {job.job_id} ended as {state} instead of {right.state} ({error})"
        elif state in LOADED_STATES and counts != right.counts:
            yield f"job {job.job_id} counts {counts} instead of {right.counts}"
        if state in LOADED_STATES:
            yield from play.ledger.find_uncounted_files(job.job_id)


def _find_disorder(play: Play) -> Iterator[str]:
    """Yield the jobs of a dataset with an order that claimed its table before one that goes first and was there."""
    definition = play.scenario.definition
    if definition["mode"] == "append":
        return
    for job in play.jobs:
        for first in play.jobs:
            if "scope" in definition and first.delivery.data_date != job.delivery.data_date:
                continue
            is_passed = first.place < job.place and first.made < job.claimed < first.claimed
            if is_passed and job.delivery.flaw is not Flaw.MISSING:
                yield f"job {job.job_id} did not wait for job {first.job_id}"
