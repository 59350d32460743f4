"""Write a software bill of materials from the lock: CycloneDX 1.6 as JSON, every file with its hash.

Made from the lock and not from an environment, so that it says the same on every machine and names all files that may
be installed. The serial number comes from the content: the same lock gives the same document.
"""

import json
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tools.supply_chain.lockfile import Locked

SPEC_VERSION = "1.6"
NAME = "adsp"


def bill_of_materials(packages: list[Locked], version: str) -> dict[str, Any]:
    """Return the document for the packages of a lock."""
    components = [_component(package) for package in packages]
    refs = {package.name: _purl(package) for package in packages}
    root = f"pkg:generic/{NAME}@{version}"
    content = json.dumps([root, components], sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": NAME, "version": version, "bom-ref": root}
        },
        "components": components,
        "dependencies": [
            {"ref": root, "dependsOn": sorted(refs.values())},
            *(
                {"ref": refs[package.name], "dependsOn": [refs[name] for name in package.needs]}
                for package in packages
            ),
        ],
    }


def write_bill(document: dict[str, Any], file: Path) -> None:
    """Write the document where it is asked for."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _component(package: Locked) -> dict[str, Any]:
    purl = _purl(package)
    return {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
        # Of the package there are many files, one hash each; which is installed depends on the machine.
        "externalReferences": [
            {
                "type": "distribution",
                "url": url,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
            for url, digest in sorted(package.hashes.items())
        ],
    }


def _purl(package: Locked) -> str:
    return f"pkg:pypi/{package.name}@{package.version.replace('!', '%21').replace('+', '%2B')}"
