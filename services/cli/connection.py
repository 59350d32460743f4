"""Find the api and the key: what the environment names, else what `adsp login` has kept.

A kept key is sent to the address that it was kept for alone.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from libs.client.client import KEY_VARIABLE, Client

URL_VARIABLE = "ADSP_API_URL"


class NotLoggedIn(Exception):
    """No address of an api is known."""


@dataclass(frozen=True)
class Login:
    """Where the api is, and the key for it; None: an api without keys."""

    url: str
    key: str | None = None


def login_file() -> Path:
    """Return where the login is kept (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "adsp" / "login.json"


def keep_login(login: Login) -> Path:
    """Keep a login, readable for its user alone, and return its file."""
    file = login_file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = file.with_suffix(".part")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
        json.dump({"url": login.url, "key": login.key}, written)
    aside.replace(file)
    return file


def current_login() -> Login:
    """Return the login that holds; raise `NotLoggedIn` if there is none."""
    kept = _kept_login()
    url = os.environ.get(URL_VARIABLE) or (kept.url if kept else None)
    if url is None:
        raise NotLoggedIn(f"where is the api? run `adsp login URL`, or set {URL_VARIABLE}")
    kept_key = kept.key if kept and kept.url.rstrip("/") == url.rstrip("/") else None
    return Login(url, os.environ.get(KEY_VARIABLE) or kept_key)


def connect(*, retry_seconds: float = 30.0, timeout: float = 30.0) -> Client:
    """Return a client of the api that is logged in to."""
    login = current_login()
    return Client(login.url, login.key, retry_seconds=retry_seconds, timeout=timeout)


def _kept_login() -> Login | None:
    try:
        kept = json.loads(login_file().read_text(encoding="utf-8"))
        return Login(str(kept["url"]), kept["key"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise NotLoggedIn(f"{login_file()} cannot be read ({exc}); run `adsp login` again") from exc
