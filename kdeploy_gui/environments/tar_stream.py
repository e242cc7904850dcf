"""The archive that a deployment sends: control lists first, then the files, as one stream of blocks."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Iterator
from posixpath import basename, dirname

from kdeploy_gui.defaults import CHUNK
from kdeploy_gui.errors import ContentChanged
from kdeploy_gui.model.files import Batch, ManifestEntry, Placement
from kdeploy_gui.ports import Content


def folders(batch: Batch) -> tuple[str, ...]:
    """Folders on the target that get a staging folder, each once; the first also holds the control lists."""
    entries = [each.entry for each in batch.send] or list(batch.attributes[:1])
    return tuple(dict.fromkeys(dirname(each.path) or "/" for each in entries))


def staged(entry: ManifestEntry, token: str) -> str:
    """Where the bytes of an entry wait before they are renamed into place."""
    return f"{dirname(entry.path).rstrip('/')}/{token}/new/{basename(entry.path)}"


def blocks(batch: Batch, token: str, content: Content) -> Iterator[bytes]:
    """The archive in blocks of at least `CHUNK` bytes. Blocks the caller while it reads local files.

    Raises ContentChanged when a local file's size is no longer the planned one, ArtifactError when it is unreadable.
    """
    pending: list[bytes] = []
    size = 0
    for piece in _pieces(batch, token, content):
        pending.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield b"".join(pending)
            pending, size = [], 0
    yield b"".join(pending)


def _pieces(batch: Batch, token: str, content: Content) -> Iterator[bytes]:
    control = f"{folders(batch)[0].rstrip('/')}/{token}/control"
    yield _header(control, 0, tarfile.DIRTYPE)
    for name, lines in _lists(batch, token).items():
        data = "".join(f"{line}\n" for line in lines).encode()
        yield _header(f"{control}/{name}", len(data)) + data + _padding(len(data))
    for placement in batch.send:
        yield from _file(placement, token, content)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _file(placement: Placement, token: str, content: Content) -> Iterator[bytes]:
    entry = placement.entry
    yield _header(staged(entry, token), entry.size)
    sent = 0
    for chunk in content.read(placement.source):
        sent += len(chunk)
        if sent > entry.size:
            break
        yield chunk
    if sent != entry.size:
        raise ContentChanged(
            "E-HASH",
            f"{placement.source} changed while it was being sent",
            path=placement.source,
            on_target="The previous version is intact.",
        )
    yield _padding(sent)


def _lists(batch: Batch, token: str) -> dict[str, list[str]]:
    by_attributes = sorted(batch.send, key=lambda each: (_attributes(each.entry), each.entry.path))
    by_folder = sorted(batch.send, key=lambda each: (dirname(each.entry.path), each.entry.path))
    homes = [dirname(each.entry.path) or "/" for each in by_folder]
    return {
        "sums": [f"{each.entry.sha256}  {staged(each.entry, token)}" for each in batch.send],
        "attributes": [f"{_attributes(each.entry)}\t{staged(each.entry, token)}" for each in by_attributes],
        "previous": [
            f"{home.rstrip('/')}/{token}/old\t{each.entry.path}" for home, each in zip(homes, by_folder, strict=True)
        ],
        "commit": [f"{home}\t{staged(each.entry, token)}" for home, each in zip(homes, by_folder, strict=True)],
        "placed": [f"{each.entry.sha256}  {each.entry.path}" for each in batch.send],
        "fix": sorted(f"{_attributes(each)}\t{each.path}" for each in batch.attributes),
    }


def _attributes(entry: ManifestEntry) -> str:
    return f"{entry.mode:04o} {entry.owner or '-'}"


def _header(path: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(path.lstrip("/"))
    info.size = size
    info.type = kind
    info.mtime = int(time.time())
    info.mode = 0o700 if kind == tarfile.DIRTYPE else 0o600
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
