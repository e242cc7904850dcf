"""`kdeploy-gui` that prints what it shows of the newest run and ends: `python -m tests.ui.telling_window`."""

from __future__ import annotations

import asyncio
import json
import sys

from kdeploy_gui.model.history import RunQuery
from kdeploy_gui.ui import application
from kdeploy_gui.ui.main_window import MainWindow
from kdeploy_gui.ui.widgets import PlainLabel

PATIENCE = 20.0


class TellingProgram(application.Program):
    """The program, and somebody who reads its window."""

    def start(self, *, demo: bool) -> None:
        """Open the window, read it, close it."""
        super().start(demo=demo)
        assert self.window is not None
        self._reading = asyncio.get_running_loop().create_task(self._read(self.window))

    async def _read(self, window: MainWindow) -> None:
        try:
            told = await self._tell_all(window)
        finally:
            window.close()
        sys.stdout.write(json.dumps(told) + "\n")

    async def _tell_all(self, window: MainWindow) -> dict[str, object]:
        page = window.fleet.fleet
        async with asyncio.timeout(PATIENCE):
            while not (window.notice.isVisible() and page.model.rowCount() and page.isVisible()):
                await asyncio.sleep(0.02)
        return {
            "notice": [each.text() for each in window.notice.findChildren(PlainLabel)],
            "run": page.header.name.text(),
            "state": page.header.left.text(),
            "rows": [page.model.at(row).condition.word for row in range(page.model.rowCount())],
            "retry": page.header.buttons["run.retry"].isEnabled(),
            "history": [each.outcome for each in window.session.services.history.runs(RunQuery(limit=5))],
        }


if __name__ == "__main__":
    application.Program = TellingProgram  # type: ignore[misc]
    sys.exit(application.run(application.Arguments()))
