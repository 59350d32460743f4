"""Put the api together: routes, problems, request log and the wiring they share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from libs.common.logs import get_logger
from libs.common.version import VERSION
from services.api.dependencies import SERVICE, Dependencies
from services.api.errors.database import install_database_handlers
from services.api.errors.problems import install_problem_handlers
from services.api.limits.body_limit import BodyLimit
from services.api.metrics import ApiMetrics
from services.api.middleware.authentication import Authentication
from services.api.middleware.problem_pages import ProblemPages
from services.api.middleware.request_log import RequestLog
from services.api.responses import REFUSALS, add_problem_schema
from services.api.routes import (
    audit,
    backfill,
    cancel,
    correction_sheets,
    corrections,
    dataset_patch,
    dataset_retirement,
    datasets,
    definition_versions,
    direct_uploads,
    events,
    failed_rows,
    health,
    inspect,
    job_files,
    job_log,
    jobs,
    keys,
    notifications,
    overview,
    replays,
    tables,
    task_results,
    uploads,
)
from services.api.settings import ApiSettings
from services.api.uploads.abandoned_uploads import keep_removing
from services.api.web import (
    assets,
    audit_page,
    correction_actions,
    correction_page,
    dataset_actions,
    dataset_page,
    dataset_schema,
    datasets_page,
    definition_page,
    failed_rows_page,
    job_actions,
    job_page,
    jobs_page,
    new_dataset_page,
    overview_page,
    reference,
    rule_page,
    sign_in,
)

log = get_logger(__name__)

NOUNS = (
    jobs,
    job_files,
    job_log,
    cancel,
    failed_rows,
    replays,
    notifications,
    corrections,
    correction_sheets,
    datasets,
    dataset_patch,
    dataset_retirement,
    definition_versions,
    backfill,
    inspect,
    tables,
    uploads,
    direct_uploads,
    task_results,
    keys,
    overview,
    events,
    audit,
)
"""The modules whose routes need a key, in the order of the interface's description."""

CONSOLE = (
    reference,
    dataset_schema,
    assets,
    sign_in,
    overview_page,
    jobs_page,
    job_page,
    failed_rows_page,
    correction_page,
    rule_page,
    correction_actions,
    job_actions,
    datasets_page,
    new_dataset_page,
    dataset_page,
    definition_page,
    dataset_actions,
    audit_page,
)
"""The console, and what is shown to everybody."""

DESCRIPTION = """Lands daily files in PostgreSQL.

A job is one load of one source into a dataset's table. Every record ends in exactly one place:
loaded, failed (with the reason) or superseded. Errors are `application/problem+json` (RFC 9457)
with a stable `code`. Every call but the probes needs an API key with the scope that the operation
names (`read`, `submit`, `admin`), or that for some datasets (`read:items`, `submit:sales-*`); a key
sees the jobs of its owner. `X-Request-ID` is taken,
returned and carried to every service.
"""


class Api(FastAPI):
    """An app whose OpenAPI document knows the form of its problems."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            add_problem_schema(super().openapi())
        return super().openapi()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = app.state.dependencies.settings
    log.info("service_started", service=SERVICE, version=VERSION)
    if not settings.auth:
        log.warning(
            "auth_disabled", host=settings.api_host, cure="set ADSP_AUTH=on to ask for API keys"
        )
    sweeper = asyncio.create_task(keep_removing(settings.upload_dir))
    try:
        yield
    finally:
        sweeper.cancel()
        await asyncio.wait([sweeper])
        app.state.dependencies.close()
        log.info("service_stopped", service=SERVICE)


def create_app(settings: ApiSettings) -> Api:
    """Make the app; nothing is connected before the first request."""
    app = Api(
        title="ADSP",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,  # services.api.web.reference
        redoc_url=None,
    )
    dependencies = Dependencies.from_settings(settings)
    app.state.dependencies = dependencies
    install_problem_handlers(app)
    install_database_handlers(app)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(Authentication, dependencies=dependencies)
    app.add_middleware(RequestLog, metrics=dependencies.metrics)
    app.add_middleware(ProblemPages)
    app.include_router(health.router)
    for noun in NOUNS:
        app.include_router(noun.router, responses=REFUSALS)
    for page in CONSOLE:
        app.include_router(page.router)
    _expect_requests(app, dependencies.metrics)
    return app


def _expect_requests(app: Api, metrics: ApiMetrics) -> None:
    """Let the series of every route exist from the start; its document says how it can answer."""
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            statuses = {status for status in operation["responses"] if status.isdigit()}
            metrics.expect(method.upper(), path, sorted(statuses | {"500"}))
