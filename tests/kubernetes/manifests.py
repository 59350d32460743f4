"""Render the overlays of infra/kubernetes as `kubectl apply -k` does, and find one's way in what comes out."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
KUBERNETES = REPOSITORY / "infra" / "kubernetes"
OVERLAYS = sorted(folder.name for folder in (KUBERNETES / "overlays").iterdir())
PART_OF, COMPONENT = "app.kubernetes.io/part-of", "app.kubernetes.io/component"
OLDEST = "1.27"
"""The first Kubernetes that knows all fields; its kubectl brings kustomize 5."""

Object = dict[str, Any]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def missing_kubectl() -> str:
    """Say what kubectl lacks to render the overlays; nothing where it is fit for it."""
    program = shutil.which("kubectl")
    if program is None:
        return f"kubectl is not installed; {OLDEST} or newer is needed"
    answer = _run(program, "version", "--client", "--output=json")
    version = json.loads(answer).get("kustomizeVersion", "v0")
    return "" if int(version[1:].split(".")[0]) >= 5 else f"kubectl {OLDEST} or newer is needed"


needs_kubectl = pytest.mark.skipif(bool(missing_kubectl()), reason=missing_kubectl() or "none")


def render_folder(folder: Path) -> list[Object]:
    """Return the objects of a folder with a kustomization."""
    return [each for each in yaml.safe_load_all(_run("kubectl", "kustomize", str(folder))) if each]


@cache
def render(overlay: str) -> list[Object]:
    """Return the objects of an overlay."""
    return render_folder(KUBERNETES / "overlays" / overlay)


def of_kind(overlay: str, *kinds: str) -> dict[str, Object]:
    """Return the objects of some kinds by their names."""
    return {each["metadata"]["name"]: each for each in render(overlay) if each["kind"] in kinds}


def pods(overlay: str) -> dict[str, Object]:
    """Return the pod of each workload, with metadata and spec, by the workload's name."""
    return {
        name: each["spec"]["template"]
        for name, each in of_kind(overlay, "Deployment", "Job").items()
    }


def container(pod: Object) -> Object:
    """Return the only container of a pod."""
    [found] = pod["spec"]["containers"]
    return dict(found)


def ports(pod: Object) -> dict[str, int]:
    """Return the numbers of the container's ports by their names."""
    return {each["name"]: each["containerPort"] for each in container(pod).get("ports", [])}


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Return whether a label selector, of labels and of expressions with `In`, fits an object's labels."""
    expressions = selector.get("matchExpressions", [])
    assert {each["operator"] for each in expressions} <= {"In"}
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )


def image_stages() -> dict[str, str]:
    """Return the text of each stage of the Dockerfile, with that of the stages below it."""
    text = (REPOSITORY / "infra" / "Dockerfile").read_text(encoding="utf-8")
    stages: dict[str, str] = {}
    for part in re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]:
        below, name = re.findall(r"^(\S+) AS (\S+)", part)[0]
        stages[name] = stages.get(below, "") + part
    return stages


def image_variables(stage: str) -> dict[str, str]:
    """Return what the image of a stage puts into the environment, without what is quoted or taken from arguments."""
    return dict(re.findall(r"(\bADSP_[A-Z_]+)=([^\s'$\\]+)", image_stages()[stage]))


def health_command(stage: str) -> str:
    """Return the health check of an image, as written."""
    pattern = re.compile(r"^HEALTHCHECK .*\\\n +CMD (.+)$", re.MULTILINE)
    commands: list[str] = pattern.findall(image_stages()[stage])
    return commands[-1]


def documents(file: Path) -> Iterator[Object]:
    """Yield the objects of a file."""
    yield from yaml.safe_load_all(file.read_text(encoding="utf-8"))
