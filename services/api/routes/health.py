"""Return whether the api lives, is well, is ready, and how busy it is; nothing needs the ledger."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from libs.common.version import VERSION
from services.api.dependencies import Dependencies, Wired
from services.api.errors.problems import unavailable
from services.api.readiness import REQUIRED, ServerCheck
from services.api.responses import problems

router = APIRouter(tags=["health"])


class PostgresConnections(BaseModel):
    """How many connections to Postgres are taken, by anybody."""

    taken: int
    most: int = Field(description="`max_connections` less those reserved for superusers.")


class Health(BaseModel):
    """That the api runs, which one, and how the servers around it are."""

    status: Literal["ok", "degraded"] = Field(
        description="degraded: a server is away; /readyz says whether jobs can be taken."
    )
    service: Literal["api"] = "api"
    version: str
    servers: dict[str, str] = Field(description="'ok', or what is wrong, by server.")
    connections: PostgresConnections | None = Field(
        description="To Postgres, as of its last answer; null before it."
    )


class Liveness(BaseModel):
    """That the process answers."""

    status: Literal["alive"] = "alive"


class ReadinessDocument(BaseModel):
    """Whether jobs can be taken and sent."""

    status: Literal["ready", "degraded"] = Field(
        description="degraded: all works but the results of tasks, which are in Redis."
    )
    servers: dict[str, str] = Field(description="'ok', or what is wrong, by server.")


@router.get("/health", operation_id="getHealth", summary="Say that the api runs")
def get_health(dependencies: Wired) -> Health:
    """Answer 200 whatever else is up or down, with a word on each server."""
    checks = dependencies.readiness.check()
    return Health(
        status="degraded" if any(check.error for check in checks) else "ok",
        version=VERSION,
        servers=_words(checks),
        connections=_connections(dependencies),
    )


def _connections(dependencies: Dependencies) -> PostgresConnections | None:
    found = dependencies.readiness.connections
    return PostgresConnections(**found._asdict()) if found else None


@router.get("/livez", operation_id="getLiveness", summary="Say that the process is alive")
async def get_liveness() -> Liveness:
    """Answer without a look at anything else: a restart would fix nothing there."""
    return Liveness()


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Say whether jobs can be taken",
    responses=problems(503),
)
def get_readiness(dependencies: Wired) -> ReadinessDocument:
    """Check Postgres, RabbitMQ and Redis; without Redis the api is degraded, not down."""
    found = dependencies.readiness.check()
    checks = {check.server: check.error for check in found}
    troubles = [f"{name}: {checks[name]}" for name in REQUIRED if checks[name]]
    if troubles:
        raise unavailable(
            "not-ready", f"a server that the api needs is away ({'; '.join(troubles)}); start it"
        )
    return ReadinessDocument(
        status="degraded" if any(checks.values()) else "ready",
        servers=_words(found),
    )


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Give metrics to Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def get_metrics(dependencies: Wired) -> Response:
    """Render the api's own metrics."""
    return Response(dependencies.metrics.render(), media_type=CONTENT_TYPE_LATEST)


def _words(checks: list[ServerCheck]) -> dict[str, str]:
    return {check.server: check.error or "ok" for check in checks}
