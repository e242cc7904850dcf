"""Files on a target: what is there, what shall be there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FileKind(StrEnum):
    """What a path on the target is."""

    FILE = "file"
    MISSING = "missing"
    FOLDER = "folder"
    SYMLINK = "symlink"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Staged:
    """The first bytes of a file, which a transfer brought before it was cut short: how many, and their SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FileState:
    """One path on the target as it is. `mode` holds the permission bits; `owner` is `user:group` by name.

    `leads_to` is what a symbolic link says. `stamp` is another one after every change of the file; empty where that is
    not sure. `staged` is what waits there of a version to come.
    """

    path: str
    kind: FileKind
    sha256: str = ""
    mode: int = 0
    owner: str = ""
    size: int = 0
    leads_to: str = ""
    stamp: str = field(default="", compare=False)
    staged: Staged | None = None


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file as it shall be. An empty `owner` means: whoever the connection is."""

    path: str
    sha256: str
    mode: int
    owner: str = ""
    size: int = 0

    def differences(self, found: FileState) -> tuple[str, ...]:
        """What is wrong with `found`, in words; empty if it is as declared."""
        if found.kind is not FileKind.FILE:
            return (f"{self.path} is {found.kind}",)
        wrong: list[str] = []
        if not found.sha256:
            wrong.append(f"{self.path} cannot be read")
        elif found.sha256 != self.sha256:
            wrong.append(f"{self.path} has other content")
        if found.mode != self.mode:
            wrong.append(f"{self.path} has mode {found.mode:04o}, declared {self.mode:04o}")
        if not same_owner(self.owner, found.owner):
            wrong.append(f"{self.path} belongs to {found.owner}, declared {self.owner}")
        return tuple(wrong)


def same_owner(declared: str, found: str) -> bool:
    """Whether `found` (`user:group`) satisfies `declared` (`user`, `user:group` or `:group`; empty: anything)."""
    user, _, group = declared.partition(":")
    found_user, _, found_group = found.partition(":")
    return user in {"", found_user} and group in {"", found_group}


def manifest_hash(entries: Iterable[ManifestEntry]) -> str:
    """SHA-256 over path, content, mode and owner of all entries, whatever their order."""
    digest = hashlib.sha256()
    for entry in sorted(entries, key=lambda each: each.path):
        digest.update(f"{entry.path}\0{entry.sha256}\0{entry.mode:04o}\0{entry.owner}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Placement:
    """A manifest entry together with the local file that holds its bytes.

    `link` is the folder above it that is a link to a version of a whole set; empty: the file stands by itself.
    """

    entry: ManifestEntry
    source: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class VersionedSet:
    """A new version of all files below `link`, a symbolic link that will lead to it.

    Besides those sent the version before has the content of the others: `linked` stay as they are, `copied` get
    another mode or owner.
    """

    link: str
    send: tuple[Placement, ...] = ()
    linked: tuple[ManifestEntry, ...] = ()
    copied: tuple[ManifestEntry, ...] = ()

    @property
    def entries(self) -> tuple[ManifestEntry, ...]:
        """All files of the version."""
        return (*(each.entry for each in self.send), *self.linked, *self.copied)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one deployment changes on one target: files to send, files whose mode or owner alone is wrong, and sets.

    `keep`: how many replaced versions stay on the target for a rollback. `resume` tells of files how many of their
    first bytes wait there, as the last survey found them, and are the right ones.
    """

    run: int
    send: tuple[Placement, ...] = ()
    attributes: tuple[ManifestEntry, ...] = ()
    keep: int = 0
    sets: tuple[VersionedSet, ...] = ()
    resume: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def sent(self) -> tuple[Placement, ...]:
        """All files to send, those of sets included."""
        return (*self.send, *(each for one in self.sets for each in one.send))

    @property
    def size(self) -> int:
        """Bytes to send."""
        return sum(each.entry.size for each in self.sent)


@dataclass(frozen=True, slots=True)
class Restored:
    """Paths that have their previous version again, and paths that are gone again because nothing stood there."""

    restored: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
