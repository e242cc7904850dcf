"""Reports of runs as files, wherever in the window they are asked for."""

from __future__ import annotations

from kdeploy_gui.ui.session import Session


async def save_report(session: Session, run: int) -> None:
    """Save the report of a run where the user wants it, and say where it is."""
    path = await session.asking.save_file(f"Report of run {run}", f"run-{run}.html", "HTML (*.html)")
    if path is not None:
        await session.bridge.ask(lambda: session.services.save_report(run, path))
        session.asking.tell_saved(f"Report of run {run}", path)
