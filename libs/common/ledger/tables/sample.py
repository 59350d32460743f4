"""The sample target table, which the documentation loads."""

from sqlalchemy import (
    BLANK_SCHEMA,
    CheckConstraint,
    Column,
    DateTime,
    Integer,
    Numeric,
    Table,
    Text,
)

from libs.common.ledger.tables.base import Base

items = Table(
    "items",
    Base.metadata,
    Column("sku", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("price", Numeric(12, 2), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("price >= 0", name="price"),
    CheckConstraint("quantity >= 0", name="quantity"),
    schema=BLANK_SCHEMA,
    comment="The sample target table.",
)
