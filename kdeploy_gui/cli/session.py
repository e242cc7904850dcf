"""The way to the services: the one place where the command line loads the engine, and only when it needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kdeploy_gui.cli.output import Output
from kdeploy_gui.errors import LocalError
from kdeploy_gui.loading import loading
from kdeploy_gui.model.event import Event
from kdeploy_gui.model.history import RunQuery

if TYPE_CHECKING:
    from kdeploy_gui.app import Services

NEAREST = 3


@contextmanager
def services(output: Output) -> Iterator[Services]:
    """Services on the user's home and lab file. Raises LocalError where the home or the history cannot be used."""
    with loading("kdeploy_gui.app"):
        from kdeploy_gui.app import home_from_environment, open_services

    with open_services(home_from_environment(), output.lab) as opened:
        yield opened


def events_of(opened: Services, run: int) -> list[Event]:
    """All stored events of a run. Raises LocalError, naming the nearest runs, where there is no such run."""
    events = opened.history.events(run)
    if events:
        return events
    around = opened.history.runs(RunQuery(before=run + NEAREST + 1, limit=2 * NEAREST + 1))
    near = sorted(sorted((each.run for each in around), key=lambda each: abs(each - run))[:NEAREST])
    known = f"the nearest are {', '.join(map(str, near))}" if near else "the history is empty"
    raise LocalError("E-RUN-UNKNOWN", f"there is no run {run}; {known}", run=str(run))
