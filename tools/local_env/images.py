"""Return whether images can be built here, and what Pants gets when they cannot."""

import json
import subprocess
import sys

from invoke.exceptions import Exit

from tools.bootstrap.locations import ROOT
from tools.bootstrap.pants import pants_command
from tools.local_env.docker import ask, engine_answers

IMAGES = ("api", "worker", "scheduler", "loader", "migrations")
# Where no engine answers, Pants builds everything else.
_WITHOUT_IMAGES = {"PANTS_FILTER_TARGET_TYPE": json.dumps(["-docker_image"])}


def image_variables() -> dict[str, str]:
    """Return Pants' variables for packaging: those of the images, or those that leave them out."""
    if not engine_answers():
        print(
            "dev: no Docker engine answers: the PEXes are built, the images are left out",
            file=sys.stderr,
        )
        return _WITHOUT_IMAGES
    revision = (ask(["git", "rev-parse", "HEAD"]) or "").strip()
    # Pants calls `docker build`, which where BuildKit is missing wants that said.
    engine = {} if ask(["docker", "buildx", "version"]) else {"DOCKER_BUILDKIT": "0"}
    return engine | ({"ADSP_REVISION": revision} if revision else {})


def images_exist() -> bool:
    """Return whether the engine has all five images."""
    return bool(ask(["docker", "image", "inspect", *(f"adsp/{name}" for name in IMAGES)]))


def build_images() -> None:
    """Build the images through Pants; raise `Exit` when that fails."""
    command, variables = pants_command()
    only_images = [*command, "--filter-target-type=docker_image", "package", "::"]
    status = subprocess.run(
        only_images, cwd=ROOT, env=variables | image_variables(), check=False
    ).returncode
    if status:
        raise Exit("the images were not built; ./dev up --local runs without them", code=status)
