"""Find the SQL statements that stand in `.sql` files beside the modules that run them."""

from functools import cache
from importlib.resources import files

from sqlalchemy import TextClause, text


@cache
def read_statement(package: str, name: str) -> str:
    """Return the text of ``<name>.sql`` in a package, for example ("services.loader", "claim")."""
    return files(package).joinpath(f"{name}.sql").read_text(encoding="utf-8")


@cache
def statement(package: str, name: str) -> TextClause:
    """Return the same as what SQLAlchemy runs."""
    return text(read_statement(package, name))
