"""Change lab.toml without losing what people wrote in it: comments, order and layout stay.

Texts are spliced at the places that the outline gives, because tomlkit moves a comment that stands above the next
table when it adds a key, and glues a new table to a last line without a newline; it renders the values.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import tomlkit

from kdeploy_gui.documents.lab_file import LabFile, check_lab
from kdeploy_gui.documents.positions import KeyPath, TableSpan
from kdeploy_gui.documents.toml_source import Document, load, parse, stamp_of
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.problem import Problem, did_you_mean

LOCK_DEADLINE = 10.0
"""Seconds to wait for another process that edits the same file."""

_PAUSE = 0.02
_EDITS = 5

Edit = Callable[[Document], str | Problem]


def add_environment(path: Path, environment: Environment) -> tuple[Problem, ...]:
    """Append an environment; creates the file if need be. Returns why not, or nothing. Raises LocalError."""

    def edit(document: Document) -> str | Problem:
        text = document.text
        if text and not text.endswith("\n"):
            text += "\n"
        return f"{text}\n{_rendered(environment)}" if text else _rendered(environment)

    return _change(path, edit)


def remove_environment(path: Path, name: str) -> tuple[Problem, ...]:
    """Take an environment out, with the comment directly above it. Returns why not, or nothing. Raises LocalError."""

    def edit(document: Document) -> str | Problem:
        entry = _entry(document, name)
        if isinstance(entry, Problem):
            return entry
        start, end = _extent(document, entry)
        return document.text[:start] + document.text[end:]

    return _change(path, edit)


def set_host_keys(path: Path, name: str, keys: Sequence[str]) -> tuple[Problem, ...]:
    """Replace the pinned fingerprints of an environment. Returns why not, or nothing. Raises LocalError."""
    value = tomlkit.item(keys[0] if len(keys) == 1 else list(keys)).as_string()

    def edit(document: Document) -> str | Problem:
        entry = _entry(document, name)
        if isinstance(entry, Problem):
            return entry
        text, present = document.text, document.outline.values.get((*entry.path, "host_key"))
        if present is not None:
            return text[: present.start] + value + text[present.end :]
        line_end = text.find("\n", entry.end)
        place = len(text) if line_end < 0 else line_end + 1
        before = text[:place] if line_end >= 0 else text + "\n"
        return f"{before}host_key = {value}\n{text[place:]}"

    return _change(path, edit)


def _entry(document: Document, name: str) -> TableSpan | Problem:
    """The [[environment]] table of that name."""
    entries = document.data.get("environment")
    names = [each.get("name") for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
    if name not in names:
        near = did_you_mean(name, [each for each in names if isinstance(each, str)])
        return Problem(f"no environment is called '{name}'{near}", file=document.path)
    path: KeyPath = ("environment", names.index(name))
    for table in document.outline.tables:
        if table.path == path:
            return table
    line = document.outline.line(f"environment[{path[1]}]")
    return Problem(f"'{name}' is not written as an [[environment]] table: edit it by hand", "", document.path, line)


def _extent(document: Document, entry: TableSpan) -> tuple[int, int]:
    """Offsets of everything that belongs to an environment: the comment right above it, its tables, blank lines."""
    text, tables = document.text, document.outline.tables
    own = [each for each in tables if each.path[:2] == entry.path]
    own_end = own[-1].end
    before = [each.end for each in tables if each.start < entry.start]
    start = _comment_above(text, entry.start, max(before, default=0))
    limit = _comment_above(
        text, min((each.start for each in tables if each.start > own_end), default=len(text)), own_end
    )
    end = text.find("\n", own_end) + 1 or len(text)
    while end < limit and text.startswith("#", end):
        end = text.find("\n", end) + 1 or len(text)
    if start and not text[:start].endswith(("\n\n", "\n\r\n")):
        return start, end
    while end < limit and text[end] in " \t\r\n":
        end += 1
    return start, end


def _comment_above(text: str, offset: int, floor: int) -> int:
    """Where the comment lines start that stand right above `offset` and after `floor`.

    One at the very top of the file is about the whole of it and does not count.
    """
    start = offset = text.rfind("\n", 0, offset) + 1
    while start > floor:
        line = text.rfind("\n", 0, start - 1) + 1
        if line < floor or not text[line:start].lstrip(" \t").startswith("#"):
            break
        start = line
    return start or offset


def _rendered(environment: Environment) -> str:
    plain = Environment(name="", host="")
    table = tomlkit.table()
    for key in ("name", "kind", "group", "tags", "host", "port", "user", "identity_file", "credential", "jump"):
        value = getattr(environment, key)
        if key in {"name", "kind", "host"} or value != getattr(plain, key):
            table[key] = list(value) if isinstance(value, tuple) else value
    if environment.become != plain.become:
        table["become"] = environment.become.value
    if environment.host_keys:
        keys = environment.host_keys
        table["host_key"] = keys[0] if len(keys) == 1 else list(keys)
    for key in ("uri", "domain", "autostart", "snapshot"):
        if getattr(environment, key) != getattr(plain, key):
            table[key] = getattr(environment, key)
    power = {key: value for key, value in asdict(environment.power).items() if value}
    if power:
        table["power"] = power
    if environment.kernels:
        table["kernel"] = tomlkit.aot()
        for kernel in environment.kernels:
            table["kernel"].append(tomlkit.item({key: value for key, value in asdict(kernel).items() if value}))
    document = tomlkit.document()
    document["environment"] = tomlkit.aot()
    document["environment"].append(table)
    return tomlkit.dumps(document).strip() + "\n"


def _change(path: Path, edit: Edit) -> tuple[Problem, ...]:
    real = Path(os.path.realpath(path))
    try:
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(real):
            for _ in range(_EDITS):
                problems = _change_once(real, edit)
                if problems is not None:
                    return problems
    except OSError as error:
        raise LocalError("E-WRITE", f"{path} cannot be written: {error.strerror}", path=str(path)) from error
    raise LocalError("E-LAB-BUSY", f"{path} is being changed by another program all the time", path=str(path))


def _change_once(real: Path, edit: Edit) -> tuple[Problem, ...] | None:
    """Edit the file as it is now; None if somebody else changed it meanwhile."""
    try:
        document = load(real)
    except FileNotFoundError:
        document = parse(str(real), b"")
    if isinstance(document, Problem):
        return (document,)
    edited = edit(document)
    if isinstance(edited, Problem):
        return (edited,)
    if "\r\n" in document.text:
        edited = edited.replace("\r\n", "\n").replace("\n", "\r\n")
    content = edited.encode()
    problems = _new_problems(check_lab(document), check_lab(parse(str(real), content)))
    if problems:
        return problems
    return () if _replace(real, content, document.stamp) else None


def _new_problems(before: LabFile, after: LabFile) -> tuple[Problem, ...]:
    """Problems that an edit would add. Those that were there do not hinder it: entries move, so messages count."""
    known = [each.message for each in before.problems]
    added: list[Problem] = []
    for each in after.problems:
        if each.message in known:
            known.remove(each.message)
        else:
            added.append(each)
    return tuple(added)


@contextmanager
def _locked(real: Path) -> Iterator[None]:
    lock = real.with_name(f".{real.name}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + LOCK_DEADLINE
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise LocalError("E-LAB-BUSY", f"another program is editing {real}", path=str(real))
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(real: Path, content: bytes, stamp: tuple[int, ...]) -> bool:
    """Put `content` in place as a whole, unless the file is no longer in the state `stamp`."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            _keep_attributes(real, file.fileno())
            os.fsync(file.fileno())
        if stamp_of(real) != stamp:
            return False
        os.replace(temporary, real)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    folder = os.open(real.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def _keep_attributes(real: Path, descriptor: int) -> None:
    try:
        present = real.stat()
    except FileNotFoundError:
        return
    os.fchmod(descriptor, present.st_mode & 0o7777)
    if os.geteuid() == 0:
        os.fchown(descriptor, present.st_uid, present.st_gid)
