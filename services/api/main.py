"""Start the api: read the settings, wire the app, serve it until SIGTERM."""

import uvicorn

from libs.common.logs import configure_logging
from services.api.app import create_app
from services.api.database_timeouts import bound_waits
from services.api.settings import ApiSettings

SERVICE = "api"
GRACE_SECONDS = 20


def main() -> None:
    """Serve the api."""
    settings = ApiSettings.read()
    configure_logging(settings, SERVICE)
    bound_waits(settings.database_connect_timeout, settings.database_read_timeout)
    uvicorn.run(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,  # structlog owns the log
        access_log=False,  # one line per request comes from `request_log`, with its id
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


if __name__ == "__main__":
    main()
