"""What `kubectl apply -k` would send is right by Kubernetes' own schemas, and fits the images and the services."""

import json
import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from libs.common.settings import AdspSettings
from libs.common.version import VERSION
from services.api.main import GRACE_SECONDS
from services.api.settings import ApiSettings
from services.loader.settings import LoaderSettings
from services.scheduler.settings import SchedulerSettings
from services.worker.settings import WorkerSettings
from tests.kubernetes.manifests import (
    COMPONENT,
    OLDEST,
    OVERLAYS,
    PART_OF,
    REPOSITORY,
    Object,
    container,
    health_command,
    image_stages,
    image_variables,
    needs_kubectl,
    of_kind,
    pods,
    ports,
    render,
    selects,
)

pytestmark = [needs_kubectl, pytest.mark.parametrize("overlay", OVERLAYS)]

SETTINGS: dict[str, type[AdspSettings]] = {
    "api": ApiSettings,
    "worker": WorkerSettings,
    "scheduler": SchedulerSettings,
    "loader": LoaderSettings,
}
SERVICES = list(SETTINGS)
OF_OPERATORS = {"monitoring.coreos.com/v1", "keda.sh/v1alpha1"}
"""What no schema of Kubernetes describes; test_operators.py looks at these."""

TO_RESTRICT = {
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "hostNetwork": None,
    "hostPID": None,
    "hostIPC": None,
    "serviceAccountName": None,
}


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_kubernetes_schemas_accept_every_object_and_know_every_field(
    overlay: str, version: str
) -> None:
    judged = [each for each in render(overlay) if each["apiVersion"] not in OF_OPERATORS]

    for each in judged:
        kubernetes_validate.validate(each, version, strict=True)
    assert {each["kind"] for each in judged} == {
        *(
            "Namespace",
            "ConfigMap",
            "PersistentVolumeClaim",
            "NetworkPolicy",
            "PodDisruptionBudget",
        ),
        *("Deployment", "Service", "Job"),
    }


def test_a_misspelt_field_is_refused(overlay: str) -> None:
    """What shows that the test above can fail."""
    wrong = json.loads(json.dumps(of_kind(overlay, "Deployment")["api"]))
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}

    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(wrong, OLDEST, strict=True)


def test_every_program_runs_in_its_own_image_of_this_version(overlay: str) -> None:
    build = (REPOSITORY / "infra" / "BUILD").read_text(encoding="utf-8")
    folders = json.loads(re.findall(r"^for folder in (\[.*\]):", build, re.MULTILINE)[0])
    names = {folder.removeprefix("services/") for folder in folders}

    assert 'repository=f"adsp/{service}"' in build
    assert {name: container(pod)["image"] for name, pod in pods(overlay).items()} == {
        name: f"adsp/{name}:{VERSION}" for name in names
    }


def test_no_pod_may_do_more_than_it_must(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        spec, inner = pod["spec"], container(pod)["securityContext"]
        assert {key: spec.get(key) for key in TO_RESTRICT} == TO_RESTRICT, name
        assert "initContainers" not in spec
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert inner == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_a_pod_runs_as_the_user_of_its_image(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        [(user, group)] = re.findall(r"^USER (\d+):(\d+)$", image_stages()[name], re.MULTILINE)
        outer = pod["spec"]["securityContext"]
        assert (outer["runAsUser"], outer["runAsGroup"]) == (int(user), int(group))
        assert outer["fsGroup"] == int(group)


def test_every_container_asks_for_what_it_needs_and_has_a_limit(overlay: str) -> None:
    compose: Any = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    for name, pod in pods(overlay).items():
        resources = container(pod)["resources"]
        assert set(resources["requests"]) == {"cpu", "memory"}, name
        # "1g" there is "1Gi" here.
        limit = compose["services"][name]["mem_limit"].capitalize().upper() + "i"
        assert resources["limits"] == {"memory": limit}


def test_every_variable_is_a_setting_of_its_service(overlay: str) -> None:
    maps = of_kind(overlay, "ConfigMap")
    for name in SERVICES:
        known = {f"ADSP_{field.upper()}" for field in SETTINGS[name].model_fields}
        inner = container(pods(overlay)[name])
        given = {each["name"] for each in inner["env"]}
        shared = [maps[each["configMapRef"]["name"]]["data"] for each in inner["envFrom"]]
        assert given - {"ADSP_SECRETS_DIR"} <= known, name
        assert shared
        assert all(known >= set(data) for data in shared), name


def test_the_settings_that_a_service_needs_come_from_its_secret(overlay: str) -> None:
    page = (REPOSITORY / "docs" / "howto" / "kubernetes.md").read_text(encoding="utf-8")
    documented = {
        name: set(re.findall(r"`(\w+)`", keys))
        for name, keys in re.findall(r"^\| `(\w+)` \| (.+?) \|", page, re.MULTILINE)
    }
    for name in SERVICES:
        pod = pods(overlay)[name]
        needed = {
            f"adsp_{key}"
            for key, field in SETTINGS[name].model_fields.items()
            if field.is_required()
        }
        [volume] = [each for each in pod["spec"]["volumes"] if "secret" in each]
        variables = {each["name"]: each.get("value") for each in container(pod)["env"]}
        assert volume["secret"]["secretName"] == name
        assert _mounts(pod)[volume["name"]] == variables["ADSP_SECRETS_DIR"]
        assert documented[name] == needed
    [variable] = container(pods(overlay)["migrations"])["env"]
    source = variable["valueFrom"]["secretKeyRef"]
    assert variable["name"] == "ADSP_DATABASE_URL"
    assert (source["name"], {source["key"]}) == ("migrations", documented["migrations"])


def test_every_folder_that_a_service_writes_to_is_a_volume(overlay: str) -> None:
    for name, pod in pods(overlay).items():
        mounts = _mounts(pod)
        folders = {"/tmp"}
        if name in {"api", "worker", "loader"}:
            stage = image_stages()[name]
            assert "ADSP_SOURCE_ROOTS='[\"/srv/incoming\"]'" in stage
            folders |= {"/srv/incoming", image_variables(name)["ADSP_UPLOAD_DIR"]}
        folders |= {
            each["value"] for each in container(pod)["env"] if each["name"].endswith("_DIR")
        }
        assert set(mounts.values()) == folders, name
        assert set(mounts) == {each["name"] for each in pod["spec"]["volumes"]}


def test_api_and_loaders_see_the_same_files(overlay: str) -> None:
    claims = of_kind(overlay, "PersistentVolumeClaim")
    shared = [
        {
            _mounts(pod)[each["name"]]: each["persistentVolumeClaim"]["claimName"]
            for each in pod["spec"]["volumes"]
            if "persistentVolumeClaim" in each
        }
        for name, pod in pods(overlay).items()
        if name in {"api", "worker", "loader"}
    ]

    assert shared[0] == shared[1] == shared[2] != {}
    assert set(shared[0].values()) == set(claims)
    modes = {mode for claim in claims.values() for mode in claim["spec"]["accessModes"]}
    assert modes == {"ReadWriteOnce" if overlay == "small" else "ReadWriteMany"}


def test_ports_are_those_on_which_the_images_listen(overlay: str) -> None:
    found = {name: ports(pod) for name, pod in pods(overlay).items()}

    metrics = {
        name: {"metrics": int(image_variables(name)["ADSP_METRICS_PORT"])}
        for name in ("worker", "scheduler", "loader")
    }
    api = {"api": {"http": int(image_variables("api")["ADSP_API_PORT"])}}
    assert found == metrics | api | {"migrations": {}}


def test_the_api_serves_the_paths_of_its_probes(overlay: str) -> None:
    served = json.loads((REPOSITORY / "services" / "api" / "openapi.json").read_text())["paths"]
    pod = pods(overlay)["api"]
    probes = {kind: container(pod)[kind]["httpGet"] for kind in _PROBES}

    assert all("get" in served[probe["path"]] for probe in probes.values())
    assert {probe["port"] for probe in probes.values()} <= set(ports(pod))
    # It looks at no other server: else an outage of RabbitMQ would take the api away, too.
    assert probes["livenessProbe"]["path"] == probes["readinessProbe"]["path"] == "/livez"
    assert probes["startupProbe"]["path"] in health_command("api")


@pytest.mark.parametrize("name", ["worker", "scheduler", "loader"])
def test_the_probes_read_the_heartbeat_as_the_images_do(overlay: str, name: str) -> None:
    inner = container(pods(overlay)[name])
    shell, option, startup = inner["startupProbe"]["exec"]["command"]
    *_, readiness = inner["readinessProbe"]["exec"]["command"]
    *_, liveness = inner["livenessProbe"]["exec"]["command"]

    assert (shell, option) == ("sh", "-c")
    assert startup == readiness == health_command(name)
    assert image_variables(name)["ADSP_HEARTBEAT_FILE"] in readiness
    assert re.sub(r"\d+", "", liveness) == re.sub(r"\d+", "", readiness)
    assert int(re.findall(r"\d+", liveness)[0]) > 5 * int(re.findall(r"\d+", readiness)[0])


def test_a_pod_has_at_least_the_time_to_end_that_a_container_has(overlay: str) -> None:
    compose: Any = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    for name in SERVICES:
        least = int(compose["services"][name]["stop_grace_period"].removesuffix("s"))
        assert pods(overlay)[name]["spec"]["terminationGracePeriodSeconds"] >= least, name
    api = pods(overlay)["api"]
    *_, seconds = container(api)["lifecycle"]["preStop"]["exec"]["command"]
    assert api["spec"]["terminationGracePeriodSeconds"] > int(seconds) + GRACE_SECONDS


def test_there_is_one_clock(overlay: str) -> None:
    clock = of_kind(overlay, "Deployment")["scheduler"]["spec"]

    assert (clock["replicas"], clock["strategy"]) == (1, {"type": "Recreate"})


def test_a_drain_takes_one_pod_of_a_kind_at_a_time(overlay: str) -> None:
    budgets = of_kind(overlay, "PodDisruptionBudget")

    assert set(budgets) == set(SERVICES) - {"scheduler"}
    for name, budget in budgets.items():
        chosen = [
            pod
            for pod in pods(overlay).values()
            if selects(budget["spec"]["selector"], _labels(pod))
        ]
        assert chosen == [pods(overlay)[name]]
        assert budget["spec"]["maxUnavailable"] == 1


def test_the_service_leads_to_the_api(overlay: str) -> None:
    service = of_kind(overlay, "Service")["api"]["spec"]
    chosen = [
        name
        for name, pod in pods(overlay).items()
        if service["selector"].items() <= _labels(pod).items()
    ]

    assert chosen == ["api"]
    assert [each["targetPort"] for each in service["ports"]] == list(ports(pods(overlay)["api"]))


def test_what_is_not_named_is_denied(overlay: str) -> None:
    deny = of_kind(overlay, "NetworkPolicy")["default-deny"]["spec"]

    assert set(deny) == {"podSelector", "policyTypes"}
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert all(selects(deny["podSelector"], _labels(pod)) for pod in pods(overlay).values())


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("migrations", {53, 5432}),
        ("api", {53, 5432, 5671, 5672, 6379}),
        ("worker", {53, 5432, 5671, 5672, 6379}),
        ("scheduler", {53, 5671, 5672, 6379}),
        ("loader", {53, 5432, 5671, 5672, 6379}),
    ],
)
def test_each_pod_reaches_the_servers_that_it_needs_and_no_others(
    overlay: str, name: str, out: set[int]
) -> None:
    pod = pods(overlay)[name]
    policies = [
        each["spec"]
        for each in of_kind(overlay, "NetworkPolicy").values()
        if selects(each["spec"]["podSelector"], _labels(pod))
    ]
    egress = [rule for policy in policies for rule in policy.get("egress", [])]
    ingress = [rule for policy in policies for rule in policy.get("ingress", [])]

    assert {port["port"] for rule in egress for port in rule["ports"]} == out
    assert all(rule["from"] for rule in ingress)
    reached = {port["port"] for rule in ingress for port in rule["ports"]} & set(ports(pod))
    watched = {"metrics"} if overlay == "production" else set()
    assert reached == {"api": {"http"}, "migrations": set()}.get(name, watched)


def test_all_is_in_one_namespace_which_refuses_pods_that_may_more(overlay: str) -> None:
    [space] = of_kind(overlay, "Namespace").values()
    others = [each for each in render(overlay) if each["kind"] != "Namespace"]

    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {each["metadata"].get("namespace") for each in others} == {space["metadata"]["name"]}
    assert {each["metadata"]["labels"][PART_OF] for each in others} == {"adsp"}


def test_no_secret_is_among_the_objects(overlay: str) -> None:
    assert of_kind(overlay, "Secret") == {}
    for pod in pods(overlay).values():
        values = [each.get("value", "") for each in container(pod)["env"]]
        assert not [value for value in values if "://" in value]


_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def _labels(pod: Object) -> dict[str, str]:
    labels: dict[str, str] = pod["metadata"]["labels"]
    assert labels[COMPONENT]
    return labels


def _mounts(pod: Object) -> dict[str, str]:
    return {each["name"]: each["mountPath"] for each in container(pod)["volumeMounts"]}
