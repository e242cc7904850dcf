"""Contents by their SHA-256: `objects/ab/abcd...`, each once, whole or not at all, checked whenever it is read."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kdeploy_gui import defaults
from kdeploy_gui.artifacts.store_lock import FILE_MODE, make_folder, sync_folder
from kdeploy_gui.errors import Cancelled

WRITERS = 8
"""Files that are made durable at once: file systems do several for little more than one."""
SETTLES = 2
"""Seconds after which every further write moves a file's times: some file systems keep them in steps of two."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ObjectDamaged(Exception):
    """An object does not hold what its name says (`what`: damaged, missing or unreadable)."""

    def __init__(self, sha256: str, what: str) -> None:
        super().__init__(sha256)
        self.sha256 = sha256
        self.what = what


@dataclass(frozen=True, slots=True)
class Staged:
    """Content that waits in a file of its own to become an object."""

    file: Path
    sha256: str
    size: int


class Objects:
    """The objects below a store's folder. What goes wrong with the disk is raised as OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "objects"
        self.incoming = folder / "incoming"
        self._seen_whole: dict[str, tuple[int, ...]] = {}

    def path(self, sha256: str) -> Path:
        """Where an object is, or would be."""
        return self.folder / sha256[:2] / sha256

    def named(self, path: str) -> str:
        """The digest of the object that has this path; empty: it is none of them."""
        name = path.rpartition("/")[2]
        return name if _DIGEST.fullmatch(name) and str(self.path(name)) == path else ""

    def has(self, sha256: str, size: int) -> bool:
        """Whether an object is there, judged by its size alone."""
        try:
            return self.path(sha256).stat().st_size == size
        except FileNotFoundError:
            return False

    def all(self) -> Iterator[str]:
        """The digests of all objects, in order."""
        for folder in sorted(_names(self.folder)):
            yield from sorted(name for name in _names(self.folder / folder) if _DIGEST.fullmatch(name))

    @contextmanager
    def staging(self) -> Iterator[Staging]:
        """A place for contents on their way; what was not committed is gone afterwards. Hold the store's lock."""
        make_folder(self.incoming)
        staging = Staging(self)
        try:
            yield staging
        finally:
            staging.clear()

    def sweep(self) -> None:
        """Remove what writers left behind that did not live to end. Hold the store's lock alone."""
        for name in _names(self.incoming):
            (self.incoming / name).unlink(missing_ok=True)

    def read(self, sha256: str) -> Iterator[bytes]:
        """An object's bytes; its last ones are held back until all were checked. Raises ObjectDamaged."""
        digest = hashlib.sha256()
        held = b""
        try:
            with self.path(sha256).open("rb", buffering=0) as file:
                while chunk := file.read(defaults.CHUNK):
                    digest.update(chunk)
                    if held:
                        yield held
                    held = chunk
        except FileNotFoundError:
            raise ObjectDamaged(sha256, "missing") from None
        except OSError as error:
            raise ObjectDamaged(sha256, "unreadable") from error
        if digest.hexdigest() != sha256:
            raise ObjectDamaged(sha256, "damaged")
        if held:
            yield held

    def check(self, sha256: str, stop: Callable[[], bool] = lambda: False) -> int:
        """Read an object to its end and return its size. Raises ObjectDamaged, and Cancelled when `stop` says so."""
        size = 0
        for chunk in self.read(sha256):
            size += len(chunk)
            if stop():
                raise Cancelled("E-CANCELLED", f"the stored object {sha256} was not read to its end")
        return size

    def is_good(self, sha256: str, stop: Callable[[], bool] = lambda: False) -> bool:
        """Whether an object is there and whole. One that was, and was not written to since, is not read again.

        Raises Cancelled when `stop` says so.
        """
        stands = self._stands(sha256)
        if stands and self._seen_whole.get(sha256) == stands:
            return True
        is_settled = bool(stands) and max(stands[-2:]) < time.time_ns() - SETTLES * 1_000_000_000
        try:
            self.check(sha256, stop)
        except ObjectDamaged:
            return False
        if is_settled:
            self._seen_whole[sha256] = stands
        return True

    def _stands(self, sha256: str) -> tuple[int, ...]:
        """What is another after every write to an object that has settled; empty where there is none."""
        try:
            found = self.path(sha256).stat()
        except OSError:
            return ()
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def remove(self, digests: Iterable[str]) -> int:
        """Remove objects and return how many bytes that freed. Hold the store's lock alone."""
        freed = 0
        for sha256 in digests:
            path = self.path(sha256)
            freed += path.stat().st_size
            path.unlink()
        return freed


class Staging:
    """Contents that one writer brings in together."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._token = secrets.token_hex(8)
        self._files: list[Path] = []

    def take(self, chunks: Iterable[bytes]) -> Staged:
        """Write content into a file of its own, hashing it on the way. Raises what `chunks` raise, and OSError."""
        file = self._new()
        digest = hashlib.sha256()
        size = 0
        with _created(file) as out:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                _write(out, chunk)
        return Staged(file, digest.hexdigest(), size)

    def commit(self, staged: Iterable[Staged]) -> None:
        """Make contents objects, durably; one that is there already is replaced."""
        once = {each.sha256: each for each in staged}
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(_sync_file, (each.file for each in once.values())))
        homes = {self._objects.path(sha256).parent for sha256 in once}
        for home in homes:
            make_folder(home)
        for sha256, each in once.items():
            each.file.replace(self._objects.path(sha256))
        for home in homes:
            sync_folder(home)

    def write(self, path: Path, content: bytes) -> None:
        """Put a whole document in the place of `path`, durably."""
        file = self._new()
        with _created(file) as out:
            _write(out, content)
        _sync_file(file)
        make_folder(path.parent)
        file.replace(path)
        sync_folder(path.parent)

    def clear(self) -> None:
        """Remove what was not committed."""
        for file in self._files:
            file.unlink(missing_ok=True)

    def _new(self) -> Path:
        file = self._objects.incoming / f"{self._token}-{len(self._files)}.part"
        self._files.append(file)
        return file


@contextmanager
def _created(file: Path) -> Iterator[int]:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_file(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
