"""Show how work moves from the api to the loaders: queues, consumers, the clock, the sweeper, dead letters."""

from grafana_foundation_sdk.models import dashboard as models

from libs.common.messaging.names import DEAD_LETTER_QUEUE, WORK_QUEUES
from tools.dashboards.boards import Row, make_dashboard
from tools.dashboards.links import PIPELINE
from tools.dashboards.panels import HALF, QUARTER, Bars, Lines, Number
from tools.dashboards.queries import EVERY, WHOLE, age, once, per_second, quantile

_CONSUMED = f'{{queue=~"{"|".join(WORK_QUEUES)}"}}'
_QUEUES = f'{{queue=~"{"|".join([*WORK_QUEUES, DEAD_LETTER_QUEUE])}"}}'
_WORK = '{stage=~"plan|load|finish"}'
_DEAD_LETTERS = f'{{queue="{DEAD_LETTER_QUEUE}"}}'
_WAIT = "adsp_queue_wait_seconds"
_TICK = "max(adsp_scheduler_tick_timestamp_seconds)"


def pipeline() -> models.Dashboard:
    """Make the dashboard of what carries jobs."""
    return make_dashboard(
        PIPELINE,
        "ADSP: pipeline",
        "Does work move? Queues and who consumes them, the clock, the sweeper and dead letters.",
        "now-6h",
        [_NOW, _BY_QUEUE, _WORKERS, _CLOCK, _REPAIRS],
    )


def _by_queue(what: str, queues: str = _QUEUES) -> str:
    return f"sum by (queue) (rabbitmq_detailed_queue_{what}{queues})"


_NOW = Row(
    "At a glance",
    [
        Number(
            "Last tick",
            "Time since the broker last confirmed a tick of the scheduler; 0: it has confirmed none yet.",
            "s",
            {"since the last tick": age(_TICK)},
            ["SchedulerNotTicking"],
            bad_from=180,
        ),
        Number(
            "Consumers",
            "Processes that consume a queue: workers consume jobs, loaders load.",
            "none",
            {"{{queue}}": _by_queue("consumers", _CONSUMED)},
            ["NoConsumers"],
            bad_below=1,
        ),
        Number(
            "Waiting messages",
            "Messages that wait in a queue.",
            "none",
            {"{{queue}}": _by_queue("messages_ready", _CONSUMED)},
            ["BacklogGrowing"],
            bad_from=1000,
        ),
        Number(
            "Dead letters",
            "Messages that the worker took from the dead-letter queue in the selected time, each the end of a job.",
            "none",
            {"taken": f"sum(increase(adsp_dead_letters_total{WHOLE}))"},
            ["DeadLetters"],
            bad_from=1,
        ),
    ],
    width=QUARTER,
)


_BY_QUEUE = Row(
    "Queues",
    [
        Lines(
            "Messages that wait",
            "Messages that no consumer has taken yet, by queue.",
            "none",
            {"{{queue}}": _by_queue("messages_ready")},
            ["BacklogGrowing", "DeadLetters"],
        ),
        Lines(
            "Messages in work",
            "Messages that a consumer has taken and not acknowledged: tasks that run, or wait in its hands.",
            "none",
            {"{{queue}}": _by_queue("messages_unacked")},
            ["BacklogGrowing"],
        ),
        Lines(
            "Consumers by queue",
            "Processes that consume a queue.",
            "none",
            {"{{queue}}": _by_queue("consumers", _CONSUMED)},
            ["NoConsumers"],
        ),
        Lines(
            "Wait in the queue",
            "Time from a message's publishing to the begin of its task: what half and 95 of 100 wait at most.",
            "s",
            {
                "{{queue}}, half": quantile(0.5, "queue", f"{_WAIT}_bucket"),
                "{{queue}}, 95 %": quantile(0.95, "queue", f"{_WAIT}_bucket"),
            },
            ["BacklogGrowing", "NoConsumers"],
        ),
        Lines(
            "Tasks begun",
            "Tasks that begin each second, by queue.",
            "ops",
            {"{{queue}}": per_second("queue", f"{_WAIT}_count")},
        ),
        Lines(
            "Chunks",
            "Chunks that wait for a loader or are being loaded.",
            "none",
            {"{{state}}": once("adsp_chunks_in_progress")},
            ["BacklogGrowing"],
        ),
    ],
)


_WORKERS = Row(
    "Workers and loaders",
    [
        Lines(
            "Processes that answer",
            "Processes of each service that Prometheus reaches.",
            "none",
            {"{{job}}": 'sum by (job) (up{job=~"api|worker|loader|scheduler"})'},
            ["TargetDown"],
        ),
        Lines(
            "Stages done",
            "Stages of jobs that end each second; a load is one chunk.",
            "ops",
            {"{{stage}}": per_second("stage", f"adsp_stage_duration_seconds_count{_WORK}")},
            ["JobStuck"],
        ),
        Lines(
            "Time spent in stages",
            "Seconds that tasks worked for each second that passed, counted when a stage ends: 2 is two processes"
            " busy.",
            "none",
            {"{{stage}}": per_second("stage", f"adsp_stage_duration_seconds_sum{_WORK}")},
            ["BacklogGrowing"],
        ),
    ],
)


_CLOCK = Row(
    "Scheduler",
    [
        Lines(
            "Scheduler's last tick",
            "Time since the broker last confirmed a tick; 0: it has confirmed none yet.",
            "s",
            {"since the last tick": age(_TICK)},
            ["SchedulerNotTicking"],
        ),
        Lines(
            "Ticks",
            "Ticks each second, by whether the broker confirmed them.",
            "ops",
            {"{{result}}": per_second("result", "adsp_scheduler_ticks_total")},
            ["SchedulerNotTicking"],
        ),
    ],
    width=HALF,
)


_REPAIRS = Row(
    "Repairs",
    [
        Bars(
            "Sweeper",
            "What the sweeper brought back in each interval: messages sent again, leases taken from loaders that hang.",
            "none",
            {"{{action}}": f"sum by (action) (increase(adsp_sweeper_actions_total{EVERY}))"},
            ["JobStuck"],
        ),
        Bars(
            "Stores",
            "Requests to stores of sources that were made again in each interval, by kind: the store was slow or away.",
            "none",
            {"{{kind}}": f"sum by (kind) (increase(adsp_store_retries_total{EVERY}))"},
        ),
        Lines(
            "Dead letters over time",
            "Messages that were given up: taken by the worker in each interval, and waiting for it.",
            "none",
            {
                "taken": f"sum(increase(adsp_dead_letters_total{EVERY}))",
                "waiting": f"sum({_by_queue('messages_ready', _DEAD_LETTERS)})",
            },
            ["DeadLetters"],
        ),
        Bars(
            "Failed publishes",
            "Jobs whose message the broker did not confirm when they were made; the sweeper sends them later.",
            "none",
            {"not confirmed": f"sum(increase(adsp_publish_failures_total{EVERY}))"},
            ["OutboxStuck"],
        ),
        Lines(
            "Outbox",
            "Jobs and events that no broker has confirmed yet; the sweeper sends them.",
            "none",
            {"{{kind}}": once("adsp_outbox_pending")},
            ["OutboxStuck"],
        ),
        Lines(
            "Age of the outbox",
            "Time since the oldest unconfirmed job or event was made; 0: none waits.",
            "s",
            {"{{kind}}": age(once("adsp_outbox_oldest_timestamp_seconds"))},
            ["OutboxStuck"],
        ),
        Lines(
            "Reading the ledger",
            "What the worker's last reading of the ledger for these numbers took.",
            "s",
            {"reading": once("adsp_state_collection_duration_seconds")},
            ["LedgerMetricsMissing"],
        ),
    ],
)
