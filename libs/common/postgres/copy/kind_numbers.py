"""The kinds of `column_types` as plain numbers, which is all that compiled code knows."""

from libs.common.postgres.copy.column_types import (
    Kind,
)

# Compiled code knows plain numbers only.
JSONB, INTEGER, NUMERIC = int(Kind.JSONB), int(Kind.INTEGER), int(Kind.NUMERIC)
DATE, TIME, TIMESTAMP = int(Kind.DATE), int(Kind.TIME), int(Kind.TIMESTAMP)
UUID, BYTES, FLOAT = int(Kind.UUID), int(Kind.BYTES), int(Kind.FLOAT)
