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
from dataclasses import asdict, dataclass
from pathlib import Path

import tomlkit

from kdeploy_gui.documents.field_types import duration_text
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


@dataclass(frozen=True, slots=True)
class Removed:
    """An environment that was taken out: the text of the file before and after, and who stood above and below it."""

    name: str
    before: str
    after: str
    text: str
    above: str = ""
    below: str = ""


def add_environment(path: Path, environment: Environment) -> tuple[Problem, ...]:
    """Append an environment; creates the file if need be. Returns why not, or nothing. Raises LocalError."""
    return add_environments(path, [environment])


def add_environments(path: Path, environments: Sequence[Environment]) -> tuple[Problem, ...]:
    """Append all of them or none; creates the file if need be. Returns why not, or nothing. Raises LocalError."""
    return change(path, lambda document: _appended(document, environments))


def added_problems(path: Path, environments: Sequence[Environment]) -> tuple[Problem, ...]:
    """What `add_environments` would return now; nothing is written."""
    return rehearse(path, lambda document: _appended(document, environments))


def _appended(document: Document, environments: Sequence[Environment]) -> str:
    text = document.text
    for each in environments:
        if text and not text.endswith("\n"):
            text += "\n"
        text += f"\n{_rendered(each)}" if text else _rendered(each)
    return text


def take_environment(path: Path, name: str) -> Removed | tuple[Problem, ...]:
    """Take an environment out with the comment directly above it. Returns it, or why not. Raises LocalError."""
    taken: list[Removed] = []

    def edit(document: Document) -> str | Problem:
        found = entry(document, name)
        if isinstance(found, Problem):
            return found
        start, end = _extent(document, found)
        names, at = _names(document), found.path[1]
        text = document.text
        edited = text[:start] + text[end:]
        above = names[at - 1] if isinstance(at, int) and at else ""
        below = names[at + 1] if isinstance(at, int) and at + 1 < len(names) else ""
        taken.append(Removed(name, text, edited, text[start:end], above, below))
        return edited

    problems = change(path, edit)
    return problems or taken[-1]


def restore_environment(path: Path, removed: Removed) -> tuple[Problem, ...]:
    """Put back what was taken out: in its old place, with its comments, whatever else has changed there meanwhile.

    Returns why not, such as another one of its name, or nothing. Raises LocalError.
    """

    def edit(document: Document) -> str | Problem:
        text = document.text
        if _plain(text) == _plain(removed.after):
            return removed.before
        place = _place_of(document, removed)
        before = text[:place]
        if before and not before.endswith("\n"):
            before += "\n"
        gap = "" if not before or before.endswith(("\n\n", "\n\r\n")) else "\n"
        middle = removed.text.strip("\r\n") + "\n"
        rest = text[place:]
        return before + gap + middle + ("\n" if rest and not rest.startswith(("\n", "\r\n")) else "") + rest

    return change(path, edit)


def _place_of(document: Document, removed: Removed) -> int:
    """Where it goes back: below the one that stood above it, else above the one that stood below it, else last."""
    names = _names(document)
    if removed.above in names:
        found = entry(document, removed.above)
        if isinstance(found, TableSpan):
            return _extent(document, found)[1]
    if removed.below in names:
        found = entry(document, removed.below)
        if isinstance(found, TableSpan):
            return _extent(document, found)[0]
    return len(document.text)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def set_host_keys(path: Path, name: str, keys: Sequence[str], types: Sequence[str] = ()) -> tuple[Problem, ...]:
    """Replace the pinned fingerprints of an environment, and their types where those are known.

    Returns why not, or nothing. Raises LocalError.
    """

    def edit(document: Document) -> str | Problem:
        text = _with_value(document, name, "host_key", keys)
        if not types or isinstance(text, Problem):
            return text
        pinned = parse(document.path, text.encode())
        return pinned if isinstance(pinned, Problem) else _with_value(pinned, name, "host_key_type", types)

    return change(path, edit)


def _with_value(document: Document, name: str, key: str, entries: Sequence[str]) -> str | Problem:
    value = tomlkit.item(entries[0] if len(entries) == 1 else list(entries)).as_string()
    found = entry(document, name)
    if isinstance(found, Problem):
        return found
    text, present = document.text, document.outline.values.get((*found.path, key))
    if present is not None:
        return text[: present.start] + value + text[present.end :]
    line_end = text.find("\n", found.end)
    place = len(text) if line_end < 0 else line_end + 1
    before = text[:place] if line_end >= 0 else text + "\n"
    return f"{before}{key} = {value}\n{text[place:]}"


def entry(document: Document, name: str) -> TableSpan | Problem:
    """The [[environment]] table of that name."""
    names = _names(document)
    if name not in names:
        near = did_you_mean(name, [each for each in names if each])
        return Problem(f"no environment is called '{name}'{near}", file=document.path)
    path: KeyPath = ("environment", names.index(name))
    for table in document.outline.tables:
        if table.path == path:
            return table
    line = document.outline.line(f"environment[{path[1]}]")
    return Problem(f"'{name}' is not written as an [[environment]] table: edit it by hand", "", document.path, line)


def _names(document: Document) -> list[str]:
    """The names of all environments, in order; empty where one has none."""
    entries = document.data.get("environment")
    tables = [each if isinstance(each, dict) else {} for each in entries] if isinstance(entries, list) else []
    return [name if isinstance(name := each.get("name"), str) else "" for each in tables]


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
        if key in {"name", "kind"} or (key == "host" and not environment.is_guest) or value != getattr(plain, key):
            table[key] = list(value) if isinstance(value, tuple) else value
    if environment.jump_host_key:
        table["jump_host_key"] = list(environment.jump_host_key)
    if environment.become != plain.become:
        table["become"] = environment.become.value
    if environment.host_keys:
        keys = environment.host_keys
        table["host_key"] = keys[0] if len(keys) == 1 else list(keys)
    for key in ("roots", "host_key_type", "host_ca", "revoked_host_key"):
        if getattr(environment, key):
            table[key] = list(getattr(environment, key))
    for key in ("become_credential", "legacy", "uri", "domain", "autostart", "snapshot"):
        if getattr(environment, key) != getattr(plain, key):
            table[key] = getattr(environment, key)
    if environment.boot_timeout:
        table["boot_timeout"] = duration_text(environment.boot_timeout)
    if environment.monitor:
        table["monitor"] = duration_text(environment.monitor)
    power = {key: value for key, value in asdict(environment.power).items() if value}
    if power:
        table["power"] = power
    if environment.console.words:
        table["console"] = {
            key: str(getattr(environment.console, key))
            for key in ("command", "tcp", "protocol")
            if getattr(environment.console, key) != getattr(plain.console, key)
        }
    if environment.kernels:
        table["kernel"] = tomlkit.aot()
        for kernel in environment.kernels:
            table["kernel"].append(tomlkit.item({key: value for key, value in asdict(kernel).items() if value}))
    document = tomlkit.document()
    document["environment"] = tomlkit.aot()
    document["environment"].append(table)
    return tomlkit.dumps(document).strip() + "\n"


def change(path: Path, edit: Edit) -> tuple[Problem, ...]:
    """Edit the file as one step. Returns why not, or nothing. Raises LocalError."""
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


def rehearse(path: Path, edit: Edit) -> tuple[Problem, ...]:
    """What `change` would return now; nothing is written."""
    return _edited(Path(os.path.realpath(path)), edit)[2]


def _change_once(real: Path, edit: Edit) -> tuple[Problem, ...] | None:
    """Edit the file as it is now; None if somebody else changed it meanwhile."""
    content, stamp, problems = _edited(real, edit)
    if problems:
        return problems
    return () if _replace(real, content, stamp) else None


def _edited(real: Path, edit: Edit) -> tuple[bytes, tuple[int, ...], tuple[Problem, ...]]:
    """The new content, the state of the file that it was made from, and what speaks against writing it."""
    try:
        document = load(real)
    except FileNotFoundError:
        document = parse(str(real), b"")
    if isinstance(document, Problem):
        return b"", (), (document,)
    edited = edit(document)
    if isinstance(edited, Problem):
        return b"", (), (edited,)
    if "\r\n" in document.text:
        edited = edited.replace("\r\n", "\n").replace("\n", "\r\n")
    content = edited.encode()
    return content, document.stamp, _new_problems(check_lab(document), check_lab(parse(str(real), content)))


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
