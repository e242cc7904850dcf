"""The verbs of the instruments tab."""

from __future__ import annotations

from collections.abc import Callable

from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.session import Session

CHECK, PROVE, STOP = "instruments.check", "instruments.prove", "instruments.stop"
ALL = (CHECK, PROVE, STOP)


class InstrumentCommands:
    """Looks at the machine that `chosen` names, after `show` has brought the tab in sight."""

    def __init__(self, session: Session, chosen: Callable[[], str], show: Callable[[], None]) -> None:
        self._session = session
        self._chosen = chosen
        self._show = show
        session.commands.add(
            Command(
                CHECK,
                "Check instruments",
                "Environment",
                lambda: self._look(prove=False),
                "Ctrl+I",
                "refresh",
                self._why_not,
                keywords="kasan lockdep kcov ftrace perf kernel config",
            ),
            Command(
                PROVE,
                "Prove instruments",
                "Environment",
                lambda: self._look(prove=True),
                "Ctrl+Shift+I",
                "check-decagram",
                self._why_not_prove,
                keywords="kasan lockdep kcov ftrace perf see working",
            ),
            Command(
                STOP,
                "Stop checking instruments",
                "Environment",
                lambda: session.instruments.cancel(chosen()),
                "",
                "close",
                lambda: "" if session.instruments.going(chosen()) else "No check of instruments goes on",
                no_key="A check ends by itself",
            ),
        )

    def _look(self, *, prove: bool) -> None:
        self._show()
        environment = self._session.machines.get(self._chosen())
        if environment is not None:
            self._session.instruments.look(environment, prove=prove)

    def _why_not(self) -> str:
        name = self._chosen()
        if self._session.machines.get(name) is None:
            return "Select an environment first"
        return "A check of its instruments goes on" if self._session.instruments.going(name) else ""

    def _why_not_prove(self) -> str:
        run = self._session.machines.run_of(self._chosen())
        return f"Run {run} works on it" if run else self._why_not()
