"""Check TOML data against a table's type: all mistakes at once, in plain words, and what is left without them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from kdeploy_gui.documents.field_types import shown
from kdeploy_gui.documents.positions import KeyPath, field_path
from kdeploy_gui.model.problem import Problem, did_you_mean
from kdeploy_gui.model.visible import visible

_WANTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("above", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("below", "lt"),
}


class Table(BaseModel):
    """A TOML table. Every field has a default, so that a table can be read past its mistakes; `mandatory` names the
    keys that must be there all the same."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
    mandatory: ClassVar[tuple[str, ...]] = ()


TableType = TypeVar("TableType", bound=Table)


def check(model: type[TableType], data: Mapping[str, object]) -> tuple[TableType, list[Problem]]:
    """`data` as a `model` without the keys that are wrong, and the problems those have."""
    remaining = copy.deepcopy(dict(data))
    problems: list[Problem] = []
    wrong: set[KeyPath] = set()
    while True:
        try:
            table = model.model_validate(remaining)
        except ValidationError as errors:
            for error in errors.errors(include_url=False):
                problems.append(_problem(error, model))
                wrong.add(_remove(remaining, error["loc"]))
        else:
            return table, [*problems, *_missing(table, (), wrong)]


def _remove(data: dict[str, object], loc: KeyPath) -> KeyPath:
    """Take the innermost key on the way to `loc` out of `data` and return its path."""
    place: Any = data
    removed: tuple[Any, str, KeyPath] | None = None
    for depth, part in enumerate(loc):
        if isinstance(place, dict) and isinstance(part, str) and part in place:
            removed = (place, part, loc[: depth + 1])
        elif not (isinstance(place, list) and isinstance(part, int) and part < len(place)):
            break
        place = place[part]
    if removed is None:
        return loc
    holder, key, path = removed
    del holder[key]
    return path


def _missing(table: Table, path: KeyPath, wrong: set[KeyPath]) -> Iterator[Problem]:
    for name in table.mandatory:
        if name not in table.model_fields_set and (*path, name) not in wrong:
            yield Problem(f"{name} is missing", field_path((*path, name)))
    for name in type(table).model_fields:
        value = getattr(table, name)
        if isinstance(value, Table):
            yield from _missing(value, (*path, name), wrong)
        elif isinstance(value, list):
            for index, each in enumerate(value):
                if isinstance(each, Table):
                    yield from _missing(each, (*path, name, index), wrong)


def _problem(error: ErrorDetails, model: type[Table]) -> Problem:
    loc = error["loc"]
    name = _name(loc)
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return Problem(f"unknown key '{visible(str(loc[-1]))}'{_advice(loc, model)}", field_path(loc))
    if kind == "value_error":
        message = f"{name} {context['error']}"
    elif kind == "list_type" and isinstance(value, dict) and _holds_tables(model, loc):
        message = f"{name} must be written with double brackets: [[{field_path(loc)}]]"
    elif kind in _WANTED:
        message = f"{name} must be {_WANTED[kind]}, not {shown(value)}"
    elif kind in _BOUNDS:
        word, key = _BOUNDS[kind]
        message = f"{name} must be {word} {context[key]}, not {shown(value)}"
    else:
        message = f"{name}: {error['msg']}, not {shown(value)}"
    return Problem(message, field_path(loc))


def _name(loc: KeyPath) -> str:
    """The last key with the indexes after it: `tags[1]`."""
    keys = [index for index, part in enumerate(loc) if isinstance(part, str)]
    return field_path(loc[keys[-1] :]) if keys else "the file"


def _advice(loc: KeyPath, model: type[Table]) -> str:
    key = str(loc[-1])
    advice = did_you_mean(key, _table_at(model, loc[:-1]).model_fields)
    if not advice and len(loc) > 1 and key in model.model_fields:
        return " here - it belongs above the first [table]"
    return advice


def _holds_tables(model: type[Table], loc: KeyPath) -> bool:
    return _table_at(model, loc) is not _table_at(model, loc[:-1])


def _table_at(model: type[Table], loc: KeyPath) -> type[Table]:
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_tables_in(model.model_fields[part].annotation), model)
    return model


def _tables_in(annotation: object) -> Iterator[type[Table]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation
    for inner in get_args(annotation):
        yield from _tables_in(inner)
