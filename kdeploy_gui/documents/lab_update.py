"""Change single keys of an environment in lab.toml; everything else in the file stays as people wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from operator import attrgetter
from pathlib import Path

import tomlkit

from kdeploy_gui.documents.field_types import duration, duration_text, shown
from kdeploy_gui.documents.lab_edit import Edit, change, entry, rehearse
from kdeploy_gui.documents.positions import KeyPath, TableSpan
from kdeploy_gui.documents.toml_source import Document
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.problem import Problem

Value = str | int | list[str]
_KEYS = (
    *("name", "kind", "group", "tags", "host", "port", "user", "identity_file", "credential", "jump", "become"),
    *("host_key", "host_key_type", "host_ca", "revoked_host_key", "jump_host_key", "become_credential", "legacy"),
    *("roots", "uri", "domain", "autostart", "boot_timeout", "monitor", "snapshot"),
    *("power.on", "power.off", "power.reset", "console.command", "console.tcp", "console.protocol"),
)
_TABLES = ("power", "console")
_USUAL = {"console.protocol": "raw"}
"""Values that need not be written."""
_DURATIONS = ("boot_timeout", "monitor")
_ARRAYS = {"host_key", "host_key_type", "host_ca", "revoked_host_key", "jump_host_key"}


def update_environment(
    path: Path, name: str, environment: Environment, known: Environment | None = None
) -> tuple[Problem, ...]:
    """Write what differs, but kernels; a new name also where others jump over it.

    With `known`, what the change was made from, only keys that differ from that are written, so that edits by others
    stay; the same key changed by both is a problem. Returns why not, or nothing. Raises LocalError.
    """
    return change(path, _edit(name, environment, known))


def updated_problems(
    path: Path, name: str, environment: Environment, known: Environment | None = None
) -> tuple[Problem, ...]:
    """What `update_environment` would return now; nothing is written."""
    return rehearse(path, _edit(name, environment, known))


def _edit(name: str, environment: Environment, known: Environment | None) -> Edit:
    def edit(document: Document) -> str | Problem:
        found = entry(document, name)
        if isinstance(found, Problem):
            return found
        present = _present(document, found)
        wanted = _values(environment)
        base = _values(known) if known is not None else present
        changed = [key for key in _KEYS if wanted[key] not in (base[key], present[key])]
        if "host_key" in changed and "host_key_type" not in changed and present["host_key_type"]:
            wanted = {**wanted, "host_key_type": []}  # nobody said of what type the new ones are
            changed.append("host_key_type")
        if "console.tcp" in changed and not wanted["console.tcp"] and "console.protocol" not in changed:
            changed.append("console.protocol")  # it goes with `tcp`, also where it says the usual
        for key in changed:
            if present[key] != base[key]:
                message = f"was changed in the file meanwhile: it is {shown(present[key])} there now"
                return Problem(message, key, document.path)
        splices = [_splice(document, found, key, wanted[key]) for key in changed if "." not in key]
        for table in _TABLES:
            inner = [key for key in changed if key.startswith(f"{table}.")]
            splices.extend(_table_splices(document, found, table, wanted, inner))
        if "name" in changed:
            splices.extend(_jumps(document, name, environment.name))
        text = document.text
        splices.sort(key=lambda each: each[0])
        for start, end, new in reversed(splices):
            text = text[:start] + new + text[end:]
        return text

    return edit


def _values(environment: Environment) -> Mapping[str, Value]:
    values: dict[str, Value] = {"host_key": list(environment.host_keys)}
    for key in _KEYS:
        if key != "host_key":
            value = attrgetter(key)(environment)
            values[key] = list(value) if isinstance(value, tuple) else value.value if _is_choice(value) else value
    for key in _DURATIONS:
        seconds = attrgetter(key)(environment)
        values[key] = duration_text(seconds) if seconds else ""
    return values


def _is_choice(value: object) -> bool:
    return isinstance(value, StrEnum)


def _present(document: Document, found: TableSpan) -> Mapping[str, Value]:
    """The values in the file, the usual ones where there are none."""
    table = document.data["environment"][found.path[1]]  # type: ignore[index]
    values = {**_values(Environment(name="", host="")), **{key: table[key] for key in _KEYS if key in table}}
    for name in _TABLES:
        if isinstance(inner := table.get(name), dict):
            values.update({f"{name}.{key}": value for key, value in inner.items()})
    values.update({key: _same_duration(values[key]) for key in _DURATIONS})
    return {key: [value] if key in _ARRAYS and isinstance(value, str) else value for key, value in values.items()}


def _same_duration(written: Value) -> Value:
    """A duration in the words in which this program writes it."""
    try:
        return duration_text(duration(written))
    except ValueError:
        return written


def _table_splices(
    document: Document, found: TableSpan, name: str, wanted: Mapping[str, Value], changed: Sequence[str]
) -> Iterator[tuple[int, int, str]]:
    """Changes of a table's keys: in their table, as dotted keys, in an inline table, or as a table that is new."""
    path, text = (*found.path, name), document.text
    table = next((each for each in document.outline.tables if each.path == path), None)
    present = document.outline.values.get(path)
    keys = [key for key in _KEYS if key.startswith(f"{name}.") and wanted[key] not in ("", _USUAL.get(key))]
    lines = {key.removeprefix(f"{name}."): wanted[key] for key in keys}
    if not changed:
        return
    if table is not None:
        for key in changed:
            yield _splice(document, table, key.removeprefix(f"{name}."), wanted[key], _USUAL.get(key))
    elif present is not None and text.startswith("{", present.start):
        inline = ", ".join(f"{key} = {_rendered(key, value)}" for key, value in lines.items())
        yield present.start, present.end, f"{{ {inline} }}" if inline else "{}"
    elif present is not None:
        for key in changed:
            yield _splice(document, found, key, wanted[key], _USUAL.get(key))
    else:
        body = "".join(f"\n{key} = {_rendered(key, value)}" for key, value in lines.items())
        yield _behind(text, found.end, f"[environment.{name}]{body}")


def _splice(
    document: Document, found: TableSpan, key: str, value: Value, usual: Value | None = None
) -> tuple[int, int, str]:
    """The range to replace, and by what; a `usual` value is not written."""
    text = document.text
    span = document.outline.values.get((*found.path, *key.split(".")))
    if value in ("", [], usual) and key != "user":
        return _without(text, span.start, span.end) if span is not None else (found.end, found.end, "")
    rendered = _rendered(key, value)
    if span is not None:
        return span.start, span.end, rendered
    return _behind(text, found.end, f"{key} = {rendered}")


def _behind(text: str, end: int, lines: str) -> tuple[int, int, str]:
    """New lines behind a statement, which may be the last one of a file without a newline."""
    line_end = text.find("\n", end)
    if line_end < 0:
        return len(text), len(text), f"\n{lines}"
    return line_end + 1, line_end + 1, f"{lines}\n"


def _without(text: str, start: int, end: int) -> tuple[int, int, str]:
    """A statement goes with its line; a comment behind it stays."""
    line = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    rest = text[end : line_end if line_end >= 0 else len(text)].strip()
    if rest:
        return line, text.index(rest[0], end), text[line : len(text) - len(text[line:].lstrip(" \t"))]
    return line, line_end + 1 if line_end >= 0 else len(text), ""


def _rendered(key: str, value: Value) -> str:
    single = value[0] if key in _ARRAYS and isinstance(value, list) and len(value) == 1 else value
    return str(tomlkit.item(single).as_string())


def _jumps(document: Document, old: str, new: str) -> Iterator[tuple[int, int, str]]:
    """Where others jump over an environment that gets another name."""
    entries = document.data["environment"]
    for index, each in enumerate(entries if isinstance(entries, list) else ()):
        path: KeyPath = ("environment", index, "jump")
        span = document.outline.values.get(path)
        if each.get("jump") == old and span is not None:
            yield span.start, span.end, _rendered("jump", new)
