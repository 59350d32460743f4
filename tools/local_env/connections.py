"""Find the api and the database for a command: those that the environment names, else the local stack's."""

import os

from tools.local_env.layout import Layout
from tools.local_env.state import running_state


def database_url() -> str:
    """Return the owner's URL of the database: that of ADSP_DATABASE_URL, else the local stack's."""
    return _address("ADSP_DATABASE_URL")


def api_url() -> str:
    """Return the URL of the api: that of ADSP_API_URL, else the local stack's."""
    return _address("ADSP_API_URL")


def _address(variable: str) -> str:
    given = os.environ.get(variable)
    return given or running_state(Layout.of_checkout()).environment()[variable]
