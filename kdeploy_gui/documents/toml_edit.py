"""Bring a TOML text to other data: what is equal keeps its text, its place and its comments.

The text is cut into blocks, a table's header with the comment above it and its statements; blocks are edited, moved,
dropped and appended as wholes. Values are exchanged at the places that the outline gives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomlkit

from kdeploy_gui.documents.positions import KeyPath, Outline, Span
from kdeploy_gui.documents.toml_source import Document, parse

Origins = Mapping[str, Sequence[int | None]]
"""For arrays of tables: which old element each new one comes from, None: it is new."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_OPENING = re.compile(r"\[[ \t\r]*(?:#[^\n]*)?\n?")
_AFTER_ELEMENT = re.compile(r"[ \t\r]*,?(?:[ \t\r]*(?:#[^\n]*)?\n)?")
_MISSING = object()


def edited(document: Document, data: Mapping[str, Any], origins: Origins) -> str:
    """The document's text changed so that it says `data`. Comments are lost only where a text defies editing."""
    if "\r\n" in document.text:
        plain = parse("", document.text.replace("\r\n", "\n").encode())
        if isinstance(plain, Document):
            return edited(plain, data, origins).replace("\n", "\r\n")
    text = _Editor(document, data, origins).text()
    result = parse("", text.encode(errors="surrogatepass"))
    if document.text and (not isinstance(result, Document) or result.data != data):
        return edited(Document("", "", {}, Outline()), data, {})
    return text


def rendered(value: object) -> str:
    """A value as TOML on one line; an array of tables takes a line for each."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{_key(key)} = {rendered(each)}" for key, each in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list):
        parts = [rendered(each) for each in value]
        if any(isinstance(each, dict) for each in value):
            return "[\n" + "".join(f"    {each},\n" for each in parts) + "]"
        return f"[{', '.join(parts)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(tomlkit.item(value).as_string())


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else rendered(name)


@dataclass(frozen=True, slots=True)
class _Block:
    """A table with its header, or the top of the text: from `begin` to `end`; statements end at `last`."""

    path: KeyPath
    begin: int
    end: int
    last: int


class _Editor:
    def __init__(self, document: Document, data: Mapping[str, Any], origins: Origins) -> None:
        self._text = document.text
        self._old = document.data
        self._values = document.outline.values
        self._data = data
        self._blocks = _blocks(document)
        self._headers = {each.start for each in document.outline.tables}
        headed = {each.path[0] for each in self._blocks[1:]}
        self._origins = {key: each for key, each in origins.items() if key in headed}

    def text(self) -> str:
        chunks: dict[KeyPath, list[str]] = {}
        for block in self._blocks:
            key = block.path[:2] if block.path and block.path[0] in self._origins else block.path[:1]
            table = self._now(block.path)
            if isinstance(table, Mapping):
                chunks.setdefault(key, []).append(self._block(block, table))
        for name in self._origins:
            chunks = self._arranged(chunks, name)
        present = {path[0] for path in self._values if path}
        for name, value in self._data.items():
            if name not in present and _is_headed(value):
                is_array = isinstance(value, list)
                chunks[(name,)] = [_table(name, each, is_array) for each in (value if is_array else [value])]
        return _joined(each for parts in chunks.values() for each in parts)

    def _now(self, path: KeyPath) -> Any:
        """What shall stand at a path of the old text."""
        place: Any = self._data
        for depth, part in enumerate(path):
            step: str | int = part
            if depth == 1 and path[0] in self._origins and isinstance(part, int):
                origins = self._origins[str(path[0])]
                if part not in origins:
                    return _MISSING
                step = origins.index(part)
            try:
                place = place[step]
            except (KeyError, IndexError, TypeError):
                return _MISSING
        return place

    def _arranged(self, chunks: dict[KeyPath, list[str]], name: str) -> dict[KeyPath, list[str]]:
        """The elements of an array of tables in their new order; a new one stands below the one before it."""
        groups: list[tuple[int | None, list[str]]] = [(None, [])]
        for position, origin in enumerate(self._origins[name]):
            if origin is None:
                groups[-1][1].append(_table(name, self._data[name][position], True))
            elif groups == [(None, groups[0][1])]:
                groups = [(origin, [*groups[0][1], *chunks[name, origin]])]
            else:
                groups.append((origin, [*chunks[name, origin]]))
        order = [-1 if kept is None else kept for kept, _ in groups]
        if order == sorted(order):
            return {**chunks, **{(name,) if kept is None else (name, kept): parts for kept, parts in groups}}
        whole = [each for _, parts in groups for each in parts]
        first = next(path for path in chunks if path[:1] == (name,))
        return {
            path: whole if path == first else parts
            for path, parts in chunks.items()
            if path == first or path[:1] != (name,)
        }

    def _block(self, block: _Block, table: Mapping[str, Any]) -> str:
        splices: list[tuple[int, int, str]] = []
        added: list[str] = []
        self._keys(block, block.path, "", table, splices, added)
        if added:
            line_end = self._text.find("\n", block.last)
            place = block.end if line_end < 0 or line_end >= block.end else line_end + 1
            if not block.path and block.last == 0:
                place = block.end
            before = "" if place == 0 or self._text[:place].endswith("\n") else "\n"
            splices.append((place, place, before + "".join(f"{line}\n" for line in added)))
        text, at = "", block.begin
        for start, end, new in sorted(splices):
            text += self._text[at:start] + new
            at = end
        return text + self._text[at : block.end]

    def _keys(
        self,
        block: _Block,
        path: KeyPath,
        prefix: str,
        table: Mapping[str, Any],
        splices: list[tuple[int, int, str]],
        added: list[str],
    ) -> None:
        """Edit the statements of one table within a block; `prefix` is that of its dotted keys."""
        old = self._was(path)
        for key, value in old.items():
            span = self._values.get((*path, key))
            if span is None or not block.begin <= span.start < block.end or span.start in self._headers:
                continue
            new = table.get(key, _MISSING)
            if isinstance(value, dict) and self._text[span.start] != "{":
                nested = new if isinstance(new, Mapping) else {}
                self._keys(block, (*path, key), f"{prefix}{_key(key)}.", nested, splices, added)
                if new is not _MISSING and not isinstance(new, Mapping):
                    added.append(f"{prefix}{_key(key)} = {rendered(new)}")
            elif new is _MISSING:
                splices.append(self._statement(span))
            elif new != value:
                splices.append((span.start, span.end, self._exchanged((*path, key), value, new)))
        for key, new in table.items():
            if key not in old and (path or not _is_headed(new)):
                added.append(f"{prefix}{_key(key)} = {rendered(new)}")

    def _was(self, path: KeyPath) -> Mapping[str, Any]:
        place: Any = self._old
        for part in path:
            place = place[part]
        return place if isinstance(place, Mapping) else {}

    def _statement(self, span: Span) -> tuple[int, int, str]:
        line_end = self._text.find("\n", span.end)
        return self._text.rfind("\n", 0, span.start) + 1, line_end + 1 if line_end >= 0 else len(self._text), ""

    def _exchanged(self, path: KeyPath, old: object, new: object) -> str:
        span = self._values[path]
        if isinstance(old, dict) and isinstance(new, dict) and list(old) == list(new):
            text, at = "", span.start
            for key in old:
                if old[key] != new[key]:
                    inner = self._values[(*path, key)]
                    text += self._text[at : inner.start] + self._exchanged((*path, key), old[key], new[key])
                    at = inner.end
            return text + self._text[at : span.end]
        if isinstance(old, list) and isinstance(new, list) and "\n" in self._text[span.start : span.end]:
            return self._array(path, old, new)
        return rendered(new)

    def _array(self, path: KeyPath, old: list[object], new: list[object]) -> str:
        """An array over several lines: elements that stay keep their lines and comments."""
        span = self._values[path]
        opening = _OPENING.match(self._text, span.start)
        if not old or opening is None or any(isinstance(each, dict | list) for each in (*old, *new)):
            return rendered(new)
        parts: list[tuple[object, str]] = []
        at = opening.end()
        for index, value in enumerate(old):
            element = self._values[(*path, index)]
            after = _AFTER_ELEMENT.match(self._text, element.end)
            end = after.end() if after else element.end
            rest = self._text[element.end : end]
            parts.append((value, self._text[at : element.end] + ("" if rest.lstrip().startswith(",") else ",") + rest))
            at = end
        first = self._values[(*path, 0)].start
        line = self._text.rfind("\n", 0, first) + 1
        indent = self._text[line:first] if not self._text[line:first].strip() else "    "
        text = opening.group()
        for value in new:
            known = next((each for each in parts if each[0] == value), None)
            if known is not None:
                parts.remove(known)
            chunk = known[1] if known is not None else f"{indent}{rendered(value)},\n"
            text += chunk if text.endswith("\n") or not chunk.startswith(indent) or not indent else f"\n{chunk}"
        return text + self._text[at : span.end]


def _blocks(document: Document) -> list[_Block]:
    text, tables = document.text, document.outline.tables
    limit = tables[0].start if tables else len(text)
    top_end = max((span.end for span in document.outline.values.values() if span.end <= limit), default=0)
    floors = [top_end, *(each.end for each in tables[:-1])]
    begins = [_comment_above(text, table.start, floor) for table, floor in zip(tables, floors, strict=False)]
    bounds = [0, *begins, len(text)]
    top = _Block((), 0, bounds[1], top_end)
    return [top, *(_Block(each.path, bounds[n], bounds[n + 1], each.end) for n, each in enumerate(tables, 1))]


def _comment_above(text: str, offset: int, floor: int) -> int:
    """Where the comment lines start that stand right above `offset` and after `floor`."""
    start = text.rfind("\n", 0, offset) + 1
    while start > floor:
        line = text.rfind("\n", 0, start - 1) + 1
        if line < floor or not text[line:start].lstrip(" \t").startswith("#"):
            break
        start = line
    return start


def _is_headed(value: object) -> bool:
    """Whether a value at the top is written as tables with headers."""
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value))


def _table(key: str, value: Mapping[str, Any], is_element: bool) -> str:
    """A new table with its header; the line feed in front marks it as new."""
    header = f"[[{_key(key)}]]" if is_element else f"[{_key(key)}]"
    statements = (f"{_key(name)} = {rendered(each)}" for name, each in value.items())
    return "".join(f"{line}\n" for line in ("", header, *statements))


def _joined(chunks: Iterable[str]) -> str:
    """Blocks below each other; a new one has blank lines around it."""
    text, was_new = "", False
    for chunk in filter(None, chunks):
        is_new = chunk.startswith("\n[")
        if text and not text.endswith("\n"):
            text += "\n"
        if text and (is_new or was_new) and not text.endswith("\n\n"):
            text += "\n"
        text += chunk[1:] if is_new else chunk
        was_new = is_new
    return text
