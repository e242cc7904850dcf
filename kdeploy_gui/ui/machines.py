"""The environments of the lab file with their live state: what runs on them, and what the last look at them found."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from PySide6.QtCore import QObject, QTimer, Signal

from kdeploy_gui import defaults
from kdeploy_gui.app import Services
from kdeploy_gui.errors import Category
from kdeploy_gui.model.check import EnvironmentCheck
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.figures import duration
from kdeploy_gui.model.guest import GuestState, GuestStatus
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.run import EnvironmentState
from kdeploy_gui.model.stage import Status
from kdeploy_gui.ui.bridge import Bridge
from kdeploy_gui.ui.guests import GuestStates
from kdeploy_gui.ui.runs import Runs
from kdeploy_gui.ui.states import Condition, condition_of

AT_ONCE = 16
"""Machines looked at at the same time."""
WATCH_MS = 1000
AGAIN_AFTER = 300.0
"""Seconds after which a machine nobody works on is looked at again; one that is READY by its own interval."""
JITTER = 0.2
"""Part of these by which looks are spread, so that machines of a lab are not all asked at once."""
BOOT_AGAIN, BOOT_PATIENCE = 5.0, 600.0
"""Seconds between two looks at a guest that was started, and until it is one that does not answer."""

_OF_GUEST: Mapping[GuestState, Condition] = {
    GuestState.OFF: Condition.SHUT_OFF,
    GuestState.CRASHED: Condition.FAILED,
    GuestState.PAUSED: Condition.NOT_READY,
}
"""States in which nothing else counts."""
_BY_CATEGORY: Mapping[Category, Condition] = {
    Category.TRUST: Condition.NOT_TRUSTED,
    Category.NET: Condition.UNREACHABLE,
}


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a machine."""

    check: EnvironmentCheck
    time: datetime
    spread: float = field(default_factory=lambda: random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class Checking:
    """A look that goes on, and the settings it is made with."""

    environment: Environment
    folder: str
    task: asyncio.Task[None]


class Machines(QObject):
    """Environments, their groups and states. `selected` is what the user has chosen in the tree."""

    changed = Signal()
    """The lab file was read: environments or problems differ."""
    checked = Signal(str)
    """The state of one environment differs."""
    selection_changed = Signal()

    def __init__(self, services: Services, bridge: Bridge, runs: Runs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._bridge = bridge
        self._runs = runs
        self.environments: tuple[Environment, ...] = ()
        self.problems: tuple[Problem, ...] = ()
        self.selected: tuple[str, ...] = ()
        self.loaded = False
        self._looks: dict[str, Look] = {}
        self._marks: dict[str, ReadyMark | None] = {}
        self._checking: dict[str, Checking] = {}
        self._failed: dict[str, str] = {}
        self._folder = ""
        self._running: dict[str, int] = {}
        self._told: dict[str, tuple[int, Condition, int]] = {}
        """What was last told of an environment that a run works on: run, state, stages done."""
        self._booting: dict[str, datetime] = {}
        self.guests = GuestStates(services, bridge, self)
        self.guests.changed.connect(self._guest_changed)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._signature: tuple[int, ...] | None = None
        self._watch = QTimer(self, interval=WATCH_MS)
        self._watch.timeout.connect(self._look_at_file)
        runs.changed.connect(self._run_changed)

    def start(self) -> None:
        """Read the lab file, now and whenever it changes, and look at the machines in it."""
        self._watch.start()
        self._look_at_file()

    def close(self) -> None:
        """Look at nothing any more."""
        self._watch.stop()
        self.guests.close()
        for each in self._checking.values():
            each.task.cancel()

    def reload(self) -> None:
        """Read the lab file again now: after it was written here."""
        self._bridge.spawn(self._read(), name="read the lab file")

    def get(self, name: str) -> Environment | None:
        """The environment of that name."""
        return next((each for each in self.environments if each.name == name), None)

    def select(self, names: Iterable[str]) -> None:
        """Choose environments: commands act on them."""
        chosen = tuple(names)
        if chosen != self.selected:
            self.selected = chosen
            self.selection_changed.emit()

    def check(self, names: Iterable[str] = ()) -> None:
        """Look at these machines (no names: at all) without changing anything there.

        A look that goes on with settings of before is given up for a new one.
        """
        for name in tuple(names) or tuple(each.name for each in self.environments):
            environment, going = self.get(name), self._checking.get(name)
            same = going is not None and (going.environment, going.folder) == (environment, self._folder)
            if environment is None or same:
                continue
            if going is not None:
                going.task.cancel()
            task = self._bridge.spawn(self._check(environment, self._folder), name=f"check {name}")
            if task is not None:
                self._checking[name] = Checking(environment, self._folder, task)
                self.checked.emit(name)

    def measure(self, folder: str) -> None:
        """Look at this folder, too, wherever one looks from now on; `~/` is the home on each machine."""
        if folder != self._folder:
            self._folder = folder
            self.check(name for name, look in self._looks.items() if look.check.facts is not None)

    @property
    def is_checking_any(self) -> bool:
        """Whether a look at any machine goes on."""
        return bool(self._checking)

    def is_checking(self, name: str) -> bool:
        """Whether a look at it goes on."""
        return name in self._checking

    def result(self, name: str) -> EnvironmentCheck | None:
        """What the last look found; None: nobody has looked since the program started."""
        look = self._looks.get(name)
        return look.check if look else None

    def checked_at(self, name: str) -> datetime | None:
        """When the last look ended."""
        look = self._looks.get(name)
        return look.time if look else None

    def mark(self, name: str) -> ReadyMark | None:
        """The newest READY mark as it was stored."""
        return self._marks.get(name)

    def run_of(self, name: str) -> int:
        """The run that works on it now; 0: none."""
        return self._running.get(name, 0)

    def condition(self, name: str) -> tuple[Condition, str]:
        """Its state and why: the run that goes on, else the last look, else what was known before."""
        state = self._state_in_run(name)
        if state is not None:
            return condition_of(state), state.note
        guest = self.guests.state(name)
        if guest is not None and guest.state in _OF_GUEST:
            return _OF_GUEST[guest.state], f"The guest is {guest.text}"
        if name in self._checking:
            return Condition.CHECKING, "Connecting, changes nothing there"
        look = self._looks.get(name)
        if look is None:
            return Condition.UNKNOWN, self._before(name)
        failure = look.check.failure
        if failure is not None:
            return _BY_CATEGORY.get(failure.category, Condition.FAILED), failure.message
        if look.check.ready:
            return Condition.READY, "; ".join(look.check.because)
        if name in self._failed:
            return Condition.FAILED, self._failed[name]
        return Condition.NOT_READY, "; ".join(look.check.because)

    def _state_in_run(self, name: str) -> EnvironmentState | None:
        run = self._runs.state(self._running.get(name, 0))
        state = run.environments.get(name) if run is not None else None
        return state if state is not None and not state.status.is_final else None

    def _before(self, name: str) -> str:
        mark = self._marks.get(name)
        if mark is None:
            return "Not checked yet"
        word = "READY" if mark.ready else "Not READY"
        return f"{word} {duration((datetime.now(UTC) - mark.time).total_seconds())} ago, not checked since"

    def _run_changed(self, run: int, names: frozenset[str]) -> None:
        state = self._runs.state(run)
        if state is None:
            return
        for name in names & state.environments.keys():
            one = state.environments[name]
            if not one.status.is_final:
                self._running[name] = run
            elif self._running.get(name) == run:
                del self._running[name]
                self._run_ended(name, one)
            now = (run, condition_of(one), one.stages_done)
            if self._told.get(name) != now:
                self._told[name] = now
                self.checked.emit(name)

    def _run_ended(self, name: str, state: EnvironmentState) -> None:
        if state.status is Status.FAILED and state.error is not None:
            self._failed[name] = state.error.message
        else:
            self._failed.pop(name, None)
        self.check([name])

    def _guest_changed(self, name: str, state: GuestStatus | None) -> None:
        if state is not None and state.state is GuestState.RUNNING and name in self._looks:
            self._booting[name] = datetime.now(UTC)
            self.check([name])
        else:
            self._booting.pop(name, None)
        self.checked.emit(name)

    def _look_at_booting(self) -> None:
        now = datetime.now(UTC)
        for name, since in tuple(self._booting.items()):
            look = self._looks.get(name)
            answers = look is not None and look.time >= since and look.check.facts is not None
            if answers or (now - since).total_seconds() > BOOT_PATIENCE:
                del self._booting[name]
            elif look is not None and (now - look.time).total_seconds() > BOOT_AGAIN:
                self.check([name])

    def _look_at_file(self) -> None:
        try:
            found = os.stat(self._services.lab_file)
            signature: tuple[int, ...] = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            signature = ()
        if signature != self._signature:
            self._signature = signature
            self.reload()
        self._look_again()
        self._look_at_booting()

    def _look_again(self) -> None:
        stale = [name for name in self._looks if self._is_stale(name) and name not in self._running]
        if stale:
            self.check(stale)

    def _is_stale(self, name: str) -> bool:
        look, environment = self._looks[name], self.get(name)
        after = AGAIN_AFTER
        if look.check.ready and environment is not None:
            after = environment.monitor or defaults.MONITOR_INTERVAL
        return (datetime.now(UTC) - look.time).total_seconds() > after * look.spread

    async def _read(self) -> None:
        document = await self._bridge.ask(self._services.inventory.read)
        before = {each.name: each for each in self.environments}
        now = {each.name: each for each in document.lab.environments}
        new = [name for name, each in now.items() if before.get(name) != each]
        latest = self._services.readiness.latest
        marks = await self._bridge.ask(lambda: {name: latest(name) for name in new})
        self._marks.update(marks)
        self.environments, self.problems = document.lab.environments, document.problems
        for name in (before.keys() - now.keys()) | set(new):
            self._looks.pop(name, None)
            self._failed.pop(name, None)
        self.loaded = True
        self.guests.watch(self.environments)
        self.changed.emit()
        self.select(name for name in self.selected if name in now)
        if new:
            self.check(new)

    async def _check(self, environment: Environment, folder: str) -> None:
        name = environment.name
        try:
            async with self._turns:
                if name not in self._running:
                    folders = [folder] if folder else []
                    check = await self._bridge.wait(self._services.inventory.start_check(environment, folders))
                    self._looks[name] = Look(check, datetime.now(UTC))
                    self._marks[name] = check.mark
        finally:
            going = self._checking.get(name)
            if going is not None and going.task is asyncio.current_task():
                del self._checking[name]
                self.checked.emit(name)


def age(moment: datetime) -> str:
    """How long ago: `3 min 05 s ago`."""
    return f"{duration(max(0.0, (datetime.now(UTC) - moment).total_seconds()))} ago"
