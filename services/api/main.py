"""Start the api: read the settings, wire the app, serve it until SIGTERM."""

from types import FrameType

import uvicorn

from libs.common.heap import settle_heap
from libs.common.logs import configure_logging
from libs.common.messaging.job_log import keep_job_log
from services.api.app import create_app
from services.api.database_timeouts import bound_waits
from services.api.live.feed import Feed
from services.api.settings import ApiSettings

SERVICE = "api"
GRACE_SECONDS = 20


class _Server(uvicorn.Server):
    """A server that ends its streams when it has to stop: it waits for every answer to be out."""

    def __init__(self, config: uvicorn.Config, feed: Feed) -> None:
        super().__init__(config)
        self._feed = feed

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop."""
        self._feed.close()
        super().handle_exit(sig, frame)


def main() -> None:
    """Serve the api."""
    settings = ApiSettings.read()
    configure_logging(settings, SERVICE)
    keep_job_log(settings, SERVICE)
    bound_waits(settings.database_connect_timeout, settings.database_read_timeout)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,  # structlog owns the log
        access_log=False,  # one line per request comes from `request_log`, with its id
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    settle_heap()
    _Server(config, app.state.dependencies.feed).run()


if __name__ == "__main__":
    main()
