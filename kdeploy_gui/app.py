"""The composition root: builds the engine with its adapters and hands front ends one object."""

from __future__ import annotations

import hashlib
import os
import queue
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import platformdirs

from kdeploy_gui import doctor
from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.artifacts.sources import list_sources
from kdeploy_gui.clock import SystemClock
from kdeploy_gui.credentials import Credentials
from kdeploy_gui.documents import lab_edit
from kdeploy_gui.documents.lab_file import LabFile, read_lab
from kdeploy_gui.documents.plan_file import read_plan
from kdeploy_gui.engine import planner, readiness
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.engine.pipeline import failure_of as engine_failure_of
from kdeploy_gui.engine.thread import EngineThread
from kdeploy_gui.environments import libvirt_guest
from kdeploy_gui.environments.demo_lab import DemoLab
from kdeploy_gui.environments.locks import FileEnvironmentLocks
from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.errors import KdeployError, LocalError, PlanError, TrustError
from kdeploy_gui.history import SQLITE_VERSION, History, open_history
from kdeploy_gui.instruments.catalogue import Catalogue
from kdeploy_gui.model.check import EnvironmentCheck, Finding
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import Event, RunFinished
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.plan import Plan, Policy, Rollback
from kdeploy_gui.model.problem import Problem, did_you_mean
from kdeploy_gui.ports import EventLog, OutputStore, ReadinessLog, Remedies
from kdeploy_gui.remedies import bundled
from kdeploy_gui.resources import ROOT

PATIENCE = 0.2
"""Seconds after which `follow` hands control back although nothing happened."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where kdeploy keeps its own things: `lab.toml` in `config`, history and logs in `data`."""

    config: Path
    data: Path

    @property
    def lab_file(self) -> Path:
        """The lab file used unless another one is named."""
        return self.config / "lab.toml"


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """What a front end may change about a plan: fewer environments (names or globs), and its policy."""

    environments: tuple[str, ...] = ()
    priority: int | None = None
    max_parallel: int | None = None
    rollback: bool = True


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, or why there is none. `notices` stop nothing."""

    plan: Plan | None = None
    problems: tuple[Problem, ...] = ()
    notices: tuple[Problem, ...] = ()


def home_from_environment() -> Home:
    """The home that `KDEPLOY_HOME` names, else the user's own folders. Raises LocalError where it cannot be made."""
    named = os.environ.get("KDEPLOY_HOME")
    if named:
        home = Home(Path(named).absolute(), Path(named).absolute())
    else:
        folders = platformdirs.PlatformDirs("kdeploy", appauthor=False)
        home = Home(Path(folders.user_config_dir), Path(folders.user_data_dir))
    for folder in {home.config, home.data}:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LocalError(
                "E-HOME", f"the folder {folder} cannot be made: {error.strerror}", path=str(folder)
            ) from error
    return home


def failure_of(error: KdeployError, environment: str = "", lab_file: Path | None = None) -> Failure:
    """An error outside a run as people are told about it; commands it suggests are for `lab_file` if it is named."""
    return engine_failure_of(error, bundled().for_lab(lab_file) if lab_file else bundled(), environment, "")


def html_report(events: Sequence[Event]) -> str:
    """The report of a run, ended or not, as one HTML page."""
    from kdeploy_gui.report import render  # the template engine is slow to load and seldom needed

    return render(events)


class Services:
    """Everything a front end can ask for; verbs may be called from any thread but the engine's."""

    def __init__(self, home: Home, lab_file: Path, history: History, engine: EngineThread) -> None:
        self.home = home
        self.lab_file = lab_file
        self.history: EventLog = history.log
        self.readiness: ReadinessLog = history.readiness
        self.output: OutputStore = history.output
        self.remedies: Remedies = bundled() if lab_file == home.lab_file else bundled().for_lab(lab_file)
        self._history = history
        self._engine = engine
        self._catalogue = Catalogue()
        content = LocalContent()
        self._connector = SshConnector(content, Credentials(), self._lookup, _owner(home))
        self._ports = Ports(
            connector=self._connector,
            content=content,
            log=history.log,
            control=history.control,
            readiness=history.readiness,
            output=history.output,
            locks=FileEnvironmentLocks(home.data / "locks"),
            clock=SystemClock(),
            instruments=self._catalogue,
            remedies=self.remedies,
        )
        self._orchestrator = Orchestrator(self._ports)

    def read_lab(self) -> LabFile:
        """The lab file as it is now, with its problems."""
        return read_lab(self.lab_file)

    def add_environment(self, environment: Environment) -> tuple[Problem, ...]:
        """Write an environment into the lab file; returns why not, or nothing. Raises LocalError."""
        return lab_edit.add_environment(self.lab_file, environment)

    def remove_environment(self, name: str) -> None:
        """Take an environment out of the lab file. Raises PlanError, LocalError."""
        _refuse(lab_edit.remove_environment(self.lab_file, name))

    def offered_host_key(self, name: str) -> str:
        """The fingerprint that a machine offers now."""
        return self._engine.ask(self._connector.host_key(self._environment(name)))

    def trust(self, name: str, fingerprint: str) -> None:
        """Pin the key that the machine offers, if it is exactly this one. Raises TrustError if it is another."""
        offered = self.offered_host_key(name)
        if offered != fingerprint:
            raise TrustError(
                "E-HOSTKEY-OTHER",
                f"{name} offers {offered}, not {fingerprint}",
                on_target="Nothing was sent.",
                offered=offered,
            )
        _refuse(lab_edit.set_host_keys(self.lab_file, name, [fingerprint]))

    def check_plan(self, plan_file: Path, options: DeployOptions | None = None) -> Planned:
        """Read a plan, look at its sources and at the lab, and report all problems at once. Changes nothing."""
        lab = self.read_lab()
        document = read_plan(plan_file, self._catalogue)
        if document.draft is None:
            return Planned(None, (*lab.problems, *document.problems), document.notices)
        listed = list_sources(document.draft.artifacts, document.folder)
        planned = planner.plan(document.draft, lab.lab, listed.listings)
        found = [each for each in planned.problems if not (lab.problems and each.field.startswith("environments"))]
        problems = (*lab.problems, *document.with_found((*listed.problems, *found)))
        if planned.plan is None or problems:
            return Planned(None, problems, document.notices)
        chosen = _chosen(planned.plan, options or DeployOptions())
        if isinstance(chosen, Problem):
            return Planned(None, (chosen,), document.notices)
        return Planned(chosen, (), document.notices)

    def submit(self, plan: Plan) -> int:
        """Start a run in this process and return its number. Raises LocalError."""
        return self._engine.ask(self._orchestrator.submit(plan))

    def cancel(self, run: int, environments: Sequence[str] = ()) -> bool:
        """Cancel a run of any process of this user, or some of its environments. False: nobody runs it."""
        if self._engine.ask(self._orchestrator.cancel(run, environments)):
            return True
        return self._history.control.request_cancel(run, environments)

    def follow(self, run: int, after: int = 0) -> Iterator[tuple[Event, ...]]:
        """A run's events in groups: stored ones first, then as they come, to its end. Empty groups now and then."""
        groups: queue.SimpleQueue[tuple[Event, ...]] = queue.SimpleQueue()
        pump = self._engine.start(self._pump(run, after, groups))
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

    def check_environment(self, name: str, *, files: bool = True, manifest: Plan | None = None) -> EnvironmentCheck:
        """Connect and say whether the machine is READY now. Changes nothing there; drops a mark that does not hold."""
        environment = self._environment(name)
        return self._engine.ask(readiness.check(self._ports, environment, files=files, plan=manifest))

    def close(self) -> None:
        """Cancel what goes on in this process, wait for its clean end and let go of everything."""
        self._engine.ask(self._orchestrator.close())
        self._engine.close()
        self._history.close()

    async def _pump(self, run: int, after: int, groups: queue.SimpleQueue[tuple[Event, ...]]) -> None:
        if self._orchestrator.runs_here(run):
            async for group in self._orchestrator.feed.follow(run, after):
                groups.put(group)
        else:
            async for group in self._orchestrator.watch(run, after):
                groups.put(group)

    def _environment(self, name: str) -> Environment:
        document = self.read_lab()
        environment = document.lab.get(name)
        if environment is None:
            _refuse(document.problems)
            known = [each.name for each in document.lab.environments]
            hint = did_you_mean(name, known)
            raise PlanError("E-LAB-UNKNOWN", f"no environment is called '{name}'{hint}", path=str(self.lab_file))
        return environment

    def _lookup(self, name: str) -> Environment | None:
        return self.read_lab().lab.get(name)


def _owner(home: Home) -> str:
    """Who shares this home's environment locks, in a form that tells targets nothing else."""
    return hashlib.sha256(f"{socket.gethostname()}:{os.getuid()}:{home.data}".encode()).hexdigest()[:16]


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise PlanError("E-LAB", "\n".join(map(str, problems)), path=problems[0].file)


def _chosen(plan: Plan, options: DeployOptions) -> Plan | Problem:
    environments = plan.environments
    for pattern in options.environments:
        names = [each.name for each in environments]
        if not any(fnmatchcase(name, pattern) for name in names):
            return Problem(f"no environment of this plan is called '{pattern}'{did_you_mean(pattern, names)}")
    if options.environments:
        environments = tuple(
            each for each in environments if any(fnmatchcase(each.name, pattern) for pattern in options.environments)
        )
    return replace(plan, environments=environments, policy=_policy(plan.policy, options))


def _policy(policy: Policy, options: DeployOptions) -> Policy:
    return replace(
        policy,
        priority=policy.priority if options.priority is None else options.priority,
        max_parallel=policy.max_parallel if options.max_parallel is None else options.max_parallel,
        rollback=policy.rollback if options.rollback else Rollback.NONE,
    )


@contextmanager
def open_services(home: Home, lab_file: Path | None = None) -> Iterator[Services]:
    """Services on a home. Raises LocalError where the home or its history cannot be used."""
    history = open_history(home.data, remedy=bundled().remedy)
    services = Services(home, lab_file or home.lab_file, history, EngineThread())
    try:
        yield services
    finally:
        services.close()


@contextmanager
def open_demo(boards: int, root: Path | None = None, keep: bool = False) -> Iterator[tuple[Services, Plan]]:
    """The embedded lab, running, with services on a home of its own and the plan of the sample suite.

    Everything lies below `root` (a new temporary folder without it) and is removed at the end unless `keep`.
    """
    folder = root or Path(tempfile.mkdtemp(prefix="kdeploy-demo-"))
    try:
        with DemoLab(boards, folder / "lab") as lab:
            home = Home(folder / "home", folder / "home")
            home.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            lab.write_lab_file(home.lab_file)
            with open_services(home) as services:
                planned = services.check_plan(ROOT / "demo" / "plan.toml")
                if planned.plan is None:
                    _refuse(planned.problems)
                    raise PlanError("E-PLAN", "the sample plan selects nothing")
                yield services, planned.plan
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def examine_workstation(lab_file: Path | None = None) -> tuple[Finding, ...]:
    """The doctor: everything on this workstation that kdeploy depends on. Changes nothing but its own empty home."""
    home = home_from_environment()
    checks = [
        *doctor.own_checks(home.data, tuple({home.config, home.data}), SQLITE_VERSION),
        ("keyring", Credentials(timeout=doctor.DEADLINE / 2).probe),
        ("libvirt", libvirt_guest.probe),
        ("history", lambda: _history_finding(home)),
        ("lab file", lambda: _lab_finding(lab_file or home.lab_file)),
    ]
    return doctor.examine(checks)


def _history_finding(home: Home) -> Finding:
    try:
        open_history(home.data, remedy=bundled().remedy).close()
    except LocalError as error:
        return Finding("history", False, error.message, bundled().remedy(error, ""))
    return Finding("history", True, f"{home.data} is sound")


def _lab_finding(path: Path) -> Finding:
    document = read_lab(path)
    if not document.exists:
        return Finding("lab file", None, f"{path} does not exist yet", "kdeploy env add NAME --host ADDRESS")
    if document.problems:
        return Finding("lab file", False, "; ".join(map(str, document.problems)), "mend the lines named here")
    return Finding("lab file", True, f"{path}: {len(document.lab.environments)} environments")
