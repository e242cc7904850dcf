"""Types of single fields in plan and lab files. A ValueError's text goes on after the field's name: `must be ...`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator

from kdeploy_gui.model.kernel_config import ConfigNeed
from kdeploy_gui.model.network import Reach
from kdeploy_gui.model.problem import did_you_mean
from kdeploy_gui.model.stored import PREFIX, VersionRef
from kdeploy_gui.model.version import VersionRange
from kdeploy_gui.model.visible import is_visible, visible

SECONDS: Mapping[str, float] = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
BYTES: Mapping[str, int] = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
COMPONENT_LIMIT = 255
"""Bytes of one part of a path (NAME_MAX)."""
PATH_LIMIT = 4095
"""Bytes of a path, without the closing NUL (PATH_MAX)."""
NAME_LIMIT = 100
"""Characters of a plan's name."""
MACHINES: Mapping[str, str] = {"amd64": "x86_64", "x64": "x86_64", "x86-64": "x86_64", "arm64": "aarch64"}
"""Other projects' names for what `uname -m` prints."""

_QUANTITY = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([A-Za-z]+)", re.ASCII)
_CELSIUS = re.compile(r"(-?\d{1,3}(?:\.\d{1,3})?)\s*°?C", re.ASCII)
_MODE = re.compile(r"[0-7]{3,4}|0[0-7]{4}")
_ACCOUNT = r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?"
_OWNER = re.compile(rf"(?:{_ACCOUNT})?(?::{_ACCOUNT})?")
_CLAUSE = re.compile(r"(?:>=|<=|==|!=|>|<)?\s*v?\d{1,9}(?:\.\d{1,9}){0,9}(?:[-~.]?rc\d{1,9})?", re.ASCII)
_VALUE_LIMIT = 60


def shown(value: object) -> str:
    """A value as people wrote it, on one line and not too long."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            text = json.dumps(visible(value), ensure_ascii=False).replace("\\\\", "\\")
            return text if len(text) <= _VALUE_LIMIT else f'{text[:_VALUE_LIMIT]}..."'
        case list():
            return "an array"
        case dict():
            return "a table"
        case datetime() | date() | time():
            return "a date or time"
        case _:
            text = repr(value)
            return text if len(text) <= _VALUE_LIMIT else f"{text[:_VALUE_LIMIT]}..."


def _refuse_control(value: str) -> None:
    if not is_visible(value):
        raise ValueError(f"must not contain control characters: {shown(value)}")


def text(value: str) -> str:
    """Text on one line, not blank."""
    if not value.strip():
        raise ValueError("must not be empty")
    _refuse_control(value)
    return value


def plan_name(value: str) -> str:
    """A title of at most NAME_LIMIT characters."""
    text(value)
    if len(value) > NAME_LIMIT:
        raise ValueError(f"must have at most {NAME_LIMIT} characters, but has {len(value)}")
    return value


def matching(pattern: str, wanted: str) -> Callable[[str], str]:
    """A check of a string against a regular expression; `wanted` describes it after `must be`."""
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"must be {wanted}, not {shown(value)}")
        return value

    return check


Choice = TypeVar("Choice", bound=StrEnum)


def one_of(choices: type[Choice]) -> Callable[[object], Choice]:
    """A check that reads one of an enum's values."""

    def check(value: object) -> Choice:
        for choice in choices:
            if isinstance(value, str) and value == choice.value:
                return choice
        near = did_you_mean(value, [each.value for each in choices]) if isinstance(value, str) else ""
        raise ValueError(f"must be one of {', '.join(choices)}, not {shown(value)}{near}")

    return check


def duration(value: object) -> float:
    """Seconds of `500ms`, `1s`, `10m`, `2h`."""
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None or found.group(2) not in SECONDS:
        raise ValueError(f'must be a duration such as "500ms", "30s", "10m" or "2h", not {shown(value)}')
    seconds = float(found.group(1)) * SECONDS[found.group(2)]
    if seconds <= 0:
        raise ValueError(f"must be longer than nothing, not {shown(value)}")
    return seconds


def celsius(value: object) -> float:
    """Degrees Celsius of `85C` or `85 °C`."""
    found = _CELSIUS.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'must be a temperature such as "85C", not {shown(value)}')
    return float(found.group(1))


def duration_text(seconds: float) -> str:
    """What `duration` reads as these seconds: the largest unit in which the number is whole, else with decimals."""
    if math.isfinite(seconds):
        units = sorted(SECONDS, key=lambda unit: -SECONDS[unit])
        whole = (f"{round(seconds / SECONDS[unit])}{unit}" for unit in units)
        parts = (f"{seconds / SECONDS[unit]:.9f}".rstrip("0").rstrip(".") + unit for unit in units)
        for written in (*whole, *parts):
            if _means(written, seconds):
                return written
    return f"{seconds:.9f}s"


def _means(written: str, seconds: float) -> bool:
    try:
        return duration(written) == seconds
    except ValueError:
        return False


def size(value: object) -> int:
    """Bytes of `64KiB`, `1GB` or a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(f"must not be negative, but is {shown(value)}")
        return value
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None or found.group(2) not in BYTES:
        raise ValueError(f'must be a size such as "64KiB", "256MiB" or "1GB", or a number of bytes, not {shown(value)}')
    whole, _, fraction = found.group(1).partition(".")
    unit = BYTES[found.group(2)]
    scale: int = 10 ** len(fraction)
    return int(whole) * unit + int(fraction or 0) * unit // scale


def mode(value: object) -> int:
    """Permission bits of an octal string."""
    if not isinstance(value, str) or not _MODE.fullmatch(value):
        raise ValueError(f'must be an octal string such as "0755", not {shown(value)}')
    return int(value, 8)


def owner(value: str) -> str:
    """`user`, `user:group` or `:group`, by name."""
    if not value or not _OWNER.fullmatch(value):
        raise ValueError(f'must be "user" or "user:group" by name, not {shown(value)}')
    return value


def source(value: str) -> str:
    """A file, glob or folder on the workstation, or a stored artifact."""
    text(value)
    if value.startswith(PREFIX):
        try:
            VersionRef.parse(value.removeprefix(PREFIX))
        except ValueError as error:
            raise ValueError(f"names no stored artifact, {shown(value)}: after {PREFIX} {error}") from error
    return value


def target(value: str) -> str:
    """A path on the target: absolute or under `~/`, free of tricks."""
    text(value)
    if not value.startswith(("/", "~/")):
        raise ValueError(f'must be absolute ("/opt/x") or under the home folder ("~/x"), not {shown(value)}')
    if "//" in value:
        raise ValueError(f'must not contain "//": {shown(value)}')
    parts = value.split("/")
    for part in ("..", "."):
        if part in parts:
            raise ValueError(f'must not contain "{part}" as a part of the path: {shown(value)}')
    if any(len(part.encode()) > COMPONENT_LIMIT for part in parts):
        raise ValueError(f"has a part longer than {COMPONENT_LIMIT} bytes: {shown(value)}")
    if len(value.encode()) > PATH_LIMIT:
        raise ValueError(f"is longer than {PATH_LIMIT} bytes: {shown(value)}")
    return value


def disk_limits(value: dict[str, int]) -> dict[str, int]:
    """Free space by path; `~` is the home folder."""
    for path in value.keys() - {"~"}:
        try:
            target(path)
        except ValueError as error:
            raise ValueError(f"has a path that {error}") from error
    return value


def version_range(value: str) -> str:
    """A range of versions, kept as written."""
    for part in value.split(","):
        if not _CLAUSE.fullmatch(part.strip()):
            raise ValueError(
                f'must be a version range such as ">=6.1,<6.13", but {shown(part.strip())} is no part of one: '
                "numbers and -rcN count, with >=, <=, ==, !=, > or < in front"
            )
    VersionRange.parse(value)
    return value


def machine(value: str) -> str:
    """A machine name as `uname -m` prints it."""
    if value in MACHINES:
        raise ValueError(f'must be as "uname -m" prints it: "{MACHINES[value]}", not {shown(value)}')
    return matching(r"[A-Za-z0-9_]{1,64}", 'a machine name such as "x86_64" or "aarch64"')(value)


def kernel_config(value: str) -> str:
    """A requirement of a kernel's configuration, kept as written."""
    return _kept(value, ConfigNeed.parse)


def network(value: str) -> str:
    """Something that the machine shall reach, kept as written."""
    return _kept(value, Reach.parse)


def _kept(value: str, parse: Callable[[str], object]) -> str:
    try:
        parse(value)
    except ValueError as error:
        raise ValueError(f"{error}, not {shown(value)}") from error
    return value


def not_yet(what: str) -> Callable[[object], object]:
    """A check of a key of the contract that this version cannot act upon: only empty values pass."""

    def check(value: object) -> object:
        if value:
            raise ValueError(f"is not supported yet: this version cannot {what}; remove it")
        return value

    return check


Text = Annotated[str, AfterValidator(text)]
PlanName = Annotated[str, AfterValidator(plan_name)]
Seconds = Annotated[float, BeforeValidator(duration)]
Celsius = Annotated[float, BeforeValidator(celsius)]
Size = Annotated[int, BeforeValidator(size)]
Mode = Annotated[int, BeforeValidator(mode)]
Owner = Annotated[str, AfterValidator(owner)]
Source = Annotated[str, AfterValidator(source)]
Target = Annotated[str, AfterValidator(target)]
DiskLimits = Annotated[dict[str, Size], AfterValidator(disk_limits)]
Range = Annotated[str, AfterValidator(version_range)]
KernelConfig = Annotated[str, AfterValidator(kernel_config)]
Network = Annotated[str, AfterValidator(network)]
Machine = Annotated[str, AfterValidator(machine)]
Package = Annotated[str, AfterValidator(matching(r"[A-Za-z0-9][A-Za-z0-9+._:@-]{0,127}", "a package name"))]
PythonPackage = Annotated[
    str, AfterValidator(matching(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?", "a name as pip knows it"))
]
Tool = Annotated[str, AfterValidator(matching(r"[A-Za-z0-9_][A-Za-z0-9+._-]{0,127}", "a command without its folder"))]
