"""The wizard: six steps over one draft, visited in any order; the last one deploys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent, QPalette, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from kdeploy_gui.app import Planned
from kdeploy_gui.errors import PlanError
from kdeploy_gui.model.draft import Draft
from kdeploy_gui.model.plan import PlanDraft, PlanSource
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.model.stored import PREFIX
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.strips import Strip
from kdeploy_gui.ui.tips import plain_tip
from kdeploy_gui.ui.unlocking import unlock
from kdeploy_gui.ui.widgets import Button, Kind, PlainLabel
from kdeploy_gui.ui.wizard.artifacts import ArtifactsStep, listed
from kdeploy_gui.ui.wizard.asked_instruments import AskedInstruments
from kdeploy_gui.ui.wizard.dependencies import DependenciesStep
from kdeploy_gui.ui.wizard.drafts import SCOPE, Drafts
from kdeploy_gui.ui.wizard.environments import EnvironmentsStep
from kdeploy_gui.ui.wizard.instrumentation import InstrumentationStep
from kdeploy_gui.ui.wizard.review import ReviewPage
from kdeploy_gui.ui.wizard.step_bar import Step, StepBar
from kdeploy_gui.ui.wizard.validation import ValidationStep

CHECK_MS = 300
FOOTER = 56
REVIEW = 5


Page = EnvironmentsStep | ArtifactsStep | DependenciesStep | InstrumentationStep | ValidationStep
"""A step with a page of its own; the review is none."""


class WizardPage(QWidget):
    """One draft. It stores itself; leaving loses nothing."""

    def __init__(self, session: Session, drafts: Drafts, name: str) -> None:
        super().__init__()
        self._session = session
        self._drafts = drafts
        self._name = name
        self._planned = Planned()
        self._checking: asyncio.Task[None] | None = None
        self._submitting = False
        look = session.look
        self._asked = AskedInstruments(session, self)
        pages = (
            EnvironmentsStep(session, self._asked),
            ArtifactsStep(session),
            DependenciesStep(session),
            InstrumentationStep(session, self._asked),
            ValidationStep(session),
        )
        self.environments, self.artifacts = pages[:2]
        self.steps: tuple[Page, ...] = pages
        self.review = ReviewPage(session)
        self.bar = StepBar(look, (*(Step(each.title) for each in pages), Step("Review")))
        self._stack = QStackedWidget()
        self._stack.setBackgroundRole(QPalette.ColorRole.Base)
        self._stack.setAutoFillBackground(True)
        for each in (*pages, self.review):
            self._stack.addWidget(each)
        self._settle = QTimer(self, interval=CHECK_MS, singleShot=True)
        self._settle.timeout.connect(self._check)
        self._lay_out(look)
        self._show_draft()
        for step in pages:
            step.edited.connect(self._edited)
        self.bar.chosen.connect(self.go_to)
        self.review.changed.connect(self._show_footer)
        self.review.leave_out.connect(self._leave_out)
        self.review.go_to.connect(self._go_to_field)
        session.machines.changed.connect(self._check_soon)
        self.go_to(self._draft.step)
        self._check_soon()

    @property
    def _draft(self) -> Draft:
        found = self._drafts.get(self._name)
        if found is None:
            raise PlanError("E-DRAFT-UNKNOWN", "this draft is not open any more")
        return found

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong with the draft, as of the last look."""
        return self._planned.problems

    @property
    def checked(self) -> bool:
        """Whether the last look saw the draft as it is now."""
        return self._checking is None and not self._settle.isActive()

    def go_to(self, number: int) -> None:
        """Show a step."""
        number = min(max(number, 0), REVIEW)
        self._stack.setCurrentIndex(number)
        self.bar.show_step(number)
        self._drafts.update(replace(self._draft, step=number))
        self._drafts.save()
        if number == REVIEW:
            self._plan()
            self.review.focus_first()
        else:
            self.steps[number].focus_first()
        self._show_footer()

    def next(self) -> None:
        """The next step; on the last one, deploy."""
        if self.bar.current == REVIEW:
            self.deploy()
        else:
            self.go_to(self.bar.current + 1)

    def forth(self) -> None:
        """The next step, if there is one: never deploys."""
        if self.bar.current < REVIEW:
            self.go_to(self.bar.current + 1)

    def back(self) -> None:
        """The step before."""
        self.go_to(self.bar.current - 1)

    def deploy(self) -> None:
        """Submit the plan and go to its run."""
        if not self._why_not_deploy():
            self._submitting = True
            self._show_footer()
            self._session.bridge.spawn(self._deploy(), name="deploy")

    def focus_first(self) -> None:
        """Where work begins on the present step."""
        if self.bar.current == REVIEW:
            self.review.focus_first()
        else:
            self.steps[self.bar.current].focus_first()

    def regions(self) -> Sequence[QWidget]:
        """Steps, the page and the footer."""
        page = self.review.regions() if self.bar.current == REVIEW else self.steps[self.bar.current].regions()
        return (self.bar, *page, self.forward)

    def save_as(self) -> None:
        """Write the draft as a plan file; comments of the file it came from stay."""
        self._session.bridge.spawn(self._save(), name="save a plan")

    def showEvent(self, event: QShowEvent) -> None:
        """Commands act on this page from now on."""
        self._drafts.show_page(self)
        self._asked.watch(True)

    def hideEvent(self, event: QHideEvent) -> None:
        """They act on it no more; what was entered is stored."""
        self._asked.watch(False)
        if self._drafts.shown is self:
            self._drafts.show_page(None)
        self._drafts.save()

    def _edited(self) -> None:
        draft = self._draft
        edited = draft.draft
        for each in self.steps:
            edited = each.apply(edited)
        if edited != draft.draft:
            self._drafts.update(replace(draft, draft=edited))
            for each in self.steps:
                if each is not self.sender():
                    each.show_draft(edited)
            self._asked.show_draft(edited)
            self._show_bar()
            self._check_soon()

    def _leave_out(self, names: Sequence[str]) -> None:
        if self._planned.plan is None:
            return
        before = self._draft.draft.environments
        self._choose(tuple(each.name for each in self._planned.plan.environments if each.name not in names))
        what = names[0] if len(names) == 1 else f"{len(names)} environments"
        self._session.undo.offer(f"Left out {what}", lambda: self._choose(before))

    def _choose(self, environments: tuple[str, ...]) -> None:
        draft = self._draft
        self._drafts.update(replace(draft, draft=replace(draft.draft, environments=environments)))
        self._show_draft()
        self._check_soon()

    def _go_to_field(self, field: str) -> None:
        for number, each in enumerate(self.steps):
            if field.startswith(each.fields):
                self.go_to(number)
                return

    def _show_draft(self) -> None:
        self.artifacts.show_folder(self._draft.folder)
        for each in self.steps:
            each.show_draft(self._draft.draft)
        self._asked.show_draft(self._draft.draft)
        self._show_bar()

    def _check_soon(self) -> None:
        self._settle.start()

    def _check(self) -> None:
        if self._checking is not None:
            self._checking.cancel()
        self._checking = self._session.bridge.spawn(self._look(), name="check the draft")

    async def _look(self) -> None:
        me = asyncio.current_task()
        if self._drafts.get(self._name) is None:
            return
        draft, plans = self._draft, self._session.services.plans
        planned = await self._session.bridge.ask(
            lambda: plans.check_draft(draft.draft, draft.folder, draft.previous_text)
        )
        found = await self._session.bridge.ask(lambda: plans.listings(draft.draft, draft.folder))
        if self._checking is not me:
            return
        self._planned = planned
        files = {
            number: listed((file.source.relative, file.source.size) for file in listing.files)
            for number, listing in found.listings.items()
        }
        self.artifacts.show_files(files)
        for each in self.steps:
            each.show_problems([problem for problem in planned.problems if _belongs(problem, each)])
        self._checking = None
        self._show_bar()
        self._show_footer()
        if self.bar.current == REVIEW:
            self._plan()

    def _plan(self) -> None:
        if self.checked:
            self.review.show_draft(self._draft.draft)
            self.review.plan(self._planned)

    async def _deploy(self) -> None:
        draft, services = self._draft, self._session.services
        try:
            planned = await self._session.bridge.ask(
                lambda: services.plans.check_draft(draft.draft, draft.folder, draft.previous_text)
            )
            if planned.plan is None:
                raise PlanError("E-PLAN", "\n".join(map(str, planned.problems)))
            plan = planned.plan
            await unlock(self._session, [each.name for each in plan.environments])
            run = await self._session.bridge.ask(lambda: services.submit(plan, planned.source))
        finally:
            self._submitting = False
            self._show_footer()
        self._session.navigator.fleet(run)
        self._drafts.done(self._name)

    def _show_bar(self) -> None:
        draft = self._draft.draft
        for number, each in enumerate(self.steps):
            count = sum(_belongs(problem, each) for problem in self._planned.problems)
            subtitle = f"{count} {'problem' if count == 1 else 'problems'}" if count else each.subtitle(draft)
            self.bar.set_step(number, Step(each.title, subtitle, count if self.checked else -1))

    def _show_footer(self) -> None:
        number = self.bar.current
        self.backward.setEnabled(number > 0)
        self.backward.setToolTip("" if number else "This is the first step")
        if number < REVIEW:
            following = self.bar.steps[number + 1].title
            self.forward.setText(f"Next: {following[:1].lower()}{following[1:]}")
            self.forward.setEnabled(True)
            self.forward.setToolTip("Ctrl+Enter")
            self._origin.setText(self._draft.origin or "Stored as you go. Checks go on while you continue.")
        else:
            why = self._why_not_deploy()
            count = len(self._planned.plan.environments) if self._planned.plan is not None else 0
            self.forward.setText(f"Deploy to {count} {'environment' if count == 1 else 'environments'}")
            self.forward.setEnabled(not why)
            self.forward.setToolTip(plain_tip(why) or "Ctrl+Enter")
            self._origin.setText(why or self._what_happens())
        self.forward.setAccessibleName(self.forward.text())

    def _what_happens(self) -> str:
        count = len(self._planned.plan.environments) if self._planned.plan is not None else 0
        refused = 0 if self.review.planning else count - len(self.review.chosen)
        told = f" {refused} of {count} will fail as things stand; leave them out or mend them." if refused else ""
        return self.review.summary() + told

    def _why_not_deploy(self) -> str:
        if self._submitting:
            return "The run is being started"
        if not self.checked:
            return "The plan is being checked"
        if self._planned.problems:
            count = len(self._planned.problems)
            return (
                f"{count} {'problem' if count == 1 else 'problems'} to solve first: {self._planned.problems[0].message}"
            )
        if self._planned.plan is None or not self._planned.plan.environments:
            return "No environment is chosen"
        return self.review.why_not() if self.review.planning else ""

    async def _save(self) -> None:
        draft, services = self._draft, self._session.services
        name = draft.plan_file.name if draft.plan_file is not None else f"{draft.draft.name or 'plan'}.toml"
        path = await self._session.asking.save_file("Save plan", name, "Plans (*.toml)", draft.folder)
        if path is None:
            return
        moved = replace(draft, draft=rebased(draft, path.parent), folder=path.parent, plan_file=path)
        text = await self._session.bridge.ask(lambda: services.plans.to_toml(moved.draft, draft.previous_text))
        await self._session.bridge.ask(lambda: services.plans.save(path, PlanSource(text, path.parent)))
        self._drafts.update(replace(moved, previous_text=text, origin=f"Saved as {path}"))
        self._show_draft()
        self._check_soon()

    def _lay_out(self, look: Look) -> None:
        self._session.commands.attach(self, SCOPE)
        footer = Strip(look, "window")
        row = QHBoxLayout(footer)
        row.setContentsMargins(look.px(16), 0, look.px(16), 0)
        row.setSpacing(look.px(12))
        save = Button("Save as plan.toml...", look, Kind.FLAT, icon="content-save-outline")
        save.clicked.connect(self.save_as)
        self._origin = PlainLabel("", look, Text.CELL, "t2", wrap=True)
        self.backward = Button("Back", look)
        self.backward.clicked.connect(self.back)
        self.forward = Button("Next", look, Kind.PRIMARY)
        self.forward.clicked.connect(self.next)
        row.addWidget(save)
        row.addWidget(self._origin, 1)
        row.addWidget(self.backward)
        row.addWidget(self.forward)
        footer.setFixedHeight(look.px(FOOTER))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.bar)
        column.addWidget(self._stack, 1)
        column.addWidget(footer)


def _belongs(problem: Problem, page: Page) -> bool:
    return problem.field.startswith(page.fields)


def rebased(draft: Draft, folder: Path) -> PlanDraft:
    """The draft with sources as they read from another folder: relative below it, absolute elsewhere."""
    if folder == draft.folder:
        return draft.draft

    def moved(source: str) -> str:
        if source.startswith(PREFIX):
            return source
        whole = draft.folder / source
        return str(whole.relative_to(folder)) if whole.is_relative_to(folder) else str(whole)

    artifacts = tuple(
        replace(each, source=moved(each.source), depends_on=tuple(map(moved, each.depends_on)))
        for each in draft.draft.artifacts
    )
    dependencies = tuple(replace(each, files=tuple(map(moved, each.files))) for each in draft.draft.dependencies)
    return replace(draft.draft, artifacts=artifacts, dependencies=dependencies)
