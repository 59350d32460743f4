"""Break promise 2 on purpose, so that a test of it can be seen to fail: chunks that were loaded are loaded again."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2

from libs.devstack.testing.databases import ScratchDatabase

_FORGET = """
CREATE FUNCTION public.forget_first_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.state := OLD.state;
    NEW.finished_at := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER forget_first_end BEFORE UPDATE ON adsp.chunks FOR EACH ROW
WHEN (NEW.state = 'done' AND NEW.attempt = 1) EXECUTE FUNCTION public.forget_first_end();
"""
_REMEMBER = "DROP FUNCTION public.forget_first_end() CASCADE"


@contextmanager
def forgetful_ledger(database: ScratchDatabase) -> Iterator[None]:
    """Let a chunk whose first attempt commits stay `running` while the block runs: its next message loads it again."""
    with closing(psycopg2.connect(database.dsn_for("owner"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(_FORGET)
            try:
                yield
            finally:
                cursor.execute(_REMEMBER)
