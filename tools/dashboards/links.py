"""Lead from a panel to what one does about it, and from one dashboard to the others."""

from grafana_foundation_sdk.models import dashboard as models

DAILY_LOADS, PIPELINE, SERVICE_HEALTH = "adsp-daily-loads", "adsp-pipeline", "adsp-service-health"
"""The dashboards' uids: other pages link to them."""

TAG = "adsp"
RUNBOOKS = "/public/runbooks"
"""Where Grafana serves docs/runbooks; docker-compose.yml mounts them there."""


def runbook_link(alert: str) -> models.DashboardLink:
    """Link to what to do when an alert fires."""
    return models.DashboardLink(
        title=f"Runbook {alert}", url=f"{RUNBOOKS}/{alert}.md", target_blank=True
    )


def dataset_link() -> models.DashboardLink:
    """Link from a cell that names a dataset to that dataset's loads."""
    return models.DashboardLink(
        title="Loads of this dataset",
        url=f"/d/{DAILY_LOADS}?var-dataset=${{__value.raw}}&${{__url_time_range}}",
    )


def sibling_links() -> list[models.DashboardLink]:
    """Link to the other dashboards, with the same time."""
    return [
        models.DashboardLink(
            title="ADSP",
            type_val=models.DashboardLinkType.DASHBOARDS,
            icon="external link",
            tooltip="The other dashboards of ADSP",
            tags=[TAG],
            include_vars=True,
            keep_time=True,
        )
    ]
