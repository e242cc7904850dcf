"""Artifacts in the store: named versions of sets of files, and the files that runs deployed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from kdeploy_gui.model.plan import ArtifactType
from kdeploy_gui.model.visible import is_visible

PREFIX = "store:"
"""What a plan's `source` begins with where it names a stored artifact."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PATH_LIMIT = 4095
_PART_LIMIT = 255


def is_digest(text: str) -> bool:
    """Whether `text` is a SHA-256 as the store writes it."""
    return _DIGEST.fullmatch(text) is not None


def is_safe_path(path: str) -> bool:
    """Whether a path is relative, stays below its folder, and holds nothing that steers a terminal."""
    if not is_visible(path) or len(path.encode()) > _PATH_LIMIT:
        return False
    return all(part not in {"", ".", ".."} and len(part.encode()) <= _PART_LIMIT for part in path.split("/"))


@dataclass(frozen=True, slots=True)
class VersionRef:
    """`NAME@VERSION`, or `NAME` alone: its newest version."""

    name: str
    version: str = ""

    @classmethod
    def parse(cls, text: str) -> VersionRef:
        """Read `NAME` or `NAME@VERSION`. Raises ValueError."""
        name, at, version = text.partition("@")
        if not NAME.fullmatch(name) or (at and not VERSION.fullmatch(version)):
            raise ValueError("write NAME or NAME@VERSION, each of letters, digits and . _ - (at most 64)")
        return cls(name, version)

    def __str__(self) -> str:
        return f"{self.name}@{self.version}" if self.version else self.name


@dataclass(frozen=True, slots=True, order=True)
class StoredFile:
    """One file of a version; `path` is relative, with slashes."""

    path: str
    sha256: str
    mode: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactVersion:
    """A version of an artifact, which never changes: its files by path, and what else they need to be deployed.

    `by` is who added it: `user@host`.
    """

    name: str
    version: str
    type: ArtifactType
    files: tuple[StoredFile, ...]
    depends: tuple[VersionRef, ...] = ()
    added: datetime
    by: str = ""

    @property
    def ref(self) -> VersionRef:
        """How it is named."""
        return VersionRef(self.name, self.version)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(each.size for each in self.files)

    def is_same(self, other: ArtifactVersion) -> bool:
        """Whether both deploy the same."""
        return (self.type, self.files, self.depends) == (other.type, other.files, other.depends)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """One file of a run as it was planned; `target` is absolute or starts with `~/`, `artifact` the plan's source.

    `link` is the folder above it that was versioned. `source` is where its bytes came from. Those of a sensitive file
    are not in the store.
    """

    target: str
    sha256: str
    mode: int
    size: int
    type: ArtifactType
    owner: str = ""
    sensitive: bool = False
    artifact: str = ""
    source: str = ""
    relative: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """All files of one run; `time` is when they were stored."""

    run: int
    plan: str
    time: datetime
    files: tuple[KeptFile, ...] = ()

    def objects(self) -> frozenset[str]:
        """Contents that the run needs in the store."""
        return frozenset(each.sha256 for each in self.files if not each.sensitive)


@dataclass(frozen=True, slots=True)
class DeployedFile:
    """One file that a run left on machines; `path` as the plan names it. `kept`: the store has its content."""

    path: str
    sha256: str
    mode: int
    size: int
    kept: bool


@dataclass(frozen=True, slots=True)
class DeployedSet:
    """Environments that hold the same files since a run."""

    environments: tuple[str, ...]
    files: tuple[DeployedFile, ...]


@dataclass(frozen=True, slots=True)
class RunArtifacts:
    """What a run deployed where; environments `without` any got nothing of it."""

    run: int
    sets: tuple[DeployedSet, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Added:
    """A version in the store; `new`: it was not there before. `objects` and `size` (bytes) are what that took."""

    version: ArtifactVersion
    new: bool
    objects: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the store's documents say; `problems` are those that cannot be read."""

    versions: tuple[ArtifactVersion, ...] = ()
    runs: tuple[RunFiles, ...] = ()
    problems: tuple[str, ...] = ()

    def named(self, name: str) -> tuple[ArtifactVersion, ...]:
        """The versions of an artifact, the newest first."""
        return tuple(each for each in self.versions if each.name == name)

    def find(self, ref: VersionRef) -> ArtifactVersion | None:
        """A version; the newest where the reference names none."""
        found = (each for each in self.named(ref.name) if ref.version in {"", each.version})
        return next(found, None)

    def needs(self) -> dict[str, list[str]]:
        """Who needs each object: `suite@2`, `run 118`."""
        needs: dict[str, list[str]] = {}
        for version in self.versions:
            for sha256 in dict.fromkeys(file.sha256 for file in version.files):
                needs.setdefault(sha256, []).append(str(version.ref))
        for run in self.runs:
            for sha256 in run.objects():
                needs.setdefault(sha256, []).append(f"run {run.run}")
        return needs


@dataclass(frozen=True, slots=True)
class Damage:
    """An object that is not what it should be (`what`: damaged, missing or unreadable), and who needs it."""

    sha256: str
    what: str
    needed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """What a look at every byte found; `unused` objects are needed by nothing and not wrong."""

    objects: int
    size: int
    damaged: tuple[Damage, ...] = ()
    problems: tuple[str, ...] = ()
    unused: int = 0

    @property
    def good(self) -> bool:
        """Whether everything is as it was stored."""
        return not self.damaged and not self.problems


@dataclass(frozen=True, slots=True)
class PruneRule:
    """What may go: versions beyond the `keep` newest of each artifact and older than `older` days, but not `spared`.

    With neither `keep` nor `older` no version goes; with `older` alone the newest of each artifact stays.
    """

    keep: int | None = None
    older: float | None = None
    spared: tuple[VersionRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Pruning:
    """What goes, or went: versions, files of runs that the history no longer has, and contents nothing needs then."""

    versions: tuple[VersionRef, ...] = ()
    runs: tuple[int, ...] = ()
    objects: tuple[str, ...] = ()
    size: int = 0


def shown(needed_by: Iterable[str], limit: int = 5) -> str:
    """Who needs an object, in words."""
    names = list(needed_by)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(names[:limit]) + more) or "nothing"
