"""Serve the JSON Schema of a dataset's definition: editors complete and check the files of a folder by it."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from libs.common.datasets.json_schema import definition_schema

PATH = "/schemas/dataset.json"

router = APIRouter(include_in_schema=False)


@router.get(PATH)
def show_schema() -> JSONResponse:
    """Show the schema; it holds no data, so it needs no key."""
    return JSONResponse(definition_schema(), media_type="application/schema+json")
