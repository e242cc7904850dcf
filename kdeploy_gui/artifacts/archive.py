"""A plan with its files as one archive: written the same bytes for the same content, read without any trust.

`manifest.json` names every other member with its SHA-256, size and mode; `plan.toml` has sources below `files/`.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from kdeploy_gui import defaults
from kdeploy_gui.errors import ArtifactError, ContentChanged
from kdeploy_gui.model.stored import StoredFile, is_digest, is_safe_path
from kdeploy_gui.model.visible import visible

FORMAT = 1
MANIFEST = "manifest.json"
PLAN = "plan.toml"
MEMBERS = 100_000
"""Members of an archive at most."""
RATIO = 20
"""Bytes that one compressed byte may stand for."""
SMALL = 1024 * 1024
"""Bytes that an archive may always stand for: short ones are mostly padding."""
HEADER_LIMIT = 1024 * 1024
"""Bytes of one extended header."""
MANIFEST_LIMIT = 64 * 1024 * 1024
_SPECIAL = 0o7000
_UNREADABLE = (
    *(tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile),
    # tarfile lets these out of headers that nobody wrote in good faith
    *(ValueError, LookupError, ArithmeticError, AttributeError, TypeError, RecursionError),
)
_TOO_LONG = f"it is cut off, or grows to more than {RATIO} times its size"


@dataclass(frozen=True, slots=True)
class Packed:
    """One member of an archive and the chunks that it is made of."""

    file: StoredFile
    chunks: Iterable[bytes]


def manifest(members: Iterable[StoredFile]) -> bytes:
    """The manifest of an archive."""
    files = [
        {"path": each.path, "sha256": each.sha256, "mode": f"{each.mode:04o}", "size": each.size}
        for each in sorted(members)
    ]
    return (json.dumps({"format": FORMAT, "files": files}, indent=1) + "\n").encode("ascii")


def write_archive(out: BinaryIO, members: Iterable[Packed]) -> None:
    """Write members with their manifest in front. Raises ContentChanged for one that is not what it is said to be."""
    ordered = sorted(members, key=lambda each: each.file.path)
    head = manifest(each.file for each in ordered)
    out.write(_header(MANIFEST, len(head), 0o644) + head + _padding(len(head)))
    for each in ordered:
        out.write(_header(each.file.path, each.file.size, each.file.mode))
        for chunk in _checked(each):
            out.write(chunk)
        out.write(_padding(each.file.size))
    out.write(bytes(2 * tarfile.BLOCKSIZE))


def _checked(packed: Packed) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    for chunk in packed.chunks:
        digest.update(chunk)
        size += len(chunk)
        if size > packed.file.size:
            break
        yield chunk
    if size != packed.file.size or digest.hexdigest() != packed.file.sha256:
        raise ContentChanged("E-HASH", f"{packed.file.path} changed while it was being packed", path=packed.file.path)


def _header(path: str, size: int, mode: int) -> bytes:
    info = tarfile.TarInfo(path)
    info.size, info.mode = size, mode
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def unpack_archive(archive: Path, folder: Path) -> tuple[StoredFile, ...]:
    """Write an archive's files below an empty folder, each checked against the manifest, and return them.

    All members are looked at before the first is written. Raises ArtifactError E-ARCHIVE, and OSError.
    """
    with _opened(archive) as tar:
        members = _members(tar)
        listed = {each.path: each for each in _manifest(tar, members)}
        for path, member in members.items():  # in the archive's order: going back would decompress it again
            if path in listed:
                _unpack(tar, member, listed[path], folder)
    return tuple(listed.values())


def _members(tar: tarfile.TarFile) -> Mapping[str, tarfile.TarInfo]:
    """All members by path, or none: every one must be a plain file with a path of its own."""
    found: dict[str, tarfile.TarInfo] = {}
    for count, member in enumerate(tar, 1):
        if count > MEMBERS:
            raise _refused(f"it has more than {MEMBERS} members")
        fault = _fault(member)
        if not fault and member.name in found:
            fault = "is there twice"
        if fault:
            raise _refused(f"its member '{visible(member.name)}' {fault}")
        found[member.name] = member
    for name in found:
        parent = name.rpartition("/")[0]
        while parent:
            if parent in found:
                raise _refused(f"its member '{name}' lies below '{parent}', which is a file")
            parent = parent.rpartition("/")[0]
    return found


def _fault(member: tarfile.TarInfo) -> str:
    if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or member.issparse():
        kinds = {tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link", tarfile.DIRTYPE: "a folder"}
        return f"is {kinds.get(member.type, 'no plain file')}"
    if not _is_text(member.name) or not is_safe_path(member.name):
        return "has a path that leads elsewhere or cannot be shown"
    if member.mode & _SPECIAL:
        return "sets setuid, setgid or sticky"
    return "" if member.size >= 0 else "has a negative size"


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _manifest(tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo]) -> tuple[StoredFile, ...]:
    """What the manifest lists, which must be what the archive has."""
    if MANIFEST not in members or PLAN not in members:
        raise _refused(f"it has no {MANIFEST if MANIFEST not in members else PLAN}: kdeploy did not pack it")
    if members[MANIFEST].size > MANIFEST_LIMIT:
        raise _refused(f"its {MANIFEST} is too large")
    try:
        with _bytes_of(tar, members[MANIFEST]) as source:
            document = json.loads(b"".join(iter(lambda: source.read(defaults.CHUNK), b"")))
        if document["format"] != FORMAT:
            raise _refused(f"it has format {visible(str(document['format']))}, this program reads {FORMAT}")
        listed = tuple(_entry(each) for each in document["files"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _refused(f"its {MANIFEST} cannot be read: {visible(str(error))}") from error
    paths = {each.path for each in listed}
    if len(paths) != len(listed) or paths != members.keys() - {MANIFEST}:
        odd = sorted(paths ^ (members.keys() - {MANIFEST})) or ["a member twice"]
        raise _refused(f"its {MANIFEST} does not list what it has: '{visible(odd[0])}'")
    for each in listed:
        if members[each.path].size != each.size:
            raise _refused(f"its member '{each.path}' does not have the size in {MANIFEST}")
    return listed


def _entry(entry: Mapping[str, object]) -> StoredFile:
    path, sha256, mode, size = entry["path"], entry["sha256"], entry["mode"], entry["size"]
    if not (isinstance(path, str) and isinstance(sha256, str) and isinstance(mode, str) and isinstance(size, int)):
        raise TypeError("an entry has a value of another type")
    bits = int(mode, 8)
    if not is_digest(sha256) or bits & ~0o777 or isinstance(size, bool):
        raise ValueError("an entry has no proper mode, size or SHA-256")
    return StoredFile(path, sha256, bits, size)


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, file: StoredFile, folder: Path) -> None:
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with _bytes_of(tar, member) as source, path.open("xb") as out:
        while chunk := source.read(defaults.CHUNK):
            digest.update(chunk)
            out.write(chunk)
    if digest.hexdigest() != file.sha256:
        raise _refused(f"its member '{file.path}' does not have the content in {MANIFEST}")


def _bytes_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    return cast("IO[bytes]", tar.extractfile(member))


def _refused(why: str) -> ArtifactError:
    return ArtifactError("E-ARCHIVE", f"the archive is refused, nothing was unpacked: {why}")


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    """The archive, compressed or not, for reading. What is wrong with it is E-ARCHIVE wherever it shows."""
    try:
        with archive.open("rb") as file, _plain(file) as plain:
            size = archive.stat().st_size
            limit = size if plain is file else max(RATIO * size, SMALL)
            with tarfile.open(fileobj=cast("IO[bytes]", _Bounded(plain, limit)), mode="r:") as tar:
                yield tar
    except _UNREADABLE as error:
        raise _refused(f"it is no tar archive, or cut off: {error}") from error
    except OSError as error:
        if error.errno is None:  # what bz2 says of a damaged stream
            raise _refused(f"its compressed form is damaged: {error}") from error
        raise


def _plain(file: BinaryIO) -> BinaryIO:
    """The file's content, decompressed where its first bytes say so."""
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if magic.startswith(b"BZh"):
        return cast("BinaryIO", bz2.BZ2File(file))
    return cast("BinaryIO", lzma.LZMAFile(file)) if magic == b"\xfd7zXZ\x00" else file


class _Bounded(io.RawIOBase):
    """A stream of which no more than `limit` bytes are ever decompressed, and no header asks for much memory."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    def read(self, size: int = -1) -> bytes:
        """At most HEADER_LIMIT bytes at once. Raises ArtifactError where there is more than there may be."""
        if not 0 <= size <= HEADER_LIMIT:
            raise _refused("it has a header that is too large")
        data = self._stream.read(size)
        if self._stream.tell() > self._limit:
            raise _refused(_TOO_LONG)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go on from there, not beyond the limit."""
        if whence != io.SEEK_SET or offset > self._limit:
            raise _refused(_TOO_LONG)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Bytes from the beginning."""
        return self._stream.tell()
