"""What a user who looks elsewhere is told by the desktop: a run has ended, machines are no longer READY."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.run import RunState
from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import condition_of, condition_of_outcome

GATHER_MS = 1500
"""After a machine lost its READY: those that lose it together are told together."""
ROUNDS = 6
"""Times that others are waited for which are being looked at just then."""
NAMED = 3
"""Machines that are named before the rest is counted."""
LENGTH = 200
"""Letters of a reason."""
SETTING = "window/notifications"


class News(QObject):
    """One notification for each run that ends and each loss of READY, while none of the windows is active."""

    def __init__(self, session: Session, is_looking: Callable[[], bool] | None = None) -> None:
        super().__init__()
        self._session = session
        self._is_looking = is_looking or _has_active_window
        self._marks: dict[str, ReadyMark] = {}
        self._lost: dict[str, str] = {}
        self._waited = 0
        self._gather = QTimer(self, interval=GATHER_MS, singleShot=True)
        self._gather.timeout.connect(self._tell_lost)
        session.runs.ended.connect(self._run_ended)
        session.machines.changed.connect(self._learn)
        session.machines.checked.connect(self._checked)
        session.commands.add(
            Command(
                "view.notifications",
                "Desktop notifications",
                "View",
                self.toggle,
                keywords="notify tell desktop bubble message",
                no_key="rarely needed",
                checked=lambda: self.is_on,
            )
        )

    @property
    def is_on(self) -> bool:
        """Whether the user wants them."""
        return bool(self._session.settings.value(SETTING, True, type=bool))

    @property
    def gathering(self) -> bool:
        """Whether machines have lost their READY and nobody was told yet."""
        return self._gather.isActive()

    def toggle(self) -> None:
        """Have them, or no more."""
        self._session.settings.setValue(SETTING, not self.is_on)

    def _run_ended(self, run: int) -> None:
        state = self._session.runs.state(run)
        if state is not None:
            self._tell(*_ended(state))

    def _learn(self) -> None:
        """Marks of machines that are new here: what they lost before is no news."""
        machines = self._session.machines
        names = {each.name for each in machines.environments}
        self._marks = {name: mark for name, mark in self._marks.items() if name in names}
        for name in names - self._marks.keys():
            if (mark := machines.mark(name)) is not None:
                self._marks[name] = mark

    def _checked(self, name: str) -> None:
        now, before = self._session.machines.mark(name), self._marks.get(name)
        if now is None or now == before:
            return
        self._marks[name] = now
        if before is not None and before.ready and not now.ready and now.run == before.run:
            self._lost[name] = now.because
            if not self._gather.isActive():
                self._gather.start()
        elif now.ready:
            self._lost.pop(name, None)

    def _tell_lost(self) -> None:
        if self._session.machines.is_checking_any and self._waited < ROUNDS:
            self._waited += 1
            self._gather.start()
            return
        lost, self._lost, self._waited = self._lost, {}, 0
        if lost:
            self._tell(*_no_longer_ready(lost))

    def _tell(self, title: str, text: str) -> None:
        if self.is_on and not self._is_looking():
            self._session.bridge.spawn(self._send(title, text), name="notify")

    async def _send(self, title: str, text: str) -> None:
        await self._session.bridge.wait(self._session.services.desktop.tell(title, text))


def _ended(state: RunState) -> tuple[str, str]:
    """`Run 118 failed: net-smoke`, and how its machines ended."""
    word = condition_of_outcome(state.outcome).word.lower()
    counts = Counter(condition_of(each) for each in state.environments.values())
    lines = [", ".join(f"{count} {condition.word.lower()}" for condition, count in counts.items())]
    failed = {each.name: each.error.message for each in state.environments.values() if each.error is not None}
    lines.extend(_reasons(failed))
    return f"Run {state.run} {word}: {state.plan}", "\n".join(lines)


def _no_longer_ready(lost: Mapping[str, str]) -> tuple[str, str]:
    first, *others = lost
    who = f"{first} is" if not others else f"{len(lost)} environments are"
    return f"{who} no longer READY", "\n".join(_reasons(lost) if others else [_short(lost[first])])


def _reasons(of: Mapping[str, str]) -> list[str]:
    named = [f"{name}: {_short(because)}" for name, because in list(of.items())[:NAMED]]
    left = len(of) - len(named)
    return [*named, *([f"and {left} more"] if left else [])]


def _short(text: str) -> str:
    first = text.partition("\n")[0]
    return first if len(first) <= LENGTH else f"{first[: LENGTH - 1]}…"


def _has_active_window() -> bool:
    return QApplication.activeWindow() is not None
