"""A user who answers as a test has prepared."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from PySide6.QtWidgets import QFileDialog

from kdeploy_gui.model.failure import Failure
from kdeploy_gui.ui.asking import Asking, Question
from kdeploy_gui.ui.look import Look


class Answers(Asking):
    """Asking without a window: prepared answers, and a record of what was asked and told."""

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self.secrets: deque[str] = deque()
        self.secrets_asked: list[tuple[str, bool]] = []
        self.yes: deque[bool] = deque()
        self.paths: deque[Path | None] = deque()
        self.asked: list[Question] = []
        self.failures: list[Failure] = []
        self.told.connect(self.failures.append)

    async def confirm(self, question: Question) -> bool:
        """The next prepared answer."""
        self.asked.append(question)
        return self.yes.popleft()

    async def secret(self, what: str, *, again: bool = False) -> str:
        """The next prepared secret."""
        self.secrets_asked.append((what, again))
        return self.secrets.popleft()

    async def _path(
        self, title: str, mode: QFileDialog.FileMode, pattern: str, folder: Path | None, name: str = ""
    ) -> Path | None:
        return self.paths.popleft()
