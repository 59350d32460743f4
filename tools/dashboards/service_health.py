"""Show whether the api answers and what our processes use; the servers' panels stand in `servers`."""

from grafana_foundation_sdk.models import dashboard as models

from tools.dashboards.boards import Row, make_dashboard
from tools.dashboards.links import SERVICE_HEALTH
from tools.dashboards.panels import HALF, Words, lines, number
from tools.dashboards.queries import EVERY, WHOLE, Query, per_second, quantile, share
from tools.dashboards.servers import postgres, rabbitmq, redis

_REQUESTS = "adsp_http_requests_total"
_SECONDS = "adsp_http_request_duration_seconds"
# As the alert counts them: probes are many and tell nothing of what clients see.
_ASKED = 'route!~"/livez|/readyz|/health|/metrics"'
_CLIENTS = f"{_REQUESTS}{{{_ASKED}}}"
_FAULTS = f'{_REQUESTS}{{{_ASKED}, status=~"5.."}}'
_OURS = '{job=~"api|worker|loader|scheduler"}'


def service_health() -> models.Dashboard:
    """Make the dashboard of the api, the servers and the processes."""
    return make_dashboard(
        SERVICE_HEALTH,
        "ADSP: service health",
        "Does the api answer, are the servers well, what do the processes use?",
        "now-6h",
        [_now(), _api(), postgres(), rabbitmq(), redis(), _processes()],
    )


def _now() -> Row:
    down = Words(
        "Targets down", "Endpoints that Prometheus asks and does not reach.", "none", ["TargetDown"]
    )
    faults = Words(
        "Faults of the api",
        "Share of the requests of the selected time that were answered with 5xx, probes aside.",
        "percentunit",
        ["ApiErrorBudgetBurn"],
    )
    rate = Words("Requests", "Requests answered each second.", "reqps")
    alerts = Words(
        "Alerts that fire",
        "Alerts that fire now; the watchdog, which always fires to prove that alerting works, is not counted.",
        "none",
        ["Watchdog"],
    )
    failed = share(f"sum(increase({_FAULTS}{WHOLE}))", f"sum(increase({_CLIENTS}{WHOLE}))")
    firing = 'count(ALERTS{alertstate="firing", alertname!="Watchdog"}) or vector(0)'
    return Row(
        "At a glance",
        [
            number(down, Query("count(up) - sum(up)", "down", instant=True), bad_from=1),
            number(faults, Query(failed, "5xx", instant=True), bad_from=0.01),
            number(rate, Query(f"sum(rate({_REQUESTS}{EVERY}))", "requests")),
            number(alerts, Query(firing, "firing", instant=True), bad_from=1),
        ],
    )


def _api() -> Row:
    rate = Words(
        "Requests by route", "Requests answered each second, by method and route.", "reqps"
    )
    errors = Words(
        "Faults by route",
        "Share of a route's requests that were answered with 5xx; probes and routes without requests are not shown.",
        "percentunit",
        ["ApiErrorBudgetBurn"],
    )
    slow = Words(
        "Duration by route, 95th percentile",
        "What 95 of 100 requests take at most, from the first byte to the answer's last; an upload takes its time.",
        "s",
    )
    statuses = Words("Requests by status", "Requests answered each second, by status.", "reqps")
    overall = Words(
        "Duration", "What half and 99 of 100 requests take at most, uploads aside.", "s"
    )
    asked = f'{_SECONDS}_bucket{{route!~".*/uploads"}}'
    by_route = "method, route"
    failed = share(per_second(by_route, _FAULTS), per_second(by_route, _CLIENTS))
    busy = f"{per_second('status', _REQUESTS)} > 0"
    return Row(
        "API",
        [
            lines(rate, Query(f"{per_second(by_route, _REQUESTS)} > 0", "{{method}} {{route}}")),
            lines(errors, Query(failed, "{{method}} {{route}}")),
            lines(
                slow, Query(quantile(0.95, by_route, f"{_SECONDS}_bucket"), "{{method}} {{route}}")
            ),
            lines(statuses, Query(busy, "{{status}}"), width=HALF),
            lines(
                overall,
                Query(f"histogram_quantile(0.5, {per_second('le', asked)})", "half"),
                Query(f"histogram_quantile(0.99, {per_second('le', asked)})", "99 %"),
                width=HALF,
            ),
        ],
    )


def _processes() -> Row:
    memory = Words(
        "Memory",
        "Resident memory of each process that Prometheus asks, and of the children of its pool together.",
        "bytes",
    )
    cpu = Words(
        "CPU",
        "CPU seconds that a process, and the children of its pool, use each second: 1 is one core.",
        "none",
    )
    files = Words("Open files", "Share of the files that a process may open.", "percentunit")
    children = Words(
        "Children of pools", "Processes that run the tasks of a worker or loader.", "none"
    )
    builds = Words("Builds", "Processes by service and version.", "none", ["TargetDown"])
    opened = f"process_open_fds{_OURS} / process_max_fds{_OURS}"
    own, pool = "{{job}} {{instance}}", "{{job}} {{instance}}, children"
    at = "job, instance"
    return Row(
        "Processes",
        [
            lines(
                memory,
                Query(f"process_resident_memory_bytes{_OURS}", own),
                Query("adsp_pool_resident_memory_bytes", pool),
                width=HALF,
            ),
            lines(
                cpu,
                Query(per_second(at, f"process_cpu_seconds_total{_OURS}"), own),
                Query(per_second(at, "adsp_pool_cpu_seconds_total"), pool),
                width=HALF,
            ),
            lines(files, Query(opened, own)),
            lines(children, Query("adsp_pool_processes", own)),
            lines(
                builds,
                Query("sum by (service, version) (adsp_build_info)", "{{service}} {{version}}"),
            ),
        ],
    )
