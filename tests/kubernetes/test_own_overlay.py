"""The overlay that the page shows does what the page says."""

import re
import shutil
from pathlib import Path

from services.worker.settings import WorkerSettings
from tests.kubernetes.manifests import (
    KUBERNETES,
    REPOSITORY,
    container,
    needs_kubectl,
    render_folder,
)

PAGE = REPOSITORY / "docs" / "howto" / "kubernetes.md"


@needs_kubectl
def test_the_overlay_of_the_page_changes_images_settings_and_volumes(tmp_path: Path) -> None:
    for folder in (KUBERNETES, KUBERNETES.with_name("grafana")):
        shutil.copytree(folder, tmp_path / folder.name)
    own = tmp_path / KUBERNETES.name / "overlays" / "own"
    own.mkdir()
    [shown] = re.findall(r"^```yaml\n(.+?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (own / "kustomization.yaml").write_text(shown)

    made = {(each["kind"], each["metadata"]["name"]): each for each in render_folder(own)}

    inner = {
        name: container(made["Deployment", name]["spec"]["template"]) for name in ("api", "worker")
    }
    [settings] = [name for kind, name in made if kind == "ConfigMap" and "settings" in name]
    claims = [each for (kind, _), each in made.items() if kind == "PersistentVolumeClaim"]
    assert inner["api"]["image"] == "REGISTRY/adsp/api:0.1.0"
    assert inner["api"]["envFrom"] == [{"configMapRef": {"name": settings}}]
    assert made["ConfigMap", settings]["data"] == {"ADSP_LOG_LEVEL": "warning"}
    public_url = {"name": "ADSP_PUBLIC_URL", "value": "https://adsp.example"}
    assert [public_url in inner[name]["env"] for name in ("worker", "api")] == [True, False]
    assert "public_url" in WorkerSettings.model_fields
    assert {each["spec"]["storageClassName"] for each in claims} == {"SHARED"}
