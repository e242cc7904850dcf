"""The composition root: builds the engine with its adapters and hands front ends one object."""

from __future__ import annotations

import hashlib
import os
import queue
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from kdeploy_gui import defaults
from kdeploy_gui.app.artifacts import Artifacts
from kdeploy_gui.app.consoles import ConsoleDesk
from kdeploy_gui.app.coverage import Coverages
from kdeploy_gui.app.desktop import Desktop
from kdeploy_gui.app.drafts import Drafts
from kdeploy_gui.app.fuzzing import Fuzzing
from kdeploy_gui.app.home import Home
from kdeploy_gui.app.hooks import HookedReadiness
from kdeploy_gui.app.inventory import Inventory
from kdeploy_gui.app.plans import DeployOptions, Plans
from kdeploy_gui.app.retrying import Replanned, planned_as_run, replanned, takes_back
from kdeploy_gui.app.scans import Scans
from kdeploy_gui.app.source_checks import SourceChecks
from kdeploy_gui.app.validating import Validations
from kdeploy_gui.artifacts.store import ArtifactStore
from kdeploy_gui.artifacts.stored_content import StoredContent
from kdeploy_gui.clock import SystemClock
from kdeploy_gui.credentials import Credentials
from kdeploy_gui.documents.lab_file import read_lab
from kdeploy_gui.documents.whole_file import save_text
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.coverage import CoverageCollecting
from kdeploy_gui.engine.fuzzing import FuzzPreparing
from kdeploy_gui.engine.monitor import Monitor
from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.engine.pipeline import failure_of as engine_failure_of
from kdeploy_gui.engine.preview import preview, preview_all
from kdeploy_gui.engine.scan import Scanning
from kdeploy_gui.engine.source_check import SourceChecking
from kdeploy_gui.engine.thread import EngineThread
from kdeploy_gui.environments.console_command import CommandConsoles
from kdeploy_gui.environments.console_share import SharedConsoles
from kdeploy_gui.environments.console_tcp import TcpConsoles
from kdeploy_gui.environments.consoles import NamedConsoles
from kdeploy_gui.environments.guest_connector import GuestConnector
from kdeploy_gui.environments.libvirt_connection import LibvirtConnections
from kdeploy_gui.environments.libvirt_console import LibvirtConsoles
from kdeploy_gui.environments.libvirt_guests import LibvirtGuests
from kdeploy_gui.environments.locks import FileEnvironmentLocks
from kdeploy_gui.environments.power import WorkstationPower
from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.errors import AuthError, KdeployError
from kdeploy_gui.history import History, open_history
from kdeploy_gui.instruments.catalogue import Catalogue
from kdeploy_gui.instruments.gcov_reports import GcovReports
from kdeploy_gui.instruments.scanning import MachineScanners
from kdeploy_gui.instruments.spatch import Spatch
from kdeploy_gui.instruments.syzkaller import Syzkaller
from kdeploy_gui.model.check import EnvironmentCheck
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event, RunFinished
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.plan import Plan, PlanSource
from kdeploy_gui.model.preview import EnvironmentPreview
from kdeploy_gui.ports import Asker, EventLog, Instruments, OutputStore, ReadinessLog, Remedies
from kdeploy_gui.remedies import bundled

PATIENCE = 0.2
"""Seconds after which `follow` hands control back although nothing happened."""


def failure_of(error: KdeployError, environment: str = "", lab_file: Path | None = None) -> Failure:
    """An error outside a run as people are told about it; commands it suggests are for `lab_file` if it is named."""
    return engine_failure_of(error, bundled().for_lab(lab_file) if lab_file else bundled(), environment, "")


def html_report(events: Sequence[Event]) -> str:
    """The report of a run, ended or not, as one HTML page."""
    from kdeploy_gui.report import render  # the template engine is slow to load and seldom needed

    return render(events)


class Services:
    """Everything a front end can ask for; verbs may be called from any thread but the engine's.

    `sample_plan` is the plan file that comes with an embedded lab, None elsewhere.
    """

    def __init__(
        self, home: Home, lab_file: Path, history: History, engine: EngineThread, sample_plan: Path | None = None
    ) -> None:
        self.home = home
        self.sample_plan = sample_plan
        self.history: EventLog = history.log
        self.readiness: ReadinessLog = HookedReadiness(
            history.readiness, lambda: read_lab(lab_file).lab.hook, lab_file.parent
        )
        self.output: OutputStore = history.output
        self.instruments: Instruments = Catalogue()
        self.remedies: Remedies = bundled() if lab_file == home.lab_file else bundled().for_lab(lab_file)
        self._history = history
        self._engine = engine
        store = ArtifactStore(home.data / "artifacts")
        content = StoredContent(store)
        self._connector = SshConnector(
            content,
            Credentials(),
            lambda name: read_lab(lab_file).lab.get(name),
            _owner(home),
            keep=defaults.CONNECTION_KEPT,
        )
        self._hypervisors = LibvirtConnections()
        guests = LibvirtGuests(self._hypervisors)
        self._ports = Ports(
            connector=GuestConnector(self._connector, guests),
            content=content,
            kept=store,
            log=history.log,
            control=history.control,
            readiness=self.readiness,
            output=history.output,
            locks=FileEnvironmentLocks(home.data / "locks"),
            power=WorkstationPower(lab_file.parent, home.data / "power"),
            consoles=_consoles(home, lab_file),
            guests=guests,
            clock=SystemClock(),
            instruments=self.instruments,
            remedies=self.remedies,
        )
        self._orchestrator = Orchestrator(self._ports)
        self.inventory = Inventory(lab_file, self._ports, engine)
        self.plans = Plans(self.instruments, self.inventory.read, store)
        self.artifacts = Artifacts(store, history.log, self.plans)
        self.validations = Validations(self.plans, history.log, store)
        self.consoles = ConsoleDesk(self._orchestrator.consoles, engine, home.data / "consoles")
        self.scans = Scans(Scanning(self._ports, MachineScanners(), history.scans), self.inventory, engine)
        self.sources = SourceChecks(SourceChecking(SystemClock(), self.remedies, Spatch(), history.sources), engine)
        self.fuzzing = Fuzzing(FuzzPreparing(self._ports, Syzkaller()), self.inventory, engine)
        self.coverage = Coverages(CoverageCollecting(self._ports, GcovReports()), self.inventory, engine)
        self.drafts = Drafts(home.data / "drafts")
        self.desktop = Desktop(engine)

    @property
    def lab_file(self) -> Path:
        """The lab file in use."""
        return self.inventory.lab_file

    def submit(self, plan: Plan, source: PlanSource | None = None) -> int:
        """Start a run in this process and return its number; `source` is kept for a retry. Raises LocalError."""
        return self._engine.ask(self._orchestrator.submit(plan, source))

    def unlock(self, environments: Sequence[Environment], asker: Asker) -> None:
        """Have somebody give the passphrases and passwords of sudo that runs on these machines need and nobody stored.

        Each is asked for at most `defaults.ASK_ATTEMPTS` times; what stays unanswered fails the run's connection.
        Raises PlanError for a way that leads nowhere.
        """
        for key in self._engine.ask(self._connector.locked_keys(environments)):
            _until_accepted(partial(asker.passphrase, key), partial(self._open_key, key))
        for each in self._engine.ask(self._connector.sudo_asks(environments)):
            _until_accepted(partial(asker.sudo_password, each), partial(self._accept_sudo, each))

    def _accept_sudo(self, environment: Environment, password: str) -> bool:
        return self._engine.ask(self._connector.give_sudo(environment, password))

    def _open_key(self, key: str, passphrase: str) -> bool:
        try:
            self._engine.ask(self._connector.unlock(key, passphrase))
        except AuthError:
            return False
        return True

    def monitor(self, tell: Callable[[EnvironmentCheck], None], names: Sequence[str] = ()) -> Future[None]:
        """Look at READY environments now and then, those of `names` or all; `tell` each, on the engine's thread.

        Cancelling the future ends it.
        """

        def environments() -> Sequence[Environment]:
            return [each for each in self.inventory.read().lab.environments if not names or each.name in names]

        return self._engine.start(Monitor(self._ports, environments, tell).run())

    def save_report(self, run: int, path: Path) -> None:
        """Write the report of a run, ended or not, as one HTML page. Raises LocalError (E-WRITE)."""
        save_text(path, html_report(self.history.events(run)))

    def plan_source(self, run: int) -> PlanSource | None:
        """What a run was planned from; None for runs of older programs. Raises LocalError."""
        return self.history.source(run)

    def retry(self, run: int, environments: Sequence[str] = (), *, same_files: bool = False) -> int:
        """Plan a run again for the environments that did not complete, or for these, and start it as a new run.

        With `same_files` it deploys the bytes that the run deployed, else today's files. Raises LocalError
        E-RUN-UNKNOWN, E-RETRY-NO-PLAN, E-RETRY-NOTHING, PlanError E-RETRY-PLAN with all problems, and with `same_files`
        what `Artifacts.files_of` raises.
        """
        files = self.artifacts.files_of(run) if same_files else None
        planned = replanned(self.plans, self.history, run, environments, files)
        return self.submit(planned.plan, planned.source)

    def rollback(self, run: int, environments: Sequence[str] = ()) -> int:
        """Take back what a run placed, everywhere or in these environments, as a new run.

        Raises LocalError E-RUN-UNKNOWN, E-ROLLBACK-RUNS, E-RETRY-NOTHING, and PlanError E-LAB-UNKNOWN.
        """
        return self.submit(takes_back(self.inventory.read().lab, self.history, run, environments))

    def validate(self, run: int, environments: Sequence[str]) -> int:
        """Make the readiness checks of a run again in these environments, as a new run that sends nothing.

        Raises what `Validations.planned` raises.
        """
        planned = self.validations.planned(run, environments)
        return self.submit(planned.plan, planned.source)

    def plan_as_run(self, run: int, options: DeployOptions | None = None) -> Replanned:
        """A plan that deploys exactly the bytes that a run deployed, whatever has become of their sources.

        Raises what `retry` with `same_files` raises.
        """
        files = self.artifacts.files_of(run)
        return planned_as_run(self.plans, self.history, run, options or DeployOptions(), files)

    def preview(self, plan: Plan, environment: Environment) -> Future[EnvironmentPreview]:
        """What a run would do to one environment; changes nothing. Cancelling the future ends it."""
        return self._engine.start(preview(self._ports, plan, environment))

    def previews(self, plan: Plan, tell: Callable[[EnvironmentPreview], None]) -> Future[None]:
        """`preview` of all environments of a plan, some at a time; `tell` each, on the engine's thread."""
        return self._engine.start(preview_all(self._ports, plan, tell))

    def cancel(self, run: int, environments: Sequence[str] = ()) -> bool:
        """Cancel a run of any process of this user, or some of its environments. False: nobody runs it."""
        if self._engine.ask(self._orchestrator.cancel(run, environments)):
            return True
        return self._history.control.request_cancel(run, environments)

    def runs_here(self, run: int) -> bool:
        """Whether this process runs it."""
        return self._orchestrator.runs_here(run)

    def stream(self, run: int, deliver: Callable[[tuple[Event, ...]], None], after: int = 0) -> Future[None]:
        """Hand a run's events to `deliver` in groups, on the engine's thread: stored ones first, then as they come.

        Ends with the run; cancelling the future ends it before.
        """
        return self._engine.start(self._pump(run, after, deliver))

    def follow(self, run: int, after: int = 0) -> Iterator[tuple[Event, ...]]:
        """A run's events in groups: stored ones first, then as they come, to its end. Empty groups now and then."""
        groups: queue.SimpleQueue[tuple[Event, ...]] = queue.SimpleQueue()
        pump = self.stream(run, groups.put, after)
        try:
            while True:
                try:
                    group = groups.get(timeout=PATIENCE)
                except queue.Empty:
                    group = ()
                    if pump.done():
                        pump.result()
                yield group
                if any(isinstance(event.body, RunFinished) for event in group):
                    return
        finally:
            pump.cancel()

    def failure_of(self, error: Exception, environment: str = "") -> Failure:
        """An error outside a run as people are told about it; one that nobody expected is a bug and says so."""
        return engine_failure_of(error, self.remedies, environment, "")

    def close(self) -> None:
        """Cancel what goes on in this process, wait for its clean end and let go of everything."""
        self._engine.ask(self._orchestrator.close())
        self._engine.ask(self._connector.close())
        self._engine.close()
        self._hypervisors.close()
        self._history.close()

    async def _pump(self, run: int, after: int, deliver: Callable[[tuple[Event, ...]], None]) -> None:
        here = self._orchestrator.runs_here(run)
        groups = self._orchestrator.feed.follow(run, after) if here else self._orchestrator.watch(run, after)
        async for group in groups:
            deliver(group)
            if any(isinstance(event.body, RunFinished) for event in group):
                return


def _until_accepted(ask: Callable[[int], str], accept: Callable[[str], bool]) -> None:
    """Ask for a secret until it is accepted, nobody answers, or it was asked for often enough."""
    for attempt in range(1, defaults.ASK_ATTEMPTS + 1):
        answer = ask(attempt)
        if not answer or accept(answer):
            return


def _consoles(home: Home, lab_file: Path) -> SharedConsoles:
    """The way to all consoles, each opened by one process of this workstation."""
    ways = NamedConsoles(CommandConsoles(lab_file.parent), TcpConsoles(), LibvirtConsoles())
    return SharedConsoles(ways, home.data / "consoles")


def _owner(home: Home) -> str:
    """Who shares this home's environment locks, in a form that tells targets nothing else."""
    return hashlib.sha256(f"{socket.gethostname()}:{os.getuid()}:{home.data}".encode()).hexdigest()[:16]


@contextmanager
def open_services(home: Home, lab_file: Path | None = None, sample_plan: Path | None = None) -> Iterator[Services]:
    """Services on a home. Raises LocalError where the home or its history cannot be used."""
    history = open_history(home.data, remedy=bundled().remedy)
    services = Services(home, lab_file or home.lab_file, history, EngineThread(), sample_plan)
    try:
        yield services
    finally:
        services.close()
