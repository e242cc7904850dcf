"""Plans: the draft as it is written, and the plan as it is run. Neither ever holds a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from kdeploy_gui.model.environment import Environment


class ArtifactType(StrEnum):
    """What an artifact is for."""

    SCRIPT = "script"
    BINARY = "binary"
    CONFIG = "config"
    DATA = "data"


class Layout(StrEnum):
    """How files stand at their target: each by itself, or all in a version of their own that a link leads to."""

    FILES = "files"
    VERSIONED = "versioned"


class Want(StrEnum):
    """How much a plan needs an instrument."""

    REQUIRED = "required"
    WANTED = "wanted"
    OFF = "off"


class Rollback(StrEnum):
    """Which environments return to their previous version when one fails."""

    FAILED = "failed"
    ALL = "all"
    NONE = "none"


class OnSplat(StrEnum):
    """What becomes of an environment whose kernel reports trouble during the run."""

    FAIL = "fail"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between attempts: `initial` seconds, times `factor` each time, at most `maximum`, +/- `jitter` (0..1)."""

    initial: float = 1.0
    factor: float = 4.0
    maximum: float = 30.0
    jitter: float = 0.2


@dataclass(frozen=True, slots=True)
class Policy:
    """How a run behaves; `stage_timeout` in seconds per attempt, `retries` per stage for transient errors."""

    priority: int = 0
    max_parallel: int = 16
    retries: int = 3
    backoff: Backoff = field(default_factory=Backoff)
    stage_timeout: float = 600.0
    rollback: Rollback = Rollback.FAILED
    keep_versions: int = 2
    splats: OnSplat = OnSplat.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One `[[artifacts]]` table: files (`source`: file, glob, folder or `store:NAME@VERSION`) and where they go.

    Without `type` or `mode` those apply that a stored artifact has itself; local files always have them here.
    """

    source: str
    type: ArtifactType | None
    target: str
    mode: int | None
    owner: str = ""
    sensitive: bool = False
    allow_setuid: bool = False
    layout: Layout = Layout.FILES
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A package (`name`), one of the system's Python (`pip`) or a command that must exist and run (`tool`): one is set.

    `names` gives the package's name per package manager where it differs. `files` are package files on this workstation
    (file or glob, relative to the plan's folder) that it is installed from where they are for the machine.
    """

    name: str = ""
    tool: str = ""
    pip: str = ""
    version: str = ""
    names: Mapping[str, str] = field(default_factory=dict, hash=False)
    files: tuple[str, ...] = ()
    required: bool = True

    @property
    def label(self) -> str:
        """The name people use for it."""
        return f"{self.pip} (pip)" if self.pip else self.tool or self.name


@dataclass(frozen=True, slots=True)
class Instrumentation:
    """Wanted instruments by their catalogue name.

    With `may_switch` what the running kernel lets be switched on is switched on, with `may_reboot` it may be booted
    again. `kernel_params` shall stand on its command line, as `kernel_params.lacking` compares them.
    """

    wants: Mapping[str, Want] = field(default_factory=dict)
    may_reboot: bool = False
    may_switch: bool = True
    kernel_params: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Limits for READY; bytes, seconds and degrees Celsius. None or empty: not checked.

    The boot and the files always are. `kernel_config` as `kernel_config.ConfigNeed` reads it, `network` as
    `network.Reach` does.
    """

    kernel: str = ""
    arch: tuple[str, ...] = ()
    kernel_config: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    memory: int | None = None
    disk: Mapping[str, int] = field(default_factory=dict)
    load: float | None = None
    tools: tuple[str, ...] = ()
    clock_skew: float | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDraft:
    """A plan file as written: patterns not yet expanded, nothing looked up."""

    name: str
    environments: tuple[str, ...]
    artifacts: tuple[Artifact, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    instrumentation: Instrumentation = field(default_factory=Instrumentation)
    validation: Validation = field(default_factory=Validation)
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True)
class PlanSource:
    """A plan as TOML text, and the folder that its sources are relative to."""

    text: str
    folder: Path


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A local file: absolute `path`, `relative` to the plan's folder for people, `size` in bytes."""

    path: str
    relative: str
    size: int


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A local file and its `name` below a folder target: flat, or with the folders it keeps.

    `type` and `mode` go before those of the artifact it belongs to.
    """

    source: SourceFile
    name: str
    type: ArtifactType | None = None
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The local files that one artifact's `source` stands for; `folder`: it names a folder, whose tree is kept."""

    files: tuple[ListedFile, ...] = ()
    folder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """One file of a plan; `target` is absolute or starts with `~/`, `artifact` is the source as the plan names it.

    `link` is the folder above it that becomes a link to a version of the whole set; empty: it stands by itself.
    """

    source: SourceFile
    target: str
    type: ArtifactType
    mode: int
    owner: str = ""
    sensitive: bool = False
    artifact: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A checked plan: environments chosen, files listed in dependency order. Submitting it starts a run.

    `package_files` are the files that dependencies may be installed from.

    With `takes_back` it deploys nothing: it takes back what the run of that number placed. With `validates` it only
    makes the readiness checks of that run again, whose files are known by their `digests`: SHA-256 by source path.
    """

    name: str
    environments: tuple[Environment, ...]
    files: tuple[PlannedFile, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    package_files: Mapping[Dependency, tuple[SourceFile, ...]] = field(default_factory=dict)
    instrumentation: Instrumentation = field(default_factory=Instrumentation)
    validation: Validation = field(default_factory=Validation)
    policy: Policy = field(default_factory=Policy)
    takes_back: int = 0
    validates: int = 0
    digests: Mapping[str, str] = field(default_factory=dict)
