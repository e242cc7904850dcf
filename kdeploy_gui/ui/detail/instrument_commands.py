"""The verbs of the instruments tab."""

from __future__ import annotations

from collections.abc import Callable

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.instrument import State
from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.detail.coverage import collect
from kdeploy_gui.ui.session import Session

CHECK, PROVE, STOP = "instruments.check", "instruments.prove", "instruments.stop"
COLLECT = "instruments.coverage"
ALL = (CHECK, PROVE, STOP, COLLECT)
SEEN = {State.ACTIVE.value, State.PROVEN.value}


class InstrumentCommands:
    """Looks at the machine that `chosen` names, after `show` has brought the tab in sight."""

    def __init__(self, session: Session, chosen: Callable[[], str], show: Callable[[], None]) -> None:
        self._session = session
        self._chosen = chosen
        self._show = show
        self._collecting: set[str] = set()
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
            Command(
                COLLECT,
                "Collect coverage...",
                "Environment",
                self._collect,
                "",
                "tray-arrow-down",
                self._why_not_collect,
                keywords="gcov lcov report lines",
                no_key="rarely needed",
            ),
        )

    def _look(self, *, prove: bool) -> None:
        self._show()
        environment = self._session.machines.get(self._chosen())
        if environment is not None:
            self._session.instruments.look(environment, prove=prove)

    def _collect(self) -> None:
        environment = self._session.machines.get(self._chosen())
        if environment is not None:
            work = self._collected(environment)
            self._session.bridge.spawn(work, name=f"collect the coverage of {environment.name}")

    async def _collected(self, environment: Environment) -> None:
        self._collecting.add(environment.name)
        try:
            await collect(self._session, environment)
        finally:
            self._collecting.discard(environment.name)
            self._session.commands.refresh((COLLECT,))

    def _why_not_collect(self) -> str:
        session, name = self._session, self._chosen()
        environment = session.machines.get(name)
        if environment is None:
            return "Select an environment first"
        if name in self._collecting:
            return "Its coverage is being collected"
        look = session.instruments.result(environment)
        seen = {each.instrument for each in look.instruments if each.state in SEEN} if look is not None else set()
        if "gcov" not in seen:
            return "gcov was not seen there: check its instruments, or prove them, first"
        run = session.machines.run_of(name)
        return f"Run {run} works on it" if run else ""

    def _why_not(self) -> str:
        name = self._chosen()
        if self._session.machines.get(name) is None:
            return "Select an environment first"
        return "A check of its instruments goes on" if self._session.instruments.going(name) else ""

    def _why_not_prove(self) -> str:
        run = self._session.machines.run_of(self._chosen())
        return f"Run {run} works on it" if run else self._why_not()
