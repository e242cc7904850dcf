"""The one filter grammar of every list, and the bar in which it is typed.

Words are ANDed: `text`, `"quoted text"`, `key:value` (a value may hold `*`), `/regular expression/`; `!` negates.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtCore import QRegularExpression as Pattern
from PySide6.QtGui import QKeyEvent, QKeySequence, QPainter, QPaintEvent, QResizeEvent, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.widgets import IconLabel, PlainLabel, SearchField

EFFORT = 100_000
"""Steps after which a regular expression gives up on one text; that text then does not match."""

EXAMPLES = {
    "status": "failed",
    "since": "7d",
    "code": "E-*",
    "env": "vm-*",
    "name": "vm-*",
    "tag": "arm64",
    "group": "rack-1",
    "category": "net",
    "stage": "deploy*",
    "arch": "aarch64",
    "kind": "board",
}
"""What may stand after a key, shown below the field."""
_KEY = re.compile(r"([A-Za-z][A-Za-z_-]*):")
_LIMITS = f"(*LIMIT_MATCH={EFFORT})(*LIMIT_DEPTH=1000)"
_OPTIONS = Pattern.PatternOption.CaseInsensitiveOption | Pattern.PatternOption.UseUnicodePropertiesOption


class TermKind(Enum):
    """What a term looks at."""

    TEXT = "text"
    KEY = "key"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: a part of the text, a glob over the values of `key`, or a regular expression; case is ignored."""

    kind: TermKind
    value: str
    key: str = ""
    negated: bool = False
    _pattern: Pattern | None = field(default=None, repr=False, compare=False)

    def matches(self, fields: Mapping[str, Sequence[str]], text: str) -> bool:
        """Whether an entry with these fields and this text meets it."""
        return self._found(fields, text) is not self.negated

    def _found(self, fields: Mapping[str, Sequence[str]], text: str) -> bool:
        if self._pattern is None:
            return self.value.casefold() in text.casefold()
        if self.kind is TermKind.KEY:
            return any(self._pattern.match(each).hasMatch() for each in fields.get(self.key, ()))
        return self._pattern.match(text).hasMatch()


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that must all hold; without any, everything matches."""

    terms: tuple[Term, ...] = ()

    def matches(self, fields: Mapping[str, Sequence[str]], text: str) -> bool:
        """Whether an entry meets every term."""
        return all(each.matches(fields, text) for each in self.terms)


@dataclass(frozen=True, slots=True)
class FilterProblem:
    """Why a text is no filter, and which part of it: from character `at` on, `length` of them."""

    message: str
    at: int
    length: int


class _NoFilter(Exception):
    def __init__(self, message: str, at: int, length: int) -> None:
        super().__init__(message)
        self.problem = FilterProblem(message, at, length)


def parse(text: str, keys: Collection[str]) -> Filter | FilterProblem:
    """The filter that `text` says, or why it is none; `keys` are those that the list knows."""
    try:
        return Filter(tuple(_terms(text, keys)))
    except _NoFilter as found:
        return found.problem


def quoted(text: str) -> str:
    """`text` as one word of the grammar."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _terms(text: str, keys: Collection[str]) -> list[Term]:
    found: list[Term] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        term, at = _term(text, at, keys)
        found.append(term)
    return found


def _term(text: str, start: int, keys: Collection[str]) -> tuple[Term, int]:
    negated = text[start] == "!" and start + 1 < len(text) and not text[start + 1].isspace()
    at = start + negated
    end = _end_of_regex(text, at)
    if end:
        return _regex(text[at + 1 : end], at + 1, negated), end + 1
    key = _KEY.match(text, at)
    if key is None:
        value, end = _value(text, at)
        return Term(TermKind.TEXT, value, negated=negated), end
    name = key[1].lower()
    if name not in keys:
        raise _NoFilter(_unknown(key[0], keys), at, len(key[0]))
    value, end = _value(text, key.end())
    if not value:
        raise _NoFilter(f"'{key[0]}' needs a value, * for any", at, len(key[0]))
    return Term(TermKind.KEY, value, name, negated, _glob(value)), end


def _unknown(key: str, keys: Collection[str]) -> str:
    known = f"known: {', '.join(keys)}" if keys else "this list knows none"
    return f"unknown key '{key}', {known}; put text with a colon in quotes"


def _value(text: str, at: int) -> tuple[str, int]:
    """The word that begins there and where it ends; a quote that is not closed goes on to the end."""
    if at >= len(text) or text[at] != '"':
        end = at
        while end < len(text) and not text[end].isspace():
            end += 1
        return text[at:end], end
    value: list[str] = []
    at += 1
    while at < len(text) and text[at] != '"':
        at += text[at] == "\\" and text[at + 1 : at + 2] in {'"', "\\"}
        value.append(text[at])
        at += 1
    return "".join(value), min(at + 1, len(text))


def _end_of_regex(text: str, at: int) -> int:
    """Where the regular expression that begins there is closed; 0: there is none, as in `/opt/lib`."""
    if text[at] != "/":
        return 0
    end = text.find("/", at + 2)
    while end > 0:
        if text[end - 1] != "\\" and (end + 1 == len(text) or text[end + 1].isspace()):
            return end
        end = text.find("/", end + 1)
    return 0


def _regex(source: str, at: int, negated: bool) -> Term:
    pattern = Pattern(_LIMITS + source, _OPTIONS)
    if not pattern.isValid():
        place = min(max(pattern.patternErrorOffset() - len(_LIMITS), 0), len(source))
        message = f"/{source}/: {pattern.errorString()}, at character {place + 1}"
        raise _NoFilter(message, at + place, max(len(source) - place, 1))
    return Term(TermKind.REGEX, source, "", negated, pattern)


def _glob(value: str) -> Pattern:
    parts = [Pattern.escape(part) for part in value.split("*")]
    options = _OPTIONS | Pattern.PatternOption.DotMatchesEverythingOption
    return Pattern(_LIMITS + r"\A" + ".*".join(parts) + r"\z", options)


class FilterBar(QWidget):
    """A search field with its grammar below while it has the focus, and how many entries are left.

    Text that is no filter leaves the last one in force and says why.
    """

    changed = Signal(object)
    """The new Filter."""
    left = Signal()
    """Esc: the focus went back to the list, if one is served."""

    def __init__(self, look: Look, keys: Sequence[str], placeholder: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self._keys = tuple(keys)
        self._served: QWidget | None = None
        self.filter = Filter()
        shown = placeholder or f"Filter: text, {', '.join(f'{key}:' for key in self._keys)}, !not, /regex/"
        self.field = SearchField(look, shown)
        self.count = PlainLabel("", look, Text.CELL, "t3")
        self.problem = PlainLabel("", look, Text.CELL, "retry", wrap=True)
        self._grammar = _Grammar(look, ("text", "!not", *map(_example, self._keys), "/regex/"))
        self._warning = QWidget()
        self._lay_out()
        self.field.textChanged.connect(self._read)
        self.field.installEventFilter(self)
        self._show_help()

    @property
    def text(self) -> str:
        """What was typed."""
        return self.field.text()

    def set_text(self, text: str) -> None:
        """Filter by this."""
        self.field.setText(text)

    def set_count(self, shown: int, total: int) -> None:
        """Say how many entries the filter leaves."""
        self.count.setText(f"{shown} of {total}")

    def begin(self) -> None:
        """Put the focus into the field."""
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    def serve(self, view: QWidget) -> None:
        """Give a list the keys / and Ctrl+F; Esc in the field goes back to it."""
        self._served = view
        for key in ("/", "Ctrl+F"):
            shortcut = QShortcut(QKeySequence(key), view)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(self.begin)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Show the grammar while the field has the focus; Esc clears it and goes back to the list."""
        if event.type() in {QEvent.Type.FocusIn, QEvent.Type.FocusOut}:
            self._show_help()
        elif event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            self.field.clear()
            self._leave()
            return True
        return super().eventFilter(watched, event)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(0, 0, 0, 0)
        top.setSpacing(self._look.px(8))
        top.addWidget(self.field, 1)
        top.addWidget(self.count)
        line = QHBoxLayout(self._warning)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(self._look.px(4))
        line.addWidget(IconLabel("alert-outline", self._look, "retry", 14), 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(self.problem, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(self._look.px(4))
        column.addLayout(top)
        column.addWidget(self._warning)
        column.addWidget(self._grammar)

    def _read(self, text: str) -> None:
        found = parse(text, self._keys)
        problem = found if isinstance(found, FilterProblem) else None
        self.problem.setText(visible(problem.message) if problem else "")
        self.field.setAccessibleDescription(visible(problem.message) if problem else "")
        self._show_help()
        if isinstance(found, Filter) and found != self.filter:
            self.filter = found
            self.changed.emit(found)

    def _show_help(self) -> None:
        wrong = bool(self.problem.text())
        self._warning.setVisible(wrong)
        self._grammar.setVisible(self.field.hasFocus() and not wrong)

    def _leave(self) -> None:
        if self._served is not None:
            self._served.setFocus(Qt.FocusReason.OtherFocusReason)
        self.left.emit()


def _example(key: str) -> str:
    return f"{key}:{EXAMPLES.get(key, '')}"


class _Grammar(QWidget):
    """The words of the grammar as pills, on as many lines as they need."""

    def __init__(self, look: Look, words: Sequence[str]) -> None:
        super().__init__()
        self._look = look
        self._words = words
        self._boxes: list[QRectF] = []
        look.changed.connect(self._place)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Break lines anew."""
        self._place()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the pills."""
        look = self._look
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(look.font(Text.CELL))
        for word, box in zip(self._words, self._boxes, strict=True):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.theme.raised)
            painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
            painter.setPen(look.theme.t2)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, word)

    def _place(self) -> None:
        look, metrics = self._look, self._look.metrics(Text.CELL)
        height, gap = look.px(20), look.px(4)
        at = QPointF(0, 0)
        self._boxes = []
        for word in self._words:
            width = metrics.horizontalAdvance(word) + look.px(12)
            if at.x() > 0 and at.x() + width > self.width():
                at = QPointF(0, at.y() + height + gap)
            self._boxes.append(QRectF(at.x(), at.y(), width, height))
            at.setX(at.x() + width + gap)
        self.setFixedHeight(round(at.y()) + height)
        self.update()
