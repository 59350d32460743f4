"""What is said about other people's packages is whole, and silence is not taken for an all-clear."""

import json
import re

import pytest

from tools.supply_chain.audit import read_answer
from tools.supply_chain.lockfile import Locked
from tools.supply_chain.sbom import bill_of_materials

PACKAGES = [
    Locked(
        "alpha",
        "1.0",
        {"https://files/alpha.whl": "a" * 64, "https://files/alpha.tgz": "b" * 64},
        ("beta",),
    ),
    Locked("beta", "5!2.0+local", {"https://files/beta.whl": "c" * 64}, ()),
]


def _answer(**package: object) -> str:
    return json.dumps({"dependencies": [{"name": "alpha", "version": "1.0", **package}]})


def test_a_requirement_has_the_hash_of_every_file() -> None:
    assert (
        PACKAGES[0].requirement == f"alpha==1.0 --hash=sha256:{'a' * 64} --hash=sha256:{'b' * 64}"
    )


def test_the_bill_names_every_package_with_hashes_and_dependencies() -> None:
    bill = bill_of_materials(PACKAGES, "0.1.0")
    alpha, beta = bill["components"]
    edges = {edge["ref"]: edge["dependsOn"] for edge in bill["dependencies"]}

    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    assert [one["hashes"][0]["content"] for one in alpha["externalReferences"]] == [
        "b" * 64,
        "a" * 64,
    ]
    assert beta["purl"] == "pkg:pypi/beta@5%212.0%2Blocal"
    assert edges["pkg:pypi/alpha@1.0"] == [beta["bom-ref"]]
    assert edges["pkg:generic/adsp@0.1.0"] == [alpha["bom-ref"], beta["bom-ref"]]


def test_the_same_lock_gives_the_same_bill_and_another_a_new_number() -> None:
    first, again = bill_of_materials(PACKAGES, "1"), bill_of_materials(PACKAGES, "1")

    assert first == again
    assert bill_of_materials(PACKAGES[1:], "1")["serialNumber"] != first["serialNumber"]


def test_a_vulnerability_is_reported_with_its_cure() -> None:
    found = read_answer(_answer(vulns=[{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}]), "")

    assert found.vulnerable == {"alpha 1.0": ["PYSEC-1 (fixed in 1.1, 2.0)"]}
    assert found.fault is None


def test_a_package_that_was_not_judged_is_not_taken_for_safe() -> None:
    found = read_answer(_answer(skip_reason="not found on PyPI"), "")

    assert found.unjudged == {"alpha": "not found on PyPI"}


@pytest.mark.parametrize("output", ["", "Traceback", "{}"])
def test_a_service_that_cannot_be_asked_is_a_fault(output: str) -> None:
    found = read_answer(output, "Traceback\n  File x\nConnectionError: no route to api.osv.dev\n")

    assert found.fault == "ConnectionError: no route to api.osv.dev"


def test_an_all_clear_is_one() -> None:
    found = read_answer(_answer(vulns=[]), "")

    assert (found.vulnerable, found.unjudged, found.fault) == ({}, {}, None)
