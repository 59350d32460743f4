"""Bring a database to a revision; the one way in for the commands, the tests and the image."""

import argparse
import os
from pathlib import Path

from alembic import command
from alembic.config import Config


def configure(url: str) -> Config:
    """Return the Alembic configuration for the database at `url`, which needs the owner's role."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["url"] = url
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Apply the migrations up to `revision`."""
    command.upgrade(configure(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take migrations back down to `revision`; "base" takes all of them back."""
    command.downgrade(configure(url), revision)


def make_revision(url: str, message: str) -> None:
    """Write a new revision from the difference between the models and the database at `url`."""
    command.revision(configure(url), message=message, autogenerate=True)


def main() -> None:
    """Migrate the database named by ``ADSP_DATABASE_URL``: the entry point of the one-shot image."""
    parser = argparse.ArgumentParser(description="Bring the ADSP schema to a revision.")
    parser.add_argument("revision", nargs="?", default="head")
    arguments = parser.parse_args()
    upgrade(os.environ["ADSP_DATABASE_URL"], arguments.revision)


if __name__ == "__main__":
    main()
