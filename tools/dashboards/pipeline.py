"""Show how work moves from the api to the loaders: queues, consumers, the clock, the sweeper, dead letters."""

from grafana_foundation_sdk.models import dashboard as models

from libs.common.messaging.names import DEAD_LETTER_QUEUE, WORK_QUEUES
from tools.dashboards.boards import Row, make_dashboard
from tools.dashboards.links import PIPELINE
from tools.dashboards.panels import HALF, Words, bars, lines, number
from tools.dashboards.queries import EVERY, WHOLE, Query, age, once, per_second, quantile

_CONSUMED = f'{{queue=~"{"|".join(WORK_QUEUES)}"}}'
_QUEUES = f'{{queue=~"{"|".join([*WORK_QUEUES, DEAD_LETTER_QUEUE])}"}}'
_WAIT = "adsp_queue_wait_seconds"
_TICK = "max(adsp_scheduler_tick_timestamp_seconds)"


def pipeline() -> models.Dashboard:
    """Make the dashboard of what carries jobs."""
    return make_dashboard(
        PIPELINE,
        "ADSP: pipeline",
        "Does work move? Queues and who consumes them, the clock, the sweeper and dead letters.",
        "now-6h",
        [_now(), _queues(), _workers(), _clock(), _repairs()],
    )


def _now() -> Row:
    tick = Words(
        "Last tick",
        "Time since the broker last confirmed a tick of the scheduler; 0: it has confirmed none yet.",
        "s",
        ["SchedulerNotTicking"],
    )
    consumers = Words(
        "Consumers",
        "Processes that consume a queue: workers consume jobs, loaders load.",
        "none",
        ["NoConsumers"],
    )
    waiting = Words(
        "Waiting messages", "Messages that wait in a queue.", "none", ["BacklogGrowing"]
    )
    dead = Words(
        "Dead letters",
        "Messages that the worker took from the dead-letter queue in the selected time, each the end of a job.",
        "none",
        ["DeadLetters"],
    )
    return Row(
        "At a glance",
        [
            number(tick, Query(age(_TICK), "since the last tick", instant=True), bad_from=180),
            number(
                consumers,
                Query(_by_queue("consumers", _CONSUMED), "{{queue}}", instant=True),
                bad_below=1,
            ),
            number(
                waiting,
                Query(_by_queue("messages_ready", _CONSUMED), "{{queue}}", instant=True),
                bad_from=1000,
            ),
            number(
                dead,
                Query(f"sum(increase(adsp_dead_letters_total{WHOLE}))", "taken", instant=True),
                bad_from=1,
            ),
        ],
    )


def _queues() -> Row:
    ready = Words(
        "Messages that wait",
        "Messages that no consumer has taken yet, by queue.",
        "none",
        ["BacklogGrowing", "DeadLetters"],
    )
    unacked = Words(
        "Messages in work",
        "Messages that a consumer has taken and not acknowledged: tasks that run, or wait in its hands.",
        "none",
        ["BacklogGrowing"],
    )
    consumers = Words(
        "Consumers by queue", "Processes that consume a queue.", "none", ["NoConsumers"]
    )
    wait = Words(
        "Wait in the queue",
        "Time from a message's publishing to the begin of its task: what half and 95 of 100 wait at most.",
        "s",
        ["BacklogGrowing", "NoConsumers"],
    )
    taken = Words("Tasks begun", "Tasks that begin each second, by queue.", "ops")
    chunks = Words(
        "Chunks", "Chunks that wait for a loader or are being loaded.", "none", ["BacklogGrowing"]
    )
    return Row(
        "Queues",
        [
            lines(ready, Query(_by_queue("messages_ready"), "{{queue}}")),
            lines(unacked, Query(_by_queue("messages_unacked"), "{{queue}}")),
            lines(consumers, Query(_by_queue("consumers", _CONSUMED), "{{queue}}")),
            lines(
                wait,
                Query(quantile(0.5, "queue", f"{_WAIT}_bucket"), "{{queue}}, half"),
                Query(quantile(0.95, "queue", f"{_WAIT}_bucket"), "{{queue}}, 95 %"),
            ),
            lines(taken, Query(per_second("queue", f"{_WAIT}_count"), "{{queue}}")),
            lines(chunks, Query(once("adsp_chunks_in_progress"), "{{state}}")),
        ],
    )


def _workers() -> Row:
    up = Words(
        "Processes that answer",
        "Processes of each service that Prometheus reaches.",
        "none",
        ["TargetDown"],
    )
    stages = Words(
        "Stages done",
        "Stages of jobs that end each second; a load is one chunk.",
        "ops",
        ["JobStuck"],
    )
    busy = Words(
        "Time spent in stages",
        "Seconds that tasks worked for each second that passed, counted when a stage ends: 2 is two processes busy.",
        "none",
        ["BacklogGrowing"],
    )
    stage = "adsp_stage_duration_seconds"
    work = '{stage=~"plan|load|finish"}'
    return Row(
        "Workers and loaders",
        [
            lines(up, Query('sum by (job) (up{job=~"api|worker|loader|scheduler"})', "{{job}}")),
            lines(stages, Query(per_second("stage", f"{stage}_count{work}"), "{{stage}}")),
            lines(busy, Query(per_second("stage", f"{stage}_sum{work}"), "{{stage}}")),
        ],
    )


def _clock() -> Row:
    tick = Words(
        "Scheduler's last tick",
        "Time since the broker last confirmed a tick; 0: it has confirmed none yet.",
        "s",
        ["SchedulerNotTicking"],
    )
    ticks = Words(
        "Ticks",
        "Ticks each second, by whether the broker confirmed them.",
        "ops",
        ["SchedulerNotTicking"],
    )
    return Row(
        "Scheduler",
        [
            lines(tick, Query(age(_TICK), "since the last tick"), width=HALF),
            lines(
                ticks,
                Query(per_second("result", "adsp_scheduler_ticks_total"), "{{result}}"),
                width=HALF,
            ),
        ],
    )


def _repairs() -> Row:
    actions = Words(
        "Sweeper",
        "What the sweeper brought back in each interval: messages sent again, leases taken from loaders that hang.",
        "none",
        ["JobStuck"],
    )
    dead = Words(
        "Dead letters over time",
        "Messages that were given up: taken by the worker in each interval, and waiting for it.",
        "none",
        ["DeadLetters"],
    )
    outbox = Words(
        "Outbox",
        "Jobs and events that no broker has confirmed yet; the sweeper sends them.",
        "none",
        ["OutboxStuck"],
    )
    lag = Words(
        "Age of the outbox",
        "Time since the oldest unconfirmed job or event was made; 0: none waits.",
        "s",
        ["OutboxStuck"],
    )
    unsent = Words(
        "Failed publishes",
        "Jobs whose message the broker did not confirm when they were made; the sweeper sends them later.",
        "none",
        ["OutboxStuck"],
    )
    ledger = Words(
        "Reading the ledger",
        "What the worker's last reading of the ledger for these numbers took.",
        "s",
        ["LedgerMetricsMissing"],
    )
    increase = "increase(adsp_sweeper_actions_total"
    dead_letters = '{queue="dead-letters"}'
    return Row(
        "Repairs",
        [
            bars(actions, Query(f"sum by (action) ({increase}{EVERY}))", "{{action}}")),
            lines(
                dead,
                Query(f"sum(increase(adsp_dead_letters_total{EVERY}))", "taken"),
                Query(f"sum({_by_queue('messages_ready', dead_letters)})", "waiting"),
            ),
            bars(
                unsent, Query(f"sum(increase(adsp_publish_failures_total{EVERY}))", "not confirmed")
            ),
            lines(outbox, Query(once("adsp_outbox_pending"), "{{kind}}")),
            lines(lag, Query(age(once("adsp_outbox_oldest_timestamp_seconds")), "{{kind}}")),
            lines(ledger, Query(once("adsp_state_collection_duration_seconds"), "reading")),
        ],
    )


def _by_queue(what: str, queues: str = _QUEUES) -> str:
    return f"sum by (queue) (rabbitmq_detailed_queue_{what}{queues})"
