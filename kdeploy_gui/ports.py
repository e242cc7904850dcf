"""What the engine needs from the world: every port on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.check import CheckStep
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.environment import Environment, PowerAction
from kdeploy_gui.model.event import Event
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.files import Batch, FileState, Restored
from kdeploy_gui.model.history import FailureRecord, OutputChunk, RunCount, RunQuery, RunRecord, StageTime
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.model.instrument import Instrument
from kdeploy_gui.model.packages import Found, Installed, Offers, Order, Wanted
from kdeploy_gui.model.plan import PlanSource, SourceFile
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.requirement import Requirement
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


class OutputStore(Protocol):
    """Bulk output in files, found through `output_appended` events."""

    def append(self, run: int, environment: str, data: bytes) -> int:
        """Store bytes and return their offset; bytes over the cap (64 MiB) are dropped with one closing line."""

    def read(self, run: int, environment: str, offset: int = 0, length: int = -1) -> bytes:
        """Stored bytes of a range; empty if there are none."""

    def chunks(self, run: int, environment: str = "", stage: Stage | None = None) -> Iterator[OutputChunk]:
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
