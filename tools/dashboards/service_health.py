"""Show whether the api answers and what our processes use; the servers' panels stand in `servers`."""

from grafana_foundation_sdk.models import dashboard as models

from tools.dashboards.boards import Row, make_dashboard
from tools.dashboards.links import SERVICE_HEALTH
from tools.dashboards.panels import HALF, QUARTER, Lines, Number
from tools.dashboards.queries import EVERY, WHOLE, per_second, quantile, share
from tools.dashboards.servers import POSTGRES, RABBITMQ, REDIS

_REQUESTS = "adsp_http_requests_total"
_SECONDS = "adsp_http_request_duration_seconds"
# As the alert counts them: probes are many and tell nothing of what clients see.
_ASKED = 'route!~"/livez|/readyz|/health|/metrics"'
_CLIENTS = f"{_REQUESTS}{{{_ASKED}}}"
_FAULTS = f'{_REQUESTS}{{{_ASKED}, status=~"5.."}}'
_ANSWERED = f'{_SECONDS}_bucket{{route!~".*/uploads"}}'
_ROUTE, _NAMED = "method, route", "{{method}} {{route}}"
_OWN, _POOL = "{{job}} {{instance}}", "{{job}} {{instance}}, children"
_OURS = '{job=~"api|worker|loader|scheduler"}'


def service_health() -> models.Dashboard:
    """Make the dashboard of the api, the servers and the processes."""
    return make_dashboard(
        SERVICE_HEALTH,
        "ADSP: service health",
        "Does the api answer, are the servers well, what do the processes use?",
        "now-6h",
        [_NOW, _API, POSTGRES, RABBITMQ, REDIS, _PROCESSES],
    )


_NOW = Row(
    "At a glance",
    [
        Number(
            "Targets down",
            "Endpoints that Prometheus asks and does not reach.",
            "none",
            {"down": "count(up) - sum(up)"},
            ["TargetDown"],
            bad_from=1,
        ),
        Number(
            "Faults of the api",
            "Share of the requests of the selected time that were answered with 5xx, probes aside.",
            "percentunit",
            {"5xx": share(f"sum(increase({_FAULTS}{WHOLE}))", f"sum(increase({_CLIENTS}{WHOLE}))")},
            ["ApiErrorBudgetBurn"],
            bad_from=0.01,
        ),
        Number(
            "Requests",
            "Requests answered each second.",
            "reqps",
            {"requests": f"sum(rate({_REQUESTS}{EVERY}))"},
        ),
        Number(
            "Alerts that fire",
            "Alerts that fire now; the watchdog, which always fires to prove that alerting works, is not counted.",
            "none",
            {"firing": 'count(ALERTS{alertstate="firing", alertname!="Watchdog"}) or vector(0)'},
            ["Watchdog"],
            bad_from=1,
        ),
    ],
    width=QUARTER,
)


_API = Row(
    "API",
    [
        Lines(
            "Requests by route",
            "Requests answered each second, by method and route.",
            "reqps",
            {_NAMED: f"{per_second(_ROUTE, _REQUESTS)} > 0"},
        ),
        Lines(
            "Faults by route",
            "Share of a route's requests that were answered with 5xx; probes and routes without requests are not"
            " shown.",
            "percentunit",
            {_NAMED: share(per_second(_ROUTE, _FAULTS), per_second(_ROUTE, _CLIENTS))},
            ["ApiErrorBudgetBurn"],
        ),
        Lines(
            "Duration by route, 95th percentile",
            "What 95 of 100 requests take at most, from the first byte to the answer's last; an upload takes its time.",
            "s",
            {_NAMED: quantile(0.95, _ROUTE, f"{_SECONDS}_bucket")},
        ),
        Lines(
            "Requests by status",
            "Requests answered each second, by status.",
            "reqps",
            {"{{status}}": f"{per_second('status', _REQUESTS)} > 0"},
            width=HALF,
        ),
        Lines(
            "Duration",
            "What half and 99 of 100 requests take at most, uploads aside.",
            "s",
            {
                "half": f"histogram_quantile(0.5, {per_second('le', _ANSWERED)})",
                "99 %": f"histogram_quantile(0.99, {per_second('le', _ANSWERED)})",
            },
            width=HALF,
        ),
    ],
)


_PROCESSES = Row(
    "Processes",
    [
        Lines(
            "Memory",
            "Resident memory of each process that Prometheus asks, and of the children of its pool together.",
            "bytes",
            {
                _OWN: f"process_resident_memory_bytes{_OURS}",
                _POOL: "adsp_pool_resident_memory_bytes",
            },
            width=HALF,
        ),
        Lines(
            "CPU",
            "CPU seconds that a process, and the children of its pool, use each second: 1 is one core.",
            "none",
            {
                _OWN: per_second("job, instance", f"process_cpu_seconds_total{_OURS}"),
                _POOL: per_second("job, instance", "adsp_pool_cpu_seconds_total"),
            },
            width=HALF,
        ),
        Lines(
            "Open files",
            "Share of the files that a process may open.",
            "percentunit",
            {_OWN: f"process_open_fds{_OURS} / process_max_fds{_OURS}"},
        ),
        Lines(
            "Children of pools",
            "Processes that run the tasks of a worker or loader.",
            "none",
            {_OWN: "adsp_pool_processes"},
        ),
        Lines(
            "Builds",
            "Processes by service and version.",
            "none",
            {"{{service}} {{version}}": "sum by (service, version) (adsp_build_info)"},
            ["TargetDown"],
        ),
    ],
)
