"""Find the SQL statements that stand in `.sql` files beside the modules that run them."""

from functools import cache
from importlib.resources import files


@cache
def read_statement(package: str, name: str) -> str:
    """Return the text of ``<name>.sql`` in a package, for example ("services.loader", "claim")."""
    return files(package).joinpath(f"{name}.sql").read_text(encoding="utf-8")
