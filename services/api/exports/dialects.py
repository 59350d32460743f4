"""Read by which definition a job's failed rows were cut, also where today's rules refuse it."""

from libs.common.datasets.definition import DatasetDefinition
from libs.common.datasets.stored_definition import describe_refusal, parse_stored
from libs.common.errors import BadInput
from libs.common.ledger.models import Job


def definition_of(job: Job) -> DatasetDefinition:
    """Return the definition that the job was made under, or raise `BadInput` when it is refused by now."""
    parsed = parse_stored(job.definition)
    if isinstance(parsed, DatasetDefinition):
        return parsed
    raise BadInput(
        "definition-refused",
        f"job {job.id} was made under a definition that is refused by now ({describe_refusal(parsed)}), so its "
        f"records cannot be cut into cells; GET /v1/jobs/{job.id}/failed-rows gives them as JSON: correct the "
        "source with it, fix the dataset with PATCH or PUT, and load the corrected rows as a file",
    )


def encoding_of(job: Job) -> str:
    """Return the encoding that the job's definition names."""
    return str(job.definition.get("format", {}).get("encoding", "utf-8"))


def masks_columns(job: Job) -> bool:
    """Return whether the job's definition masks columns, so that rows of which not all is kept are masked."""
    return bool(job.definition.get("masked_columns"))
