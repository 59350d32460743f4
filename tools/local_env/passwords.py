"""Make the `.env` of the compose stack: passwords that exist on this machine alone, never in git."""

import base64
import hashlib
import os
import secrets
from pathlib import Path

FILE = ".env"
_BROKER, _BROKER_HASH = "ADSP_BROKER_PASSWORD", "ADSP_BROKER_PASSWORD_HASH"
_PASSWORDS = (
    "ADSP_POSTGRES_PASSWORD",
    "ADSP_OWNER_PASSWORD",
    "ADSP_API_PASSWORD",
    "ADSP_WORKER_PASSWORD",
    "ADSP_LOADER_PASSWORD",
    "ADSP_MONITOR_PASSWORD",
    _BROKER,
    "ADSP_REDIS_PASSWORD",
    "ADSP_GRAFANA_PASSWORD",
)


def ensure_passwords(folder: Path) -> Path:
    """Add the passwords that the folder's `.env` lacks, and return the file; what it holds stays."""
    file = folder / FILE
    held = _read(file)
    missing = {name: secrets.token_hex(24) for name in _PASSWORDS if name not in held}
    if _BROKER in missing or _BROKER_HASH not in held:
        missing[_BROKER_HASH] = _rabbitmq_hash({**held, **missing}[_BROKER])
    if missing:
        _append(file, missing)
    return file


def _read(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def _append(file: Path, values: dict[str, str]) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as lines:
        lines.writelines(f"{name}={value}\n" for name, value in values.items())


def _rabbitmq_hash(password: str) -> str:
    """Hash a password as RabbitMQ stores it: four bytes of salt, then SHA-256 of salt and password."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
