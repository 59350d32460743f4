"""List the settings of the services: what their classes declare."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from libs.common.settings import AdspSettings
from services.api.settings import ApiSettings
from services.loader.settings import LoaderSettings
from services.scheduler.settings import SchedulerSettings
from services.worker.settings import WorkerSettings
from tools.reference.markdown import code, table

SERVICES: Mapping[str, type[AdspSettings]] = {
    "api": ApiSettings,
    "worker": WorkerSettings,
    "loader": LoaderSettings,
    "scheduler": SchedulerSettings,
}
_PREFIX = "ADSP_"
_HEAD = """\
# Settings

Variables of the environment; a file of that name in lower case in the folder `ADSP_SECRETS_DIR` does as well. They are
read once, when a service starts; one that is wrong is named, and the service does not start. A list is written as JSON.
"""
_WORDS = {
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    str: "text",
    Path: "path",
}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


class Setting(NamedTuple):
    """What is shown of a setting."""

    variable: str
    kind: str
    default: str
    meaning: str


def page() -> str:
    """Return the page: a table for each group of services that have the same settings."""
    groups: dict[tuple[str, ...], list[Setting]] = defaultdict(list)
    for setting, services in _by_setting().items():
        groups[tuple(services)].append(setting)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[0]), group[0]))
    return "\n".join([_HEAD, *(_section(services, found) for services, found in ordered)])


def settings_of(declared: type[AdspSettings]) -> Iterator[Setting]:
    """Yield the settings of a class, in alphabetical order."""
    for name, field in sorted(declared.model_fields.items()):
        yield Setting(
            f"{_PREFIX}{name.upper()}", _kind(field), _default(field), field.description or ""
        )


def _by_setting() -> dict[Setting, list[str]]:
    """Return each setting with the services that read it so; one that means something else is another one."""
    services: dict[Setting, list[str]] = defaultdict(list)
    for service, declared in SERVICES.items():
        for setting in settings_of(declared):
            services[setting].append(service)
    return services


def _section(services: tuple[str, ...], found: list[Setting]) -> str:
    title = "All services" if len(services) == len(SERVICES) else ", ".join(services)
    rows = [(code(each.variable), each.kind, each.default, each.meaning) for each in sorted(found)]
    return f"## {title}\n\n{table(('variable', 'type', 'default', 'meaning'), rows)}"


def _kind(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {_number(getattr(rule, name))}"
        for rule in field.metadata
        for name, sign in _BOUNDS.items()
        if hasattr(rule, name)
    ]
    return ", ".join([_type(field.annotation), *bounds])


def _type(annotation: Any) -> str:
    arguments = [each for each in get_args(annotation) if each is not type(None)]
    origin = get_origin(annotation)
    if origin is Literal:
        return ", ".join(map(code, arguments))
    if origin is list:
        return f"list of {_type(arguments[0])}s"
    if origin in {Union, UnionType}:
        return " or ".join(map(_type, arguments))
    if origin is Annotated:
        return _type(arguments[0])
    return _WORDS.get(annotation, "text")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**none, needed**"
    value = field.get_default(call_default_factory=True)
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return code(str(value).lower())
    return _number(value) if isinstance(value, int | float) else code(value)


def _number(value: float) -> str:
    """Return a number as it is typed, beside it what a power of two is called."""
    for exponent, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if isinstance(value, int) and value and value % (1 << exponent) == 0:
            return f"`{value}` ({value >> exponent} {unit})"
    return code(int(value) if value == int(value) else value)
