"""Step 3: packages and commands that must be there, and what is known of each environment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from kdeploy_gui.model.environment import Lab
from kdeploy_gui.model.plan import Dependency, PlanDraft
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.widgets import Button, Hairline, PlainLabel
from kdeploy_gui.ui.wizard.table import Column, ItemTable, ItemView

_INDEX = re.compile(r"dependencies\[(\d+)\]\.?(\w*)")
PACKAGE, COMMAND, PYTHON = KINDS = ("package", "command", "Python package")
NEEDED = ("required", "wanted")


def _kind(item: Dependency) -> str:
    return COMMAND if item.tool else PYTHON if item.pip else PACKAGE


def _name(item: Dependency) -> str:
    return item.tool or item.pip or item.name


def _named(item: Dependency, kind: str, name: str) -> Dependency:
    return replace(
        item,
        name=name if kind == PACKAGE else "",
        tool=name if kind == COMMAND else "",
        pip=name if kind == PYTHON else "",
    )


def _put_kind(item: Dependency, text: str) -> Dependency:
    return _named(item, text, _name(item))


def _put_name(item: Dependency, text: str) -> Dependency:
    if not text:
        raise ValueError("a dependency needs a name")
    return _named(item, _kind(item), text)


def _put_files(item: Dependency, text: str) -> Dependency:
    return replace(item, files=tuple(part.strip() for part in text.split(",") if part.strip()))


def _put_names(item: Dependency, text: str) -> Dependency:
    pairs = [part.split("=", 1) for part in text.split(",") if part.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("names per package manager are written as apk=iperf3, dnf=iperf3")
    return replace(item, names={key.strip(): value.strip() for key, value in pairs})


COLUMNS = (
    Column("Kind", "kind", _kind, _put_kind, KINDS, width=136),
    Column("Name", "name", _name, _put_name, width=200),
    Column("Version", "version", lambda each: each.version, lambda each, text: replace(each, version=text), width=120),
    Column(
        "Needed",
        "required",
        lambda each: "required" if each.required else "wanted",
        lambda each, text: replace(each, required=text == "required"),
        NEEDED,
        width=96,
    ),
    Column(
        "Other names",
        "names",
        lambda each: ", ".join(f"{key}={value}" for key, value in each.names.items()),
        _put_names,
        width=160,
    ),
    Column("Package files", "files", lambda each: ", ".join(each.files), _put_files),
)


LINES, NAMED = 5, 6
"""Kinds of systems, and environments of each, that are named."""


def some(names: Sequence[str]) -> str:
    """`a, b and 4 more`."""
    more = f" and {len(names) - NAMED} more" if names[NAMED:] else ""
    return ", ".join(names[:NAMED]) + more


class DependenciesStep(QWidget):
    """The table, and below it what the environments have."""

    edited = Signal()
    title = "Dependencies"
    fields: tuple[str, ...] = ("dependencies",)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._chosen: tuple[str, ...] = ()
        look = session.look
        self.table = ItemTable(look, COLUMNS)
        self.view = ItemView(look, self.table, "Dependencies")
        self._note = PlainLabel("", look, Text.CELL, "retry", wrap=True)
        self._known = PlainLabel("", look, Text.CELL, "t2", selectable=True, wrap=True)
        self._lay_out(look)
        self.table.edited.connect(self.edited)
        self.table.refused.connect(self._refuse)
        self.view.remove_wanted.connect(self.remove)
        session.machines.checked.connect(self._show_known)

    def show_draft(self, draft: PlanDraft) -> None:
        """Show a draft's dependencies."""
        self.table.show_items(draft.dependencies)
        self._chosen = draft.environments
        self._show_known()

    def apply(self, draft: PlanDraft) -> PlanDraft:
        """The draft with what was entered here."""
        return replace(draft, dependencies=self.table.items)

    def subtitle(self, draft: PlanDraft) -> str:
        """How many are asked for."""
        return f"{len(draft.dependencies)} asked"

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Mark cells."""
        marks: dict[tuple[int, str], str] = {}
        for each in problems:
            found = _INDEX.match(each.field)
            if found is not None:
                field = "name" if found[2] in {"tool", "pip"} else found[2]
                marks[int(found[1]), field if field in {c.field for c in COLUMNS} else ""] = each.message
        self.table.show_problems(marks)
        self._refuse("\n".join(each.message for each in problems[:3]))

    def focus_first(self) -> None:
        """The table has the focus."""
        self.view.setFocus()
        if not self.view.currentIndex().isValid():
            self.view.setCurrentIndex(self.table.index(0, 0))

    def regions(self) -> Sequence[QWidget]:
        """The table."""
        return (self.view,)

    def remove(self, row: int) -> None:
        """Take a row out; it can be taken back."""
        gone = self.table.remove(row)
        self._session.undo.offer(f"Removed {visible(gone.label)}", lambda: self.table.insert(row, gone))

    def _refuse(self, text: str) -> None:
        self._note.setText(text)
        self._note.setVisible(bool(text))

    def _add_package(self) -> None:
        self._add(Dependency(name="package"))

    def _add_command(self) -> None:
        self._add(Dependency(tool="command"))

    def _add_python(self) -> None:
        self._add(Dependency(pip="package"))

    def _add(self, item: Dependency) -> None:
        self.table.append(item)
        index = self.table.index(len(self.table.items) - 1, 1)
        self.view.setCurrentIndex(index)
        self.view.edit(index)

    def _show_known(self) -> None:
        machines = self._session.machines
        found: dict[str, list[str]] = {}
        for each in Lab(machines.environments).select(self._chosen):
            check = machines.result(each.name)
            facts = check.facts if check is not None else None
            kind = "not checked"
            if facts is not None:
                kind = f"{facts.package_manager or 'no package manager'}, {facts.os_name or 'unknown system'}"
            found.setdefault(kind, []).append(each.name)
        lines = [f"{kind}: {some(names)}" for kind, names in sorted(found.items(), key=lambda pair: -len(pair[1]))]
        if lines[LINES:]:
            lines[LINES:] = [f"and {len(lines) - LINES} more kinds of systems"]
        self._known.setText("\n".join(lines) or "No environment is chosen")

    def _lay_out(self, look: Look) -> None:
        tools = QHBoxLayout()
        tools.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        tools.setSpacing(look.px(8))
        added = (
            ("Add package", self._add_package),
            ("Add command", self._add_command),
            ("Add Python package", self._add_python),
        )
        for text, slot in added:
            button = Button(text, look, icon="plus")
            button.clicked.connect(slot)
            tools.addWidget(button)
        hint = "Packages are installed where they are missing; a command must be there and run."
        tools.addWidget(PlainLabel(hint, look, Text.CELL, "t3"))
        tools.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(tools)
        column.addWidget(self.view, 1)
        column.addWidget(Hairline(look))
        below = QVBoxLayout()
        below.setContentsMargins(look.px(16), look.px(8), look.px(16), look.px(8))
        below.addWidget(self._note)
        below.addWidget(PlainLabel("Known of the chosen environments", look, Text.HEADER, "t3"))
        below.addWidget(self._known)
        hint = "Whether each dependency is there is looked up when the plan is reviewed."
        below.addWidget(PlainLabel(hint, look, Text.CELL, "t3"))
        column.addLayout(below)
        self._refuse("")
