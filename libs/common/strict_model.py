"""Hold the base of what users define: unknown fields are refused, values do not change."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A frozen model that refuses fields it does not know, so that no typing error goes unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
