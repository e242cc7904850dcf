"""What the engine needs from the world: every port on one page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.check import CheckStep
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.coverage import (
    CoverageData,
    CoverageOrigin,
    CoverageProgress,
    CoverageReport,
    CoverageRequest,
)
from kdeploy_gui.model.environment import Environment, PowerAction
from kdeploy_gui.model.event import Channel, Event
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.files import Batch, FileState, Restored
from kdeploy_gui.model.fuzzing import FuzzRequest, KernelBuild, Precondition, SmokeTest
from kdeploy_gui.model.guest import BootSource, DirectBoot, GuestDescription, GuestFigures, GuestSeen, GuestStatus
from kdeploy_gui.model.history import FailureRecord, OutputChunk, RunCount, RunQuery, RunRecord, StageTime
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.model.instrument import Finding, Instrument, Switched
from kdeploy_gui.model.packages import Found, Installed, Offers, Order, Wanted
from kdeploy_gui.model.plan import PlanSource, SourceFile
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.requirement import Requirement
from kdeploy_gui.model.scan import Scan, ScanFinding, Scanner
from kdeploy_gui.model.source_check import CheckRequest, Mode, PatchFound, PatchResult, SemanticPatch, Survey
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.model.stored import RunFiles

NOTHING: Mapping[str, str] = MappingProxyType({})


class Target(Protocol):
    """A connected, identified machine. Every verb raises KdeployError and nothing else for what goes wrong there."""

    async def facts(self, query: FactsQuery) -> Facts:
        """Everything about the machine, in one round trip."""

    async def survey(
        self, paths: Sequence[str], *, sweep: bool = False, resume: Mapping[str, str] = NOTHING
    ) -> Mapping[str, FileState]:
        """Content hash, mode and owner of each absolute path, in one round trip.

        With `sweep` what an interrupted deployment left behind is removed first; without it nothing is changed. What it
        brought of large files in `resume` (SHA-256 by path) stays and is told as `FileState.staged`: for the next
        `place`, or the next survey with `sweep` removes it.
        """

    async def place(self, batch: Batch, progress: Callable[[int], None]) -> None:
        """Bring all files of a batch, or none: staged, hashed there, owner and mode set, then renamed into place.

        What was begun when the connection or the machine went down is finished or undone by the next survey with
        `sweep`. `progress` is told the bytes sent so far, those of `Batch.resume` included. Raises ContentChanged when
        other bytes arrived than were planned.
        """

    async def restore(self, run: int) -> Restored:
        """Take back what that run placed, all of it or nothing; it must be the newest one of which a version is kept.

        Raises NothingKept E-ROLLBACK-NONE or E-ROLLBACK-NEWER, and TargetError E-ROLLBACK-CHANGED.
        """

    async def dependencies(
        self, manager: str, wanted: Sequence[Wanted], offers: Offers = Offers.NO
    ) -> Mapping[Wanted, Found]:
        """What the machine has of these packages and commands, in one round trip; changes nothing.

        `manager` is its package manager (`packages.manager_of`). With `offers` the versions that its package sources
        have are told, too; Offers.ALL may write the manager's own caches.
        """

    async def install(
        self, order: Order, output: Callable[[bytes], None], progress: Callable[[int], None]
    ) -> Installed:
        """Send an order's files, verified, have its manager carry it out, and remove the files.

        Once the manager is at work it goes on to its end, whatever becomes of the caller or the connection; what was
        left behind is removed by the next survey with `sweep`. `output` gets what the manager says as it comes,
        `progress` the bytes sent so far. Raises as `place` does while files are sent; how the manager ended is the
        answer, never an error.
        """

    async def execute(self, command: Command, output: Callable[[bytes], None] | None = None) -> Completed:
        """Run a command; `output` also gets stdout and stderr as they come. Ends the remote process on cancel."""

    async def follow_kernel_log(self, output: Callable[[bytes], None]) -> str:
        """Hand on whole lines that the kernel logs from now on, until cancelled.

        Returns early, and says why, where the log cannot be read, or no longer.
        """

    async def close(self) -> None:
        """Let go of the connection; never raises."""


class Connector(Protocol):
    """The way to targets."""

    async def connect(self, environment: Environment) -> Target:
        """Connect and verify the machine's identity before anything is sent."""

    async def approach(self, environment: Environment, tell: Callable[[CheckStep], None]) -> Target:
        """As `connect`, and `tell` each part of the way, from the address to the login, that is behind us.

        The part that failed is told, too, where it is not the next one or where a host key was offered.
        """

    async def host_key(self, environment: Environment, algorithm: str = "") -> HostKey:
        """The key that the machine offers first, or that of one of `host_key.ALGORITHMS`; sends no credentials.

        Raises PlanError E-KEX where it has none of that algorithm.
        """


class ConsoleStream(Protocol):
    """An open serial console: raw bytes both ways."""

    @property
    def ended(self) -> str:
        """Why it ended, in words; empty while it is open."""

    @property
    def way(self) -> str:
        """Over what it is open, in words."""

    async def read(self) -> bytes:
        """The next bytes as they come; empty once it has ended and all is read. For one reader."""

    async def write(self, data: bytes) -> None:
        """Send bytes. Raises NetworkError E-CONSOLE-LOST where the console has ended."""

    async def close(self) -> None:
        """Let go of the console; never raises."""


class Consoles(Protocol):
    """The way to serial consoles."""

    async def open(self, environment: Environment) -> ConsoleStream:
        """Open a machine's console; what was printed before does not come.

        Raises PlanError E-CONSOLE-NONE where nothing leads to one, NetworkError E-CONSOLE-TCP, LocalError
        E-CONSOLE-COMMAND, GuestError.
        """


class Content(Protocol):
    """The bytes of artifacts on this workstation. All verbs block: call them off the event loop."""

    def digest(self, source: SourceFile, stop: Callable[[], bool]) -> str:
        """SHA-256 of a file.

        Raises ArtifactError when it cannot be read, LocalError E-STORE-DAMAGED for a stored object that is not what it
        should be, and Cancelled soon after `stop` says so.
        """

    def requirement(self, source: SourceFile) -> Requirement:
        """What a program or script needs of its machine. Raises ArtifactError when it cannot be read."""

    def read(self, path: str) -> Iterator[bytes]:
        """A file's bytes in chunks. Raises as `digest`; the last bytes of a damaged object are never handed out."""


class KeptFiles(Protocol):
    """The bytes that runs deployed, kept for later."""

    def keep(self, files: RunFiles, stop: Callable[[], bool]) -> None:
        """Store the content of all files of a run that are not sensitive, durably and each once. Blocks.

        Raises ContentChanged where a source no longer has the planned bytes, ArtifactError where it cannot be read,
        LocalError E-STORE-*, and Cancelled soon after `stop` says so.
        """


class EventLog(Protocol):
    """The append-only history of runs. All verbs block; safe from any thread."""

    def begin(self, plan: str, environments: Sequence[str], source: PlanSource | None = None) -> int:
        """Allocate a run number and hold it: the run counts as alive until `release` or the end of this process.

        What it was planned from is kept with it, durably.
        """

    def source(self, run: int) -> PlanSource | None:
        """What a run was planned from; None where that was not kept."""

    def append(self, events: Sequence[Event]) -> None:
        """Store events durably, all or none. Raises LocalError when the disk is full or the history is damaged."""

    def release(self, run: int) -> None:
        """This process has finished the run."""

    def end_abandoned(self) -> None:
        """Append the events that end runs whose process died. Raises LocalError."""

    def events(self, run: int, after: int = 0) -> list[Event]:
        """Stored events of a run with a sequence number above `after`, in order."""

    def runs(self, query: RunQuery) -> list[RunRecord]:
        """Runs, newest first."""

    def count(self, query: RunQuery) -> RunCount:
        """How many runs match, whatever the page, of how many."""

    def failures(self, since: datetime, limit: int = 1000) -> list[FailureRecord]:
        """Environments that failed or were interrupted since a moment, newest first."""

    def stage_times(self, runs: Sequence[int]) -> tuple[StageTime, ...]:
        """How long stages took in these runs, as far as they have ended."""


class RunControl(Protocol):
    """Requests to runs of any process of this user. All verbs block briefly."""

    def request_cancel(self, run: int, environments: Sequence[str] = ()) -> bool:
        """Ask the run's process to cancel (no names: everything). False: nobody runs it."""

    def cancel_requested(self, run: int) -> frozenset[str] | None:
        """Names asked for so far (empty: everything); None: nothing was asked."""


class ReadinessLog(Protocol):
    """READY marks, append-only; the newest of an environment counts."""

    def mark(self, mark: ReadyMark) -> None:
        """Store a mark. Raises LocalError."""

    def latest(self, environment: str) -> ReadyMark | None:
        """The newest mark of an environment."""

    def changes(self, environment: str, most: int) -> tuple[ReadyMark, ...]:
        """The newest marks that differ from the one before in being READY, newest first, without their manifests."""


class ScanLog(Protocol):
    """Scans, append-only; the newest of an environment by a scanner counts."""

    def add(self, scan: Scan) -> None:
        """Store a scan. Raises LocalError."""

    def latest(self, environment: str, scanner: str) -> Scan | None:
        """The newest scan of an environment by a scanner."""


class SourceLog(Protocol):
    """What semantic patches found, append-only; the newest result that was stored as a baseline is the baseline."""

    def add(self, result: PatchResult, *, baseline: bool) -> None:
        """Store a result durably. Raises LocalError."""

    def baseline(self, source: str, mode: Mode, patch: str) -> PatchResult | None:
        """The baseline of one semantic patch in one mode for a source tree. Raises LocalError."""


class OutputStore(Protocol):
    """Bulk output in files, found through `output_appended` events."""

    def append(self, run: int, environment: str, data: bytes, channel: Channel = Channel.OUTPUT) -> int:
        """Store bytes and return their offset; bytes over the cap (64 MiB) are dropped with one closing line."""

    def read(
        self, run: int, environment: str, offset: int = 0, length: int = -1, channel: Channel = Channel.OUTPUT
    ) -> bytes:
        """Stored bytes of a range; empty if there are none."""

    def chunks(
        self, run: int, environment: str = "", stage: Stage | None = None, channel: Channel = Channel.OUTPUT
    ) -> Iterator[OutputChunk]:
        """Stored output by environment and stage, in order."""


class EnvironmentLocks(Protocol):
    """One writer per environment, over all processes of this workstation."""

    def hold(self, environment: str, run: int, waiting: Callable[[str], None]) -> AbstractAsyncContextManager[None]:
        """Wait for the lock and hold it; `waiting` is told once who has it."""


class PowerSupply(Protocol):
    """Commands of this workstation that switch machines on and off."""

    async def run(self, environment: Environment, action: PowerAction) -> Completed:
        """Run the command that the environment has for an action; what it says is in `stdout`, both streams together.

        Raises LocalError: E-POWER-MISSING where there is no such program, E-POWER-FAILED where it ends with another
        status than 0, E-POWER-TIMEOUT after `defaults.POWER_TIMEOUT`. Ends the command when cancelled.
        """

    async def on_for(self, environment: Environment) -> float | None:
        """Seconds since kdeploy, in any process, last switched it on; None: never, or off since."""


class Guests(Protocol):
    """Guests and their hypervisor; an environment is one where `Environment.is_guest`.

    Every verb has a deadline and raises GuestError and nothing else: HypervisorLost E-LIBVIRT, E-LIBVIRT-TIMEOUT where
    libvirt does not answer, E-GUEST-UNKNOWN where it has no such guest, E-GUEST-FROZEN where QEMU does not answer,
    E-GUEST-ACTION where it says no. Changing verbs are done when they return, and do nothing where all is as wanted.
    """

    async def seen(self, uri: str) -> tuple[GuestSeen, ...]:
        """All guests of a hypervisor, by name."""

    def watch(self, uri: str) -> AsyncIterator[tuple[str, GuestStatus]]:
        """The domain and state of every guest of a hypervisor, then of each whose state changes or that reboots.

        Of several changes between two looks only the newest is told. While the hypervisor does not answer nothing
        comes; after that every guest is told anew. Raises E-LIBVIRT-MISSING and E-LIBVIRT-DENIED, else never ends.
        """

    async def define(self, uri: str, description: GuestDescription) -> None:
        """Define a guest; it stays off. Raises E-GUEST-DEFINE, also where there is one of that name."""

    async def status(self, environment: Environment) -> GuestStatus:
        """What it is doing; QEMU itself is asked whether it is alive."""

    async def figures(self, environment: Environment) -> GuestFigures:
        """What it has used. Raises E-GUEST-ACTION, too, while it is off."""

    async def address(self, environment: Environment) -> str:
        """An address for SSH: from the lab file, its lease or its agent. Raises E-GUEST-ADDRESS where none is known."""

    async def start(self, environment: Environment) -> None:
        """Power on, as it is defined; one that is paused goes on. Raises E-GUEST-START."""

    async def shut_down(self, environment: Environment, patience: float) -> bool:
        """Press its power button and wait; False: it is still up after `patience` seconds."""

    async def force_off(self, environment: Environment) -> None:
        """Pull the plug."""

    async def reset(self, environment: Environment) -> None:
        """Press its reset button. Raises E-GUEST-ACTION, too, while it is off."""

    async def boot_source(self, environment: Environment) -> BootSource:
        """What it boots as it is defined, and what it was booted with if it runs."""

    async def boot(self, environment: Environment, kernel: DirectBoot) -> None:
        """Start it, once, with this kernel; its definition stays as it is. It must be off. Raises E-GUEST-START."""

    async def take_snapshot(self, environment: Environment, name: str) -> None:
        """Keep its disks, and its memory if it runs. Raises E-SNAPSHOT where its storage cannot."""

    async def snapshots(self, environment: Environment) -> tuple[str, ...]:
        """Names of its snapshots, oldest first."""

    async def revert(self, environment: Environment, name: str) -> None:
        """Bring it back to a snapshot, and to what it did then. Raises E-SNAPSHOT-GONE where there is none."""

    async def drop_snapshot(self, environment: Environment, name: str) -> None:
        """Remove a snapshot if it is there."""


class Clock(Protocol):
    """Time, so that tests can move it."""

    def now(self) -> datetime:
        """Wall clock in UTC."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class Instruments(Protocol):
    """The instrument catalogue."""

    def all(self) -> Iterable[Instrument]:
        """Every instrument, in the order in which people read them."""

    def canonical(self, name: str) -> str:
        """The catalogue name for a name or alias; empty if there is none."""

    async def detect(self, target: Target, names: Sequence[str]) -> Mapping[str, Finding]:
        """How these instruments are on a machine, by name, in one round trip; changes nothing."""

    async def prove(self, target: Target, found: Finding, machine: str) -> Finding:
        """See an active instrument work, where that leaves no traces; everything is put back, and that is verified.

        Others come back as they are. `machine` is `uname -m`.
        """

    def curable(self, found: Finding) -> bool:
        """Whether `switch` can take away what keeps it from being on."""

    async def switch(
        self, target: Target, found: Sequence[Finding], *, mounts_only: bool = False
    ) -> tuple[Switched, ...]:
        """Throw the switches of the running kernel that these findings need; what was thrown is for `take_back`.

        With `mounts_only` file systems are mounted, and nothing is written.
        """

    async def take_back(self, target: Target, switched: Sequence[Switched]) -> Mapping[str, str]:
        """Take back what `switch` did, in the same boot, and verify it; what could not be taken back, and why, by path.

        What somebody else has changed since stays.
        """


class Scanners(Protocol):
    """Tools that look for weak spots, on the machine or here on what was read there."""

    def all(self) -> tuple[Scanner, ...]:
        """Every scanner, in the order in which people read them."""

    async def scan(self, target: Target, name: str) -> tuple[ScanFinding, ...]:
        """What one finds on a machine; nothing changes there.

        Raises LocalError or TargetError: E-SCAN-MISSING where the tool is not there, E-SCAN-OUTPUT where what it said
        cannot be read, E-SCAN-CONFIG where the kernel's configuration cannot.
        """


class SourceChecker(Protocol):
    """Coccinelle, on this workstation."""

    async def survey(self, request: CheckRequest) -> Survey:
        """What a check would run; runs nothing but `spatch --version`.

        Raises LocalError E-COCCI-MISSING, and PlanError: E-COCCI-SOURCE for what is no source tree, E-COCCI-PATCHES
        where there is no semantic patch, E-COCCI-NAMES for files whose names spatch would hand to a shell.
        """

    async def run(
        self, survey: Survey, patch: SemanticPatch, mode: Mode, request: CheckRequest, handled: Callable[[], None]
    ) -> PatchFound:
        """What a semantic patch finds in that mode; `handled` is called for each file that it looks at.

        Cancelling ends spatch with all that it started. Raises LocalError: E-COCCI-PARSE, E-COCCI-TIMEOUT,
        E-COCCI-FAILED.
        """


class Fuzzer(Protocol):
    """syzkaller, on this workstation."""

    def way(self, environments: Sequence[Environment], request: FuzzRequest) -> str:
        """The type of machine that these are to syz-manager, `qemu` or `isolated`.

        Raises PlanError where it cannot take them: E-SYZ-MIX, E-SYZ-WAY, E-SYZ-IMAGE, E-SYZ-KERNEL.
        """

    def place(self, request: FuzzRequest) -> Path:
        """The folder with syzkaller's `bin`. Raises PlanError E-SYZ-PROGRAM where nothing names one."""

    def is_ours(self, text: str) -> bool:
        """Whether a configuration file is as kdeploy wrote it."""

    def configuration(self, environments: Sequence[Environment], request: FuzzRequest, machine: str) -> str:
        """The file for machines that are `machine` (`uname -m`). Raises as `way` and `place`, and E-SYZ-ARCH."""

    def build(self, request: FuzzRequest) -> KernelBuild | None:
        """The kernel build that the request names; None: it names none. Blocks."""

    async def here(
        self, environments: Sequence[Environment], request: FuzzRequest, machine: str
    ) -> tuple[Precondition, ...]:
        """What has to be on this workstation."""

    async def smoke(self, config: Path, syzkaller: Path, seconds: float, output: Callable[[bytes], None]) -> SmokeTest:
        """Have syz-manager test a set-up for that time at most; `output` gets what it says.

        Its end, also by cancellation, is that of all it started. Raises LocalError E-SYZ-SMOKE.
        """


class CoverageReceiving(Protocol):
    """Counters of gcov on their way here, in a folder that goes where it is not kept."""

    stop: Callable[[], object]
    """Called once where what comes cannot be taken."""

    @property
    def fault(self) -> KdeployError | None:
        """Why what came could not be taken."""

    def take(self, data: bytes) -> None:
        """The next bytes of what `coverage.sh` says; never raises."""

    def keep(self, done: Completed, origin: CoverageOrigin) -> CoverageData:
        """Store what came under its name, whole. Blocks.

        Raises TargetError E-COVERAGE-* for what the machine refused or should not have sent, E-NOT-RESTORED where it
        was not put back, LocalError E-COVERAGE-SPACE and E-WRITE. Nothing is stored then.
        """


class CoverageKeeper(Protocol):
    """Coverage on this workstation, and lcov."""

    def check(self, request: CoverageRequest, release: str, build_id: str) -> None:
        """See that a report could be made for a kernel of that release and build id. Blocks.

        Raises LocalError E-COVERAGE-TOOLS, PlanError E-COVERAGE-TREE, E-COVERAGE-BUILD.
        """

    def receive(
        self, request: CoverageRequest, name: str, tell: Callable[[CoverageProgress], None]
    ) -> AbstractContextManager[CoverageReceiving]:
        """Make a folder for what comes from the machine `name`. Raises LocalError E-COVERAGE-SPACE, E-WRITE."""

    async def report(
        self, data: CoverageData, request: CoverageRequest, tell: Callable[[CoverageProgress], None]
    ) -> CoverageReport:
        """Have lcov make pages of counters; cancelling ends it with all that it started.

        Raises PlanError E-COVERAGE-NOTES, LocalError E-COVERAGE-GCOV, E-COVERAGE-REPORT, E-COVERAGE-SPACE, E-WRITE. The
        counters stay.
        """


class Remedies(Protocol):
    """What to do about an error."""

    def remedy(self, error: KdeployError, environment: str) -> str:
        """One remedy, least destructive first, with the error's details filled in."""


class Asker(Protocol):
    """Somebody who can be asked for what nobody wrote down: before a run, never in it. All verbs block."""

    def passphrase(self, key: str, attempt: int) -> str:
        """The passphrase of a key file, for the 1st, 2nd ... time; empty: no answer."""

    def sudo_password(self, environment: Environment, attempt: int) -> str:
        """The password that sudo on a machine asks for, for the 1st, 2nd ... time; empty: no answer."""


class Secrets(Protocol):
    """The OS keyring."""

    def get(self, name: str) -> str:
        """The secret of that name. Blocks up to `defaults.KEYRING_TIMEOUT`. Raises LocalError or AuthError."""
