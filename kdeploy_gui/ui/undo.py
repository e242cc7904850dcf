"""The undo bar: what can be taken back is done at once and offered back for ten seconds, without a question."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

OFFERED_MS = 10_000


class Undo(QObject):
    """The one thing that can be taken back now."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.text = ""
        self._back: Callable[[], None] | None = None
        self._timer = QTimer(self, interval=OFFERED_MS, singleShot=True)
        self._timer.timeout.connect(self.withdraw)

    def offer(self, text: str, back: Callable[[], None]) -> None:
        """Say what was done ("Removed 3 environments") and how it is taken back."""
        self.text, self._back = text, back
        self._timer.start()
        self.changed.emit()

    def take_back(self) -> None:
        """Undo what is offered, if anything is."""
        back = self._back
        self.withdraw()
        if back is not None:
            back()

    def withdraw(self) -> None:
        """Offer nothing any more."""
        self._timer.stop()
        self.text, self._back = "", None
        self.changed.emit()
