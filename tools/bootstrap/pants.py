"""Run Pants from PyPI where its official launcher is not installed.

`pants.toml` stays plain: what depends on the machine (where the interpreters are, the pex binary
that Pants would fetch from a release page, the network's certificates) is given in variables.
"""

import json
import os
from pathlib import Path
from shutil import which

from tools.bootstrap.commands import certificates, plain_environment
from tools.bootstrap.environments import PANTS_PYTHON, pants_environment, project_interpreter
from tools.bootstrap.errors import BootstrapError
from tools.bootstrap.interpreters import find_interpreters

_PLATFORMS = ("linux_x86_64", "linux_arm64", "macos_x86_64", "macos_arm64")


def pants_command() -> tuple[list[str], dict[str, str]]:
    """Return the program and its environment, making Pants' environment when needed.

    Without CPython 3.9 the official launcher is used, if there is one.

    Raises:
        BootstrapError: when neither can be had; the message says how to fix it.
    """
    variables = plain_environment()
    try:
        folder = pants_environment()
    except BootstrapError:
        launcher = which("pants")
        if launcher is None:
            raise
        return [launcher], variables
    return [str(folder / "bin" / "pants")], variables | _settings(folder)


def _settings(folder: Path) -> dict[str, str]:
    """Return the options that this machine needs, as Pants' environment variables."""
    facts = json.loads((folder / "pex.json").read_text(encoding="utf-8"))
    known = [f"v{facts['version']}|{name}|{facts['sha256']}|{facts['size']}" for name in _PLATFORMS]
    interpreters = [str(project_interpreter().path.parent)]
    interpreters += [str(found.path.parent) for found in find_interpreters(PANTS_PYTHON)]
    settings = {
        "NO_SCIE_WARNING": "1",  # of not having been started by the official launcher
        "PANTS_PANTSD": os.environ.get("PANTS_PANTSD", "false"),  # a command leaves nothing running
        "PANTS_PEX_CLI_VERSION": f"v{facts['version']}",
        "PANTS_PEX_CLI_KNOWN_VERSIONS": json.dumps(known),
        "PANTS_PEX_CLI_URL_TEMPLATE": (folder / "pex.pex").resolve().as_uri(),
        "PANTS_PYTHON_BOOTSTRAP_SEARCH_PATH": json.dumps([*interpreters, "<PATH>"]),
    }
    if file := certificates():
        settings |= {"PANTS_CA_CERTS_PATH": file, "SSL_CERT_FILE": file}
    if index := os.environ.get("PIP_INDEX_URL"):
        settings["PANTS_PYTHON_REPOS_INDEXES"] = json.dumps([index])
    return settings
