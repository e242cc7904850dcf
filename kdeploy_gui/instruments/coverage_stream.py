"""What `coverage.sh` says: lines, then an archive that comes from a machine and is trusted in nothing."""

from __future__ import annotations

import errno
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from kdeploy_gui import defaults
from kdeploy_gui.errors import KdeployError, LocalError, TargetError
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.visible import visible

DATA = "gcda"
"""The folder of an archive, and of what is kept, that mirrors the machine's."""
LARGEST = 512 << 20
"""Bytes of an archive: a kernel in which everything counts has tens of MiB."""
MEMBERS = 200_000
HEAD = 64 << 10
"""Bytes of the lines before an archive."""
TAIL = 4096
_NAME = re.compile(rf"{DATA}(/[\w.+,@=~%-]+)*", re.ASCII)
_UNREADABLE = (
    *(tarfile.TarError, EOFError),
    # tarfile lets these out of headers that nobody wrote in good faith
    *(ValueError, LookupError, ArithmeticError, AttributeError, TypeError, RecursionError),
)
_TAKEN = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
"""How a name fails that is there already, or cannot be one."""


class Incoming:
    """Takes the stream as it comes: `tell` hears a step's name and how many files, the archive goes to `file`.

    What cannot be stored is kept as `fault`, and `stop` is called once.
    """

    def __init__(self, file: BinaryIO, place: Path, tell: Callable[[str, int, int], None]) -> None:
        self.said: dict[str, str] = {}
        self.fault: KdeployError | None = None
        self.stop: Callable[[], object] = lambda: None
        self.file = file
        self._place = place
        self._tell = tell
        self._head = b""
        self._in_archive = False
        self._size = 0
        self._tail = b""

    def take(self, data: bytes) -> None:
        """The next bytes; never raises."""
        if self.fault is not None:
            return
        if not self._in_archive:
            data = self._lines(data)
        if data:
            self._store(data)

    def end(self) -> None:
        """All has come: what was said behind the archive counts, too."""
        for line in self._tail.rpartition(b"\0")[2].split(b"\n"):
            self._hear(line)

    @property
    def files(self) -> int:
        """How many the machine found."""
        return _number(self.said.get("files", ""))

    @property
    def copied(self) -> int:
        """How many of them it could read."""
        return _number(self.said.get("copied", ""))

    def _lines(self, data: bytes) -> bytes:
        *lines, self._head = (self._head + data).split(b"\n")
        for number, line in enumerate(lines):
            if line == b"tar\t":
                self._in_archive = True
                rest = b"\n".join([*lines[number + 1 :], self._head])
                self._head = b""
                return rest
            self._hear(line)
        if len(self._head) > HEAD:
            self._fail(_hostile("it sends a line without an end"))
        return b""

    def _hear(self, line: bytes) -> None:
        key, tab, value = line.decode(errors="replace").partition("\t")
        if tab and key in {"files", "copied", "refused", "because", "status", "restored", "end"}:
            self.said[key] = value[:TAIL]
            if key in {"files", "copied"}:
                self._tell("reading the counters there", self.copied, self.files)

    def _store(self, data: bytes) -> None:
        self._size += len(data)
        self._tail = (self._tail + data)[-TAIL:]
        if self._size > LARGEST:
            self._fail(_hostile(f"it sends more than {size(LARGEST)}"))
            return
        try:
            self.file.write(data)
        except OSError as error:
            self._fail(not_stored(error, self._place))
            return
        self._tell("receiving", self._size, 0)

    def _fail(self, fault: KdeployError) -> None:
        self.fault = fault
        self.stop()


def unpack(archive: BinaryIO, folder: Path, tell: Callable[[int], None]) -> Iterator[str]:
    """Write the files of an archive below an empty folder; their names, one by one. `tell` hears how many.

    Raises TargetError E-COVERAGE-HOSTILE for what is no plain file or folder below `gcda`, and OSError.
    """
    for number, member in enumerate(_members(archive)):
        name = member.name.rstrip("/")
        if number > MEMBERS:
            raise _hostile(f"it sends more than {MEMBERS} files")
        if not _NAME.fullmatch(name) or {".", ".."} & set(name.split("/")):
            raise _hostile(f"it sends a file named {visible(name)!r}")
        if member.type == tarfile.DIRTYPE:
            continue
        if not member.isreg() or member.issparse() or not name.endswith(".gcda"):
            raise _hostile(f"it sends {visible(name)!r}, which is no file of counters")
        path = folder / name
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("xb") as out:
                _copy(archive, member, out)
        except OSError as error:
            if error.errno in _TAKEN:
                raise _hostile(f"it sends {visible(name)!r}, which cannot be stored beside the others") from error
            raise
        tell(number)
        yield name


def _members(archive: BinaryIO) -> Iterator[tarfile.TarInfo]:
    try:
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            yield from tar
    except _UNREADABLE as error:
        raise _hostile("what it sends is no archive") from error


def _copy(archive: BinaryIO, member: tarfile.TarInfo, out: BinaryIO) -> None:
    """The bytes of a member; where the archive is read next does not depend on it."""
    archive.seek(member.offset_data)
    left = member.size
    while left > 0:
        block = archive.read(min(left, defaults.CHUNK))
        if not block:
            raise _hostile("what it sends is cut off")
        out.write(block)
        left -= len(block)


def not_stored(error: OSError, place: Path) -> LocalError:
    """The error for what cannot be written here."""
    path = str(error.filename or place)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return LocalError("E-COVERAGE-SPACE", f"there is no room for the coverage in {place}", path=str(place))
    return LocalError("E-WRITE", f"{path} cannot be written: {error.strerror}", path=path)


def refused(said: Mapping[str, str]) -> KdeployError | None:
    """Why a machine hands out no counters; None: it does."""
    why, _, lockdown = said.get("refused", "").partition(" ")
    kept = lockdown[lockdown.find("[") + 1 : lockdown.find("]")] if "[" in lockdown else "none"
    if "because" in said:
        return TargetError("E-COVERAGE-DEBUGFS", f"its debugfs cannot be used: {said['because']}")
    match why:
        case "":
            return None
        case "root":
            return TargetError("E-COVERAGE-ROOT", "only root may read what gcov counted")
        case "absent":
            return TargetError("E-COVERAGE-ABSENT", "its kernel is built without gcov: there is no gcov in debugfs")
        case "empty":
            return TargetError("E-COVERAGE-EMPTY", "its kernel has gcov, and not one file of it is instrumented")
        case "full":
            return TargetError("E-COVERAGE-ROOM", "it has no room for a copy of the counters in /dev/shm, /tmp or /run")
        case "closed" if kept != "none":
            return TargetError(
                "E-COVERAGE-LOCKDOWN", f"kernel lockdown ({kept}) keeps even root away from the counters"
            )
        case _:
            return TargetError("E-COVERAGE-READ", "not one file of counters can be read there")


def _hostile(what: str) -> TargetError:
    return TargetError("E-COVERAGE-HOSTILE", f"the machine's answer is refused: {what}")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else 0
