"""The page that adds an environment or edits one, with a live test beside it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.model.environment import Environment, Kind
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.asking import Question
from kdeploy_gui.ui.environment_form.fields import CONNECTION, DURATIONS, KEYS, Fields, field_of
from kdeploy_gui.ui.environment_form.host_key import HostKeyPanel
from kdeploy_gui.ui.environment_form.live_test import LiveTest
from kdeploy_gui.ui.environment_form.parts import Column, Footer
from kdeploy_gui.ui.environment_form.sections import Sections
from kdeploy_gui.ui.look import Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.widgets import Button, Hairline, PlainLabel
from kdeploy_gui.ui.widgets import Kind as Weight

TEST_AGAIN_MS = 800
"""After the last change of the connection, once the user has tested."""
LOOK_MS = 200
"""After the last change of any field."""
PANEL = 400


class EnvironmentForm(QWidget):
    """Adds an environment, or edits the one of that name. Nothing is written before Save."""

    done = Signal()
    """It was saved, or the user wants it no more."""

    def __init__(self, session: Session, name: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._name = name
        self._touched: set[str] = set()
        self._problems: tuple[Problem, ...] = ()
        self._tested = False
        self._known = Environment(name="", host="")
        others = [each for each in session.machines.environments if each.name != name]
        self.fields = Fields(session.look, others)
        self.sections = Sections(session.look, self.fields)
        self.test = LiveTest(session)
        self.key = HostKeyPanel(session)
        self.cancel = Button("Cancel", session.look, Weight.SECONDARY)
        self.save = Button("Save changes" if name else "Add environment", session.look, Weight.PRIMARY)
        self.footer = Footer(session.look, [self.cancel, self.save])
        self._look_again = QTimer(self, interval=LOOK_MS, singleShot=True)
        self._test_again = QTimer(self, interval=TEST_AGAIN_MS, singleShot=True)
        self._lay_out()
        self._connect()
        self.show_environment(session.machines.get(name) or self._known)
        if name and self._known.name != name:
            session.bridge.spawn(self._load(), name=f"read {name}")

    @property
    def unsaved(self) -> bool:
        """Whether leaving would lose something."""
        return self.fields.environment() != self._known

    def show_environment(self, environment: Environment) -> None:
        """Begin with this environment."""
        self._known = environment
        self._touched.clear()
        self.fields.show(environment)
        self.sections.open_set(environment)
        self._changed("")

    def focus_first(self) -> None:
        """Put the focus where work begins."""
        self.fields.text("host" if self._name else "name").setFocus()

    def regions(self) -> Sequence[QWidget]:
        """What F6 goes round."""
        return (self.fields.text("name"), self.test.button, self.save)

    def leave(self) -> None:
        """Close the form; unsaved changes are asked about."""
        self._session.bridge.spawn(self._leave(), name="leave the form")

    def _lay_out(self) -> None:
        look = self._session.look
        title = f"Edit {visible(self._name)}" if self._name else "Add environment"
        left = Column(look, title)
        left.parts.addWidget(PlainLabel(title, look, Text.TITLE))
        self.sections.lay_out(left.parts)
        left.parts.addStretch()
        right = Column(look, "Live test")
        right.setMaximumWidth(look.px(PANEL))
        right.parts.addWidget(self.test)
        right.parts.addSpacing(look.px(8))
        right.parts.addWidget(self.key)
        right.parts.addStretch()
        halves = QHBoxLayout()
        halves.setSpacing(0)
        halves.addWidget(left, 3)
        halves.addWidget(Hairline(look, vertical=True))
        halves.addWidget(right, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(halves, 1)
        column.addWidget(self.footer)

    def _connect(self) -> None:
        self.fields.edited.connect(self._changed)
        self.fields.browse.clicked.connect(lambda: self._session.bridge.spawn(self._browse(), name="choose a key file"))
        self._look_again.timeout.connect(
            lambda: self._session.bridge.spawn(self._look_for_problems(), name="look for problems")
        )
        self._test_again.timeout.connect(self._test)
        self.test.asked.connect(self._test)
        self.test.started.connect(self.key.hide)
        self.test.offered.connect(self._offered)
        self.key.accepted.connect(self.fields.pin)
        self.cancel.clicked.connect(self.leave)
        self.save.clicked.connect(lambda: self._session.bridge.spawn(self._save(), name="save an environment"))

    def _changed(self, key: str) -> None:
        if key:
            self._touched.add(key)
        if key in CONNECTION:
            self.key.hide()
            if self._tested:
                self.test.cancel()
                self._test_again.start()
        environment = self.fields.environment()
        self.sections.arrange(environment)
        self.test.allow("" if _can_be_found(environment) else "Give an address first")
        self._allow_saving()
        self._look_again.start()

    def _test(self) -> None:
        environment = self.fields.environment()
        self._test_again.stop()
        if _can_be_found(environment) and 0 < environment.port < 65536:
            self._tested = True
            self.test.run(environment)

    def _offered(self, key: HostKey, pinned: bool) -> None:
        self.key.show_key(key, self.fields.pins.keys, pinned)

    async def _load(self) -> None:
        inventory, name = self._session.services.inventory, self._name
        self.show_environment(await self._session.bridge.ask(lambda: inventory.get(name)))

    async def _browse(self) -> None:
        path = await self._session.asking.open_file("Private key", folder=KEYS)
        if path is not None:
            self.fields.text("identity_file").setText(str(path))

    async def _look_for_problems(self) -> None:
        environment, inventory = self.fields.environment(), self._session.services.inventory
        found = await self._session.bridge.ask(lambda: inventory.problems(environment, self._name, self._known))
        if environment == self.fields.environment():
            self._show_problems(found)

    def _show_problems(self, problems: Sequence[Problem], everywhere: bool = False) -> None:
        """Show mistakes at their fields: those of fields nobody has filled in yet only `everywhere`."""
        self._problems = (*problems, *self.fields.gaps())
        placed: dict[str, list[str]] = {}
        for each in self._problems:
            placed.setdefault(field_of(each, self.fields.rows), []).append(self._words(each))
        for key, row in self.fields.rows.items():
            row.problem.say(placed.get(key, ()) if everywhere or key in self._touched else ())
        self.sections.open_with(placed)
        self.footer.say.say(placed.get("", ()))
        self._allow_saving()

    def _allow_saving(self) -> None:
        why_not = ""
        if not self.unsaved:
            why_not = "Nothing has changed" if self._name else "Give a name and an address first"
        elif self._problems:
            why_not = self._words(self._problems[0])
        self.save.setEnabled(not why_not)
        self.save.setToolTip(plain_tip(why_not) or "Write it into the lab file")

    def _words(self, problem: Problem) -> str:
        """A mistake in the form's own words: fields have labels, not keys."""
        key = field_of(problem, self.fields.rows)
        if not key:
            return problem.message
        label = self.fields.rows[key].label
        environment = self.fields.environment()
        if key == "host" and not environment.host and environment.kind is Kind.QEMU:
            return f"{label} is missing: give one, or the guest's domain in libvirt"
        if key in {"name", "host"} and not getattr(environment, key):
            return f"{label} is missing"
        if key in DURATIONS:
            return f"{label} must be a duration such as 90s or 5m"
        name = key.rpartition(".")[2]
        return f"{label} {problem.message.removeprefix(f'{name} ')}"

    async def _save(self) -> None:
        environment, inventory, name = self.fields.environment(), self._session.services.inventory, self._name
        self.save.setEnabled(False)
        if name:
            problems = await self._session.bridge.ask(lambda: inventory.update(name, environment, self._known))
        else:
            problems = await self._session.bridge.ask(lambda: inventory.add(environment))
        if problems:
            self._show_problems(problems, everywhere=True)
            return
        self._known = environment
        self._session.machines.reload()
        self._close()

    async def _leave(self) -> None:
        if self.unsaved and not await self._session.asking.confirm(self._question()):
            return
        self._close()

    def _question(self) -> Question:
        return Question(
            title="Discard the changes" if self._name else "Discard the new environment",
            text="Nothing of it was written to the lab file.",
            accept="Discard",
            reject="Keep editing",
            danger=True,
        )

    def _close(self) -> None:
        self.test.cancel()
        self._look_again.stop()
        self._test_again.stop()
        self.done.emit()


def _can_be_found(environment: Environment) -> bool:
    """Whether it has an address, or libvirt is asked for it."""
    return bool(environment.host) or environment.is_guest
