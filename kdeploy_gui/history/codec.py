"""Events and READY marks as rows and back: what was stored comes back equal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from kdeploy_gui.errors import LocalError
from kdeploy_gui.history.failures import DAMAGED, NEWER
from kdeploy_gui.model.event import BODY_TYPES, Event, to_json
from kdeploy_gui.model.stage import Stage

T = TypeVar("T")
EventRow = tuple[int, int, str, str, str, int, str, str]
"""run, seq, time, environment, stage, attempt, type, body"""
ADAPTERS: dict[object, TypeAdapter[Any]] = {}
"""Readers of types, each built once: building one is slow."""


def event_to_row(event: Event) -> EventRow:
    """The columns of table `events`."""
    return (
        event.run,
        event.seq,
        time_to_text(event.time),
        event.environment,
        event.stage.value if event.stage else "",
        event.attempt,
        event.type,
        to_text(event.body),
    )


def event_from_row(row: EventRow, path: Path) -> Event:
    """The event of a row in the history `path`. Raises LocalError if a newer program wrote it or it is damaged."""
    run, seq, time, environment, stage, attempt, type_name, body = row
    body_type = BODY_TYPES.get(type_name)
    if body_type is None:
        raise LocalError(
            NEWER, f"event {seq} of run {run} has a type that this kdeploy does not know: {type_name}", path=str(path)
        )
    with damage_named(f"event {seq} of run {run}", path):
        return Event(
            seq=seq,
            time=datetime.fromisoformat(time),
            run=run,
            body=from_text(body_type, body),
            environment=environment,
            stage=Stage(stage) if stage else None,
            attempt=attempt,
        )


def to_text(value: object) -> str:
    """A value of the model as JSON in ASCII: undecodable bytes of file names survive as escaped surrogates."""
    return json.dumps(to_json(value), separators=(",", ":"))


def from_text(type_: type[T], text: str) -> T:
    """The value that `to_text` wrote. Raises ValueError where it does not fit the type."""
    if type_ not in ADAPTERS:
        ADAPTERS[type_] = TypeAdapter(type_)
    value: T = ADAPTERS[type_].validate_python(json.loads(text))
    return value


def time_to_text(moment: datetime) -> str:
    """A moment in UTC with microseconds, so that texts sort as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def encodable(text: str) -> str:
    """`text` as SQLite can hold and search it: surrogates are spelt out."""
    return text.encode(errors="backslashreplace").decode()


@contextmanager
def damage_named(what: str, path: Path) -> Iterator[None]:
    """Turn a stored value that does not parse into LocalError (E-HISTORY-DAMAGED)."""
    try:
        yield
    except ValueError as error:
        raise LocalError(DAMAGED, f"{what} cannot be read from {path}: {error}", path=str(path)) from error
