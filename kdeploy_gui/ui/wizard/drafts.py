"""Drafts that are open: kept in step with what is stored, one tab each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QObject, QTimer, Signal

from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.draft import Draft
from kdeploy_gui.model.plan import PlanDraft
from kdeploy_gui.ui.commands import Command
from kdeploy_gui.ui.session import Session

SCOPE = "wizard"
SAVE_MS = 800
"""After the last change; leaving a page saves at once."""
UNNAMED = "new-deployment"
KEYED = ("wizard.next", "wizard.forward", "wizard.back", "wizard.save")


class Shown(Protocol):
    """The wizard page that is shown."""

    def next(self) -> None:
        """The next step, or deploy."""

    def forth(self) -> None:
        """The next step, if there is one."""

    def back(self) -> None:
        """The step before."""

    def save_as(self) -> None:
        """Write a plan file."""


class Drafts(QObject):
    """The open drafts, oldest first. Changes are stored by themselves."""

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.shown: Shown | None = None
        self._open: dict[str, Draft] = {}
        self._unsaved: set[str] = set()
        self._storing = asyncio.Lock()
        self._writing = threading.Lock()
        self._timer = QTimer(self, interval=SAVE_MS, singleShot=True)
        self._timer.timeout.connect(self.save)
        session.commands.add(
            Command(
                "deployment.new", "New deployment", "File", self.new, "Ctrl+N", "plus", keywords="deploy wizard plan"
            ),
            Command("plan.open", "Open plan.toml...", "File", self._choose_file, "Ctrl+Shift+O", "folder-open-outline"),
            Command(
                "environment.deploy",
                "Deploy...",
                "Environment",
                lambda: self.new(session.machines.selected),
                "Ctrl+D",
                "rocket-launch-outline",
                enabled=lambda: "" if session.machines.selected else "Select environments first",
            ),
        )
        session.commands.add(
            *(
                Command(name, title, "Run", self._doer(verb), key, enabled=self._none_shown, scope=SCOPE, also=also)
                for name, title, verb, key, also in (
                    ("wizard.next", "Next step, or deploy", "next", "Ctrl+Return", ("Ctrl+Enter",)),
                    ("wizard.forward", "Next step", "forth", "Ctrl+PgDown", ()),
                    ("wizard.back", "Previous step", "back", "Ctrl+PgUp", ()),
                    ("wizard.save", "Save as plan.toml...", "save_as", "Ctrl+S", ()),
                )
            )
        )
        session.bridge.spawn(self._load(), name="read drafts")

    @property
    def open(self) -> tuple[Draft, ...]:
        """All open drafts."""
        return tuple(self._open.values())

    def get(self, name: str) -> Draft | None:
        """The draft with this id."""
        return self._open.get(name)

    def new(self, environments: Sequence[str] = ()) -> None:
        """Open a new draft, in an embedded lab one of the sample plan, and go there."""
        self._session.bridge.spawn(self._new(tuple(environments)), name="new draft")

    def from_run(self, run: int) -> None:
        """Open a draft of the plan of a run and go there."""
        self._session.bridge.spawn(self._from_run(run), name="again with changes")

    def from_file(self, path: Path) -> None:
        """Open a draft of a plan file and go there."""
        self._session.bridge.spawn(self._from_file(path), name="open a plan")

    def update(self, draft: Draft) -> None:
        """A draft has other content now; it is stored soon."""
        if draft.id in self._open and draft != self._open[draft.id]:
            renamed = draft.draft.name != self._open[draft.id].draft.name
            self._open[draft.id] = draft
            self._unsaved.add(draft.id)
            self._timer.start()
            if renamed:
                self.changed.emit()

    def save(self) -> None:
        """Store what has changed."""
        self._timer.stop()
        for name in tuple(self._unsaved):
            self._session.bridge.spawn(self._store(name), name="save a draft")

    def save_now(self) -> None:
        """Store what has changed before this returns: the window closes. Raises LocalError."""
        self._timer.stop()
        while self._unsaved:
            self._write(self._unsaved.pop())

    def close(self, name: str) -> None:
        """Remove a draft; it can be taken back."""
        draft = self._open.pop(name, None)
        if draft is not None:
            self._unsaved.discard(name)
            self._session.bridge.spawn(self._remove(name), name="remove a draft")
            self._session.undo.offer(f"Removed the draft {draft.draft.name}", lambda: self._show(draft))
            self.changed.emit()

    def show_page(self, page: Shown | None) -> None:
        """Commands of the wizard act on this page."""
        self.shown = page
        self._session.commands.refresh(KEYED)

    def done(self, name: str) -> None:
        """A draft became a run: it is needed no more."""
        if self._open.pop(name, None) is not None:
            self._unsaved.discard(name)
            self._session.bridge.spawn(self._remove(name), name="remove a draft")
            self.changed.emit()

    def _none_shown(self) -> str:
        return "" if self.shown is not None else "Open a deployment first"

    def _doer(self, verb: str) -> Callable[[], None]:
        def act() -> None:
            if self.shown is not None:
                page = self.shown
                {"next": page.next, "forth": page.forth, "back": page.back, "save_as": page.save_as}[verb]()

        return act

    def _show(self, draft: Draft) -> None:
        self._open[draft.id] = draft
        self._unsaved.add(draft.id)
        self.changed.emit()
        self.save()
        self._session.navigator.wizard(draft.id)

    def _choose_file(self) -> None:
        self._session.bridge.spawn(self._choose(), name="open a plan")

    async def _choose(self) -> None:
        path = await self._session.asking.open_file("Open plan", "Plans (*.toml)")
        if path is not None:
            await self._from_file(path)

    async def _load(self) -> None:
        found = await self._session.bridge.ask(self._session.services.drafts.all)
        self._open = {each.id: each for each in found.drafts} | self._open
        self.changed.emit()

    async def _new(self, environments: tuple[str, ...]) -> None:
        services = self._session.services
        sample = services.sample_plan
        if sample is not None:
            drafted = await self._session.bridge.ask(lambda: services.plans.read(sample))
            draft = drafted.draft or PlanDraft(name=UNNAMED, environments=())
            text, folder = drafted.source.text, drafted.source.folder
        else:
            draft, text, folder = PlanDraft(name=UNNAMED, environments=()), "", Path.home()
        if environments:
            draft = replace(draft, environments=environments)
        origin = "Started from the sample plan" if sample is not None else ""
        self._show(services.drafts.new(draft, folder, previous_text=text, origin=origin))

    async def _from_run(self, run: int) -> None:
        services = self._session.services
        source = await self._session.bridge.ask(lambda: services.plan_source(run))
        if source is None:
            raise LocalError("E-RETRY-NO-PLAN", f"the plan of run {run} was not stored", run=str(run))
        drafted = await self._session.bridge.ask(lambda: services.plans.draft_of(source))
        draft = drafted.draft or PlanDraft(name=UNNAMED, environments=())
        origin = f"Started from run {run} with changes"
        self._show(services.drafts.new(draft, source.folder, previous_text=source.text, origin=origin))

    async def _from_file(self, path: Path) -> None:
        services = self._session.services
        drafted = await self._session.bridge.ask(lambda: services.plans.read(path))
        draft = drafted.draft or PlanDraft(name=UNNAMED, environments=())
        text, folder = drafted.source.text, drafted.source.folder
        origin = f"Opened {path}"
        self._show(services.drafts.new(draft, folder, plan_file=path, previous_text=text, origin=origin))

    async def _store(self, name: str) -> None:
        async with self._storing:
            if name in self._unsaved:
                written = await self._session.bridge.ask(lambda: self._write(name))
                if self._open.get(name) is written:
                    self._unsaved.discard(name)

    def _write(self, name: str) -> Draft | None:
        """On any thread: one after the other, and always what is newest, so that an older content never comes last."""
        with self._writing:
            draft = self._open.get(name)
            if draft is not None:
                self._session.services.drafts.save(draft)
            return draft

    async def _remove(self, name: str) -> None:
        async with self._storing:
            if name not in self._open:
                await self._session.bridge.ask(lambda: self._session.services.drafts.remove(name))
