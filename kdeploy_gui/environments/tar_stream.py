"""The archive that a deployment sends: control lists first, then the files, as one stream of blocks."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Iterator

from kdeploy_gui.defaults import CHUNK
from kdeploy_gui.environments.control_lists import Staging
from kdeploy_gui.errors import ContentChanged
from kdeploy_gui.model.files import Placement
from kdeploy_gui.ports import Content


def blocks(staging: Staging, content: Content) -> Iterator[bytes]:
    """The archive in blocks of at least `CHUNK` bytes. Blocks the caller while it reads local files.

    Raises ContentChanged when a local file's size is no longer the planned one, ArtifactError when it is unreadable.
    """
    pending: list[bytes] = []
    size = 0
    for piece in _pieces(staging, content):
        pending.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield b"".join(pending)
            pending, size = [], 0
    yield b"".join(pending)


def rest(placement: Placement, content: Content, start: int) -> Iterator[bytes]:
    """The bytes of a file from an offset on. Blocks and raises as `blocks`."""
    at = 0
    for chunk in content.read(placement.source):
        at += len(chunk)
        if at > placement.entry.size:
            break
        if at > start:
            yield chunk[-(at - start) :]
    if at != placement.entry.size:
        raise ContentChanged(
            "E-HASH",
            f"{placement.source} changed while it was being sent",
            path=placement.source,
            on_target="The previous version is intact.",
        )


def _pieces(staging: Staging, content: Content) -> Iterator[bytes]:
    yield _header(staging.control, kind=tarfile.DIRTYPE)
    for name, lines in staging.lists().items():
        yield from _text(f"{staging.control}/{name}", lines)
    for each in staging.batch.sets:
        for folder in staging.inner_folders(each):
            yield _header(folder, kind=tarfile.DIRTYPE)
        yield from _text(staging.file_list(each), staging.version_files(each))
        yield _header(staging.staged_link(each), kind=tarfile.SYMTYPE, link=staging.leads_to(each))
    for placement in staging.arriving:
        yield _header(staging.staged(placement), placement.entry.size)
        yield from rest(placement, content, 0)
        yield _padding(placement.entry.size)
    yield _header(f"{staging.control}/whole")
    yield bytes(2 * tarfile.BLOCKSIZE)


def _text(path: str, lines: list[str]) -> Iterator[bytes]:
    data = "".join(f"{line}\n" for line in lines).encode()
    yield _header(path, len(data)) + data + _padding(len(data))


def _header(path: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    info = tarfile.TarInfo(path.lstrip("/"))
    info.size = size
    info.type = kind
    info.linkname = link
    info.mtime = int(time.time())
    info.mode = 0o700 if kind == tarfile.DIRTYPE else 0o600
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
