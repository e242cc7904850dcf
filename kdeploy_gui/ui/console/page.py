"""The console tab: the lines, how the way to them is, and who has the input."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.model.console import Link, LinkState, Piece
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.console.feed import ConsoleFeed, News, Told
from kdeploy_gui.ui.console.lines import ConsoleLines
from kdeploy_gui.ui.console.view import ConsoleView
from kdeploy_gui.ui.detail.follow_bar import FollowBar
from kdeploy_gui.ui.detail.log_tools import HitField
from kdeploy_gui.ui.log.narrate import plural
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import Button, Hairline, IconButton, Kind, PlainLabel

FIELD = 224
NARROW_FIELD = 168
_WORDS = {Link.OPENING: "Opening", Link.OPEN: "Open", Link.WAITING: "Not open", Link.NONE: "No console"}
TAKE, GIVE_BACK = "Take the input", "Give the input back"


class ConsolePage(QWidget):
    """The console of one environment; it is open while this page is in sight."""

    searched = Signal()
    input_changed = Signal(bool)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._environment: Environment | None = None
        self._state = LinkState(Link.NONE)
        self._told = ""
        self._text = ""
        self._hits: list[int] = []
        self._searched_to = 0
        self._feed = ConsoleFeed(session.services, session.bridge, self)
        self.view = ConsoleView(session.look)
        self.bar = FollowBar(session.look, self.view)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.view, 1)
        column.addWidget(Hairline(session.look))
        column.addWidget(self.bar)
        self._feed.came.connect(self._take)
        self.view.typed.connect(self._feed.write)
        self.view.input_left.connect(lambda: self.set_input(False))

    # What is shown

    def show_console(self, environment: Environment | None, name: str) -> None:
        """Show the console of an environment, None where the lab file has none of that name."""
        if environment == self._environment and environment is not None:
            return
        self._environment = environment
        self.set_input(False)
        self._begin(name)

    @property
    def can_take_input(self) -> bool:
        """Whether there is a console to type at."""
        return self._environment is not None and self._environment.has_console

    @property
    def has_input(self) -> bool:
        """Whether keys go to the machine."""
        return self.view.has_input

    @property
    def state(self) -> LinkState:
        """How the way to the console is."""
        return self._state

    def set_input(self, on: bool) -> None:
        """Send keys to the machine, or no longer."""
        if on != self.view.has_input:
            self.view.set_input(on and self.can_take_input)
            self._tell()
            self.input_changed.emit(self.view.has_input)

    def showEvent(self, event: QShowEvent) -> None:
        """It is looked at: open the console."""
        super().showEvent(event)
        self._begin(self._environment.name if self._environment is not None else "")

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: let go of the console."""
        self.set_input(False)
        self._feed.close()
        super().hideEvent(event)

    def _begin(self, name: str) -> None:
        self._feed.close()
        has_console = self.can_take_input
        self._state = LinkState(Link.OPENING if has_console else Link.NONE)
        self._told = ""
        self.view.set_document(ConsoleLines(goes_on=has_console))
        self.view.say(_empty(name, has_console=has_console))
        self.search(self._text)
        if has_console and self._environment is not None and self.isVisible():
            self._feed.open(self._environment)
        self._tell()

    def _take(self, news: News) -> None:
        document = self.view.document
        for each in news:
            if isinstance(each, Piece):
                document.add(each)
            else:
                self._state = each.state
                self._note(each)
        self._look_on()
        self.view.refresh()
        self._tell()
        self.bar.tell_following()

    def _note(self, told: Told) -> None:
        """Breaks and returns stand between the lines, each once."""
        state = told.state
        words = _in_words(state)
        is_first = state.link is Link.OPEN and not self._told
        if state.link in (Link.WAITING, Link.OPEN) and words != self._told and not is_first:
            self.view.document.note(told.time, words)
        if state.link is not Link.OPENING:
            self._told = words

    def _tell(self) -> None:
        name = self._environment.name if self._environment is not None else ""
        words = [_in_words(self._state), plural(self.view.document.total, "line")]
        if self.has_input:
            words.append(f"Keys go to {name}; F6 or the button gives them back")
        self.bar.say("    ".join(words) if self.can_take_input else "")

    # Search

    @property
    def hits(self) -> tuple[int, int]:
        """The number of the current hit, from 1 (0: none), and of all."""
        hit = self.view.hit
        place = bisect_left(self._hits, hit)
        is_hit = place < len(self._hits) and self._hits[place] == hit
        return (place + 1 if is_hit else 0), len(self._hits)

    def search(self, text: str) -> None:
        """Look for a text in all lines that are kept; the first hit from here on becomes the current one."""
        self._text = text.lower()
        self._hits, self._searched_to, self.view.hit = [], 0, -1
        self.view.set_needle(self._text)
        self._look_on()
        if self._hits:
            here = self.view.document.first + max(self.view.current, self.view.position[0])
            self._show(bisect_left(self._hits, here))

    def step_hit(self, by: int) -> None:
        """To the next hit, or the one before; round at the ends."""
        if self._hits:
            number, _ = self.hits
            here = self.view.document.first + self.view.position[0]
            self._show(number - 1 + by if number else bisect_right(self._hits, here) - (by < 0))

    def _show(self, place: int) -> None:
        self.view.show_line(self._hits[place % len(self._hits)])
        self.searched.emit()

    def _look_on(self) -> None:
        """Look through what came; the last line may have grown."""
        document = self.view.document
        if self._text:
            known = self._hits[bisect_left(self._hits, document.first) : bisect_left(self._hits, self._searched_to)]
            self._hits = [*known, *document.matching(self._text, self._searched_to)]
            self._searched_to = max(0, document.total - 1)
        self.searched.emit()


class ConsoleTools(QWidget):
    """Beside the tabs: search with its hits, and the button that takes the input."""

    def __init__(self, look: Look, page: ConsolePage, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._page = page
        self.field = HitField(look, "console", page.step_hit)
        self.field.setFixedWidth(look.px(FIELD))
        self.field.textChanged.connect(page.search)
        self.field.left.connect(page.view.setFocus)
        self.count = PlainLabel("", look, Text.CELL, "t3")
        self.previous = IconButton("chevron-up", "Previous hit", look)
        self.previous.clicked.connect(lambda: page.step_hit(-1))
        self.next = IconButton("chevron-down", "Next hit", look)
        self.next.clicked.connect(lambda: page.step_hit(1))
        self.input = Button(TAKE, look, dense=True, icon="console")
        self.input.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.input.clicked.connect(lambda: page.set_input(not page.has_input))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(look.px(4))
        for widget in (self.field, self.count, self.previous, self.next):
            row.addWidget(widget)
        row.addSpacing(look.px(8))
        row.addWidget(self.input)
        page.searched.connect(self.tell)
        page.input_changed.connect(self.tell)
        self.tell()

    def set_narrow(self, narrow: bool) -> None:
        """Where it is narrow the field gives way."""
        self.field.setFixedWidth(self._look.px(NARROW_FIELD if narrow else FIELD))

    def tell(self) -> None:
        """Bring it up to date."""
        page = self._page
        number, total = page.hits
        searching = bool(self.field.text())
        self.count.setText((f"{number:,} of {total:,}" if total else "No hit") if searching else "")
        for button in (self.previous, self.next):
            button.setVisible(searching)
            button.setEnabled(total > 0)
        words = GIVE_BACK if page.has_input else TAKE
        self.input.setText(words)
        self.input.setAccessibleName(words)
        self.input.set_kind(Kind.PRIMARY if page.has_input else Kind.SECONDARY)
        self.input.setEnabled(page.can_take_input)
        self.input.setToolTip(_tip(page))


def _tip(page: ConsolePage) -> str:
    if not page.can_take_input:
        return "This machine has no serial console"
    return "Keys are used here again" if page.has_input else "Send what you type to the machine"


def _in_words(state: LinkState) -> str:
    words = visible(state.words)
    return f"{_WORDS[state.link]}: {words}" if words else _WORDS[state.link]


def _empty(name: str, *, has_console: bool) -> str:
    if has_console:
        return "Nothing was printed since anybody listened"
    return f"{name} has no serial console: the lab file names one under [environment.console]" if name else ""
