"""The instrument catalogue: one TOML file per instrument below `resources/instruments/`, checked as it is read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdeploy_gui.model.instrument import Instrument, Look, Sentence, Switch, Where
from kdeploy_gui.resources import ROOT

FOLDER = ROOT / "instruments"
SHARED = "shared/causes.toml"
Value = Any
"""TOML data, until its type has been looked at."""

_TEXT, _TEXTS, _TABLE = "a string", "an array of strings", "a table of strings"
_KEYS: Mapping[str, str] = {
    "order": "a number",
    "title": _TEXT,
    "finds": _TEXT,
    "where": _TEXT,
    "aliases": _TEXTS,
    "config": _TEXTS,
    "options": _TEXTS,
    "symbols": _TEXTS,
    "since": _TEXT,
    "module": "true or false",
    "architectures": _TEXTS,
    "excludes": _TABLE,
    "parameters": _TEXTS,
    "look": "a table",
    "switch": "an array of tables",
    "proof": _TEXT,
    "restores": _TEXT,
    "destructive": _TEXT,
    "packages": _TABLE,
    "says": "a table",
}
_LOOK: Mapping[str, str] = dict.fromkeys(("files", "each", "there", "log", "tools", "processes"), _TEXTS)
_SWITCH: Mapping[str, str] = dict.fromkeys(("cures", "path", "on", "undo", "mount"), _TEXT)
_SAYS: Mapping[str, str] = dict.fromkeys(("what", "remedy"), _TEXT)


def load(folder: Path = FOLDER) -> tuple[Instrument, ...]:
    """Every entry, in the order that they give. Raises ValueError that names file and key of a mistake."""
    shared = folder / SHARED
    causes = _sentences(_read(shared), shared.name) if shared.exists() else {}
    tables = [(path, _read(path)) for path in sorted(folder.glob("*.toml"))]
    for path, table in tables:
        _check(table, _KEYS, path.name, ("order", "title"))
    ordered = sorted(tables, key=lambda each: each[1]["order"])
    return tuple(_entry(path, table, causes) for path, table in ordered)


def _read(path: Path) -> dict[str, Value]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name}: {error}") from error


def _entry(path: Path, table: Mapping[str, Value], causes: Mapping[str, Sentence]) -> Instrument:
    texts = {key: tuple(table.get(key, ())) for key, kind in _KEYS.items() if kind is _TEXTS}
    look = table.get("look", {})
    _check(look, _LOOK, f"{path.name}: look")
    for each in table.get("switch", ()):
        _check(each, _SWITCH, f"{path.name}: switch", ("cures", "path"))
    where = table.get("where", Where.TARGET.value)
    if where not in set(Where):
        raise ValueError(f"{path.name}: where must be one of {', '.join(Where)}, not '{where}'")
    return Instrument(
        name=path.stem,
        title=table["title"],
        finds=table.get("finds", ""),
        where=Where(where),
        since=table.get("since", ""),
        module=table.get("module", False),
        excludes=table.get("excludes", {}),
        look=Look(**{key: tuple(value) for key, value in look.items()}),
        switches=tuple(Switch(**each) for each in table.get("switch", ())),
        proof=table.get("proof", ""),
        restores=table.get("restores", ""),
        destructive=table.get("destructive", ""),
        packages=table.get("packages", {}),
        says={**causes, **_sentences(table.get("says", {}), f"{path.name}: says")},
        **texts,
    )


def _sentences(table: Mapping[str, Value], place: str) -> dict[str, Sentence]:
    for cause, each in table.items():
        if not isinstance(each, dict):
            raise ValueError(f"{place}.{cause} must be a table")  # noqa: TRY004 - a mistake in a file, not in a call
        _check(each, _SAYS, f"{place}.{cause}", ("what",))
    return {cause: Sentence(**each) for cause, each in table.items()}


def _check(table: Mapping[str, Value], keys: Mapping[str, str], place: str, needed: tuple[str, ...] = ()) -> None:
    """Raise ValueError for a key that is unknown, missing or holds something else."""
    for key, value in table.items():
        if key not in keys:
            raise ValueError(f"{place}: unknown key '{key}'; known are {', '.join(keys)}")
        if not _is(value, keys[key]):
            raise ValueError(f"{place}: {key} must be {keys[key]}")
    for key in needed:
        if key not in table:
            raise ValueError(f"{place}: {key} is missing")


def _is(value: Value, kind: str) -> bool:
    match kind:
        case "a string":
            return isinstance(value, str)
        case "true or false":
            return isinstance(value, bool)
        case "a number":
            return isinstance(value, int) and not isinstance(value, bool)
        case "an array of strings":
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        case "a table of strings":
            return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
        case "an array of tables":
            return isinstance(value, list) and all(isinstance(each, dict) for each in value)
        case _:
            return isinstance(value, dict)
