"""What every view gets: the engine's verbs, the stores, the look, and the way to other views."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QObject, QSettings, Signal

from kdeploy_gui.app import Services
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.asking import Asking
from kdeploy_gui.ui.bridge import Bridge
from kdeploy_gui.ui.commands import Commands
from kdeploy_gui.ui.instruments import InstrumentLooks
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.machines import Machines
from kdeploy_gui.ui.runs import Runs
from kdeploy_gui.ui.undo import Undo


class Where(Enum):
    """The places of the window."""

    FLEET = "fleet"
    ERRORS = "errors"
    HISTORY = "history"
    WIZARD = "wizard"
    FORM = "form"
    TRUST = "trust"
    IMPORT = "import"
    GUESTS = "guests"
    START = "start"


@dataclass(frozen=True, slots=True)
class Place:
    """One place to look at; `run` 0: the one shown last, `name`: an environment or a draft."""

    where: Where
    run: int = 0
    name: str = ""
    stage: Stage | None = None


class Navigator(QObject):
    """Says where to go; the window goes there. Remembers the way back."""

    moved = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._places: list[Place] = []
        self._at = -1

    @property
    def place(self) -> Place | None:
        """Where the window is."""
        return self._places[self._at] if self._places else None

    def go(self, place: Place) -> None:
        """Go to a place and remember it."""
        if place != self.place:
            del self._places[self._at + 1 :]
            self._places.append(place)
            self._at += 1
        self.moved.emit(place)

    def back(self) -> None:
        """Where the window was before."""
        self._step(-1)

    def forward(self) -> None:
        """Where the window was before going back."""
        self._step(1)

    def leave(self) -> None:
        """Away from a place that is no more, to where the window was before it."""
        gone = self._places.pop(self._at)
        self._places = [each for each in self._places if each != gone] or [Place(Where.FLEET)]
        self._at = min(max(self._at - 1, 0), len(self._places) - 1)
        self.moved.emit(self._places[self._at])

    def fleet(self, run: int = 0, environment: str = "", stage: Stage | None = None) -> None:
        """The fleet view, on a run, an environment, a stage of its log."""
        self.go(Place(Where.FLEET, run, environment, stage))

    def error(self, run: int = 0, environment: str = "") -> None:
        """The error inbox, on the failure of an environment in a run."""
        self.go(Place(Where.ERRORS, run, environment))

    def history(self, run: int = 0) -> None:
        """The history, on a run."""
        self.go(Place(Where.HISTORY, run))

    def wizard(self, draft: str) -> None:
        """An open draft."""
        self.go(Place(Where.WIZARD, name=draft))

    def environment_form(self, name: str = "") -> None:
        """The form of an environment, or an empty one."""
        self.go(Place(Where.FORM, name=name))

    def trust(self, name: str) -> None:
        """The comparison of an environment's host keys."""
        self.go(Place(Where.TRUST, name=name))

    def importing(self) -> None:
        """The list of hosts that could be taken from ~/.ssh/config."""
        self.go(Place(Where.IMPORT))

    def guests(self) -> None:
        """The list of guests that could be taken from libvirt."""
        self.go(Place(Where.GUESTS))

    def start(self) -> None:
        """The start page."""
        self.go(Place(Where.START))

    def _step(self, by: int) -> None:
        if 0 <= self._at + by < len(self._places):
            self._at += by
            self.moved.emit(self._places[self._at])


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One window on one home. Everything in it belongs to the UI thread; `services` may be asked from any."""

    services: Services
    bridge: Bridge
    runs: Runs
    machines: Machines
    instruments: InstrumentLooks
    commands: Commands
    look: Look
    asking: Asking
    undo: Undo
    navigator: Navigator
    settings: QSettings

    def close(self) -> None:
        """Stop following and asking; the services stay with whoever opened them."""
        self.runs.close()
        self.machines.close()
        self.bridge.close()


def open_session(services: Services, look: Look, settings: QSettings, asking: Asking | None = None) -> Session:
    """A session on these services, following and looking from now on."""
    bridge = Bridge()
    runs = Runs(services, bridge)
    session = Session(
        services=services,
        bridge=bridge,
        runs=runs,
        machines=Machines(services, bridge, runs),
        instruments=InstrumentLooks(services, bridge),
        commands=Commands(look),
        look=look,
        asking=asking or Asking(look),
        undo=Undo(),
        navigator=Navigator(),
        settings=settings,
    )
    bridge.failed.connect(lambda error: session.asking.tell(services.failure_of(error)))
    runs.start()
    session.machines.start()
    return session
