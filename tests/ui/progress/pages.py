"""Fleet pages for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kdeploy_gui.ui.progress.page import FleetPage
from kdeploy_gui.ui.session import Session


@contextmanager
def open_page(session: Session) -> Iterator[FleetPage]:
    """A page on the screen. Its session ends before it does, as in the program: coroutines still fill its widgets."""
    page = FleetPage(session)
    page.resize(1176, 776)
    page.show()
    page.activateWindow()
    try:
        yield page
    finally:
        session.close()
        page.hide()
        page.deleteLater()
