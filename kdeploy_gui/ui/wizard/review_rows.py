"""The plan grid as data: what each cell says of an environment. No Qt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from posixpath import commonpath, dirname

from kdeploy_gui.model.figures import size
from kdeploy_gui.model.plan import Plan, Want
from kdeploy_gui.model.preview import (
    DependencyChange,
    DependencyPreview,
    EnvironmentPreview,
    FileChange,
    FilePreview,
    InstrumentPresence,
    InstrumentPreview,
    Verdict,
)
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.states import Condition

PLANNING = "Planning"


def plural(number: int, noun: str, nouns: str = "") -> str:
    """`1 file`, `3 files`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


class Kind(Enum):
    """What a column is about; the value heads the group that it stands in."""

    ENVIRONMENT = ""
    FILES = "Files"
    DEPENDENCY = "Packages"
    INSTRUMENT = "Instruments"
    SEND = " "
    VERDICT = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `key` is the artifact's source, the dependency's label or the instrument's name."""

    kind: Kind
    title: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """An icon in the colour `ink` with a text in the colour `token`; either may be missing."""

    text: str
    token: str = "t1"  # noqa: S105 - a colour token
    icon: str = ""
    ink: str = ""


def _part(condition: Condition, text: str, token: str = "t1") -> Part:  # noqa: S107 - a colour token
    return Part(text, token, condition.icon, condition.token)


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows, says to a screen reader, and explains."""

    parts: tuple[Part, ...] = ()
    spoken: str = ""
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One environment; without a preview it is being planned."""

    name: str
    preview: EnvironmentPreview | None = None
    cells: tuple[Cell, ...] = field(default=())

    @property
    def refused(self) -> bool:
        """Whether it would fail as things stand."""
        return self.preview is not None and self.preview.verdict is Verdict.REFUSED


def columns_of(plan: Plan, titles: Callable[[str], str]) -> tuple[Column, ...]:
    """The columns of a plan; `titles` gives an instrument's title."""
    artifacts = dict.fromkeys(each.artifact for each in plan.files)
    wants = plan.instrumentation.wants
    return (
        Column(Kind.ENVIRONMENT, "Environment"),
        *(Column(Kind.FILES, visible(each), each) for each in artifacts),
        *(Column(Kind.DEPENDENCY, visible(each.label), each.label) for each in plan.dependencies),
        *(Column(Kind.INSTRUMENT, titles(name), name) for name, want in wants.items() if want is not Want.OFF),
        Column(Kind.SEND, "To send"),
        Column(Kind.VERDICT, "Verdict"),
    )


def group_title(kind: Kind, plan: Plan) -> str:
    """What stands above a group of columns: `Files to /opt/tests/net, 14 each`."""
    if kind is not Kind.FILES:
        return str(kind.value).strip()
    folders = {dirname(each.target) for each in plan.files}
    absolute = len({each.startswith("/") for each in folders}) == 1
    shared: str = commonpath(folders) if folders and absolute else ""
    place = f" to {visible(shared)}" if shared not in {"", "/"} else ""
    return f"Files{place}, {len(plan.files):,} each"


def row_of(name: str, preview: EnvironmentPreview | None, columns: Sequence[Column]) -> Row:
    """The row of an environment as far as it is known."""
    return Row(name, preview, tuple(_cell(name, preview, each) for each in columns))


def _cell(name: str, preview: EnvironmentPreview | None, column: Column) -> Cell:
    if column.kind is Kind.ENVIRONMENT:
        return Cell((Part(visible(name)),), visible(name))
    if preview is None:
        planning = column.kind is Kind.VERDICT
        part = _part(Condition.PLANNING, PLANNING, "t2")
        return Cell((part,) if planning else (), PLANNING)
    match column.kind:
        case Kind.FILES:
            return _files_cell(preview, [each for each in preview.files if each.artifact == column.key])
        case Kind.DEPENDENCY:
            found = next((each for each in preview.dependencies if each.label == column.key), None)
            return _as_cause(preview, _dependency_cell(found))
        case Kind.INSTRUMENT:
            instrument = next((each for each in preview.instruments if each.name == column.key), None)
            return _as_cause(preview, _instrument_cell(instrument))
        case Kind.SEND:
            text = size(preview.bytes_to_send) if preview.bytes_to_send else "0"
            return Cell((Part(text, "t2"),), f"{text} to send")
        case _:
            return _verdict_cell(preview)


_FILE_CONDITIONS = {
    FileChange.REFUSED: Condition.REFUSED,
    FileChange.NEW: Condition.NEW,
    FileChange.CHANGED: Condition.CHANGED,
    FileChange.SAME: Condition.SAME,
}
NOT_REACHED = Cell((Part("", "t3", Condition.NOT_RUN.icon, "t3"),), "not reached")
NOTHING = Cell((_part(Condition.NOT_RUN, "", "t3"),), "not known")


def _files_cell(preview: EnvironmentPreview, files: Sequence[FilePreview]) -> Cell:
    if not preview.files:
        return NOTHING
    counts = Counter(each.change for each in files)
    if preview.refusals:
        if counts[FileChange.REFUSED]:
            bad = next(each for each in files if each.refusal is not None)
            tip = bad.refusal.message if bad.refusal is not None else ""
            return Cell((_part(Condition.REFUSED, "refused", "failed"),), "refused", tip)
        return Cell((Part("not sent", "t3"),), "not sent")
    parts: list[Part] = []
    for change, condition in _FILE_CONDITIONS.items():
        if counts[change]:
            word = " new" if change is FileChange.NEW and counts.total() == counts[change] else ""
            token = "t3" if change is FileChange.SAME else "t1"
            parts.append(_part(condition, f"{counts[change]:,}{word}", token))
    spoken = ", ".join(f"{counts[change]} {change.value}" for change in _FILE_CONDITIONS if counts[change])
    return Cell(tuple(parts), spoken)


def _as_cause(preview: EnvironmentPreview, cell: Cell) -> Cell:
    """In a refused environment only what refuses it counts."""
    causes = any(each.icon == Condition.REFUSED.icon for each in cell.parts)
    return NOT_REACHED if preview.refusals and not causes else cell


def _dependency_cell(found: DependencyPreview | None) -> Cell:
    if found is None:
        return NOTHING
    tip = "\n".join(filter(None, (_versions(found), found.note)))
    match found.change:
        case DependencyChange.PRESENT:
            return Cell((_part(Condition.SAME, "same", "t3"),), "same", tip)
        case DependencyChange.INSTALL:
            return Cell((_part(Condition.INSTALL, "install"),), "install", tip)
        case DependencyChange.MISSING if found.required:
            return Cell((_part(Condition.REFUSED, "missing", "failed"),), "missing, required", tip)
        case DependencyChange.MISSING:
            return Cell((_part(Condition.ABSENT, "missing", "t3"),), "missing, optional", tip)
        case _:
            return Cell((_part(Condition.UNKNOWN, "not checked", "t3"),), "not checked", tip)


def _versions(found: DependencyPreview) -> str:
    parts = (("installs", found.offered), ("found", found.found), ("wanted", found.wanted))
    return ", ".join(f"{word} {visible(version)}" for word, version in parts if version)


def _instrument_cell(found: InstrumentPreview | None) -> Cell:
    if found is None:
        return NOTHING
    word = found.presence.value
    match found.presence:
        case InstrumentPresence.ON:
            return Cell((_part(Condition.ON, word, "t2"),), word, found.note)
        case _ if found.want is Want.REQUIRED and not found.comes:
            return Cell((_part(Condition.REFUSED, word, "failed"),), f"{word}, required", found.note)
        case InstrumentPresence.NOT_CHECKED:
            return Cell((_part(Condition.UNKNOWN, word, "t3"),), word, found.note)
        case _:
            return Cell((_part(Condition.ABSENT, word, "t3"),), word, found.note)


def _verdict_cell(preview: EnvironmentPreview) -> Cell:
    match preview.verdict:
        case Verdict.REFUSED:
            tip = "\n".join(f"{each.code}: {each.message}" for each in preview.refusals)
            return Cell((_part(Condition.REFUSED, "Refused, will fail", "failed"),), "Refused, will fail", tip)
        case Verdict.SAME:
            return Cell((_part(Condition.SAME, "Nothing to send", "t3"),), "Nothing to send, one check")
        case _:
            reboot = (f"boots {preview.reboot}",) if preview.reboot else ()
            tip = "\n".join((*reboot, *preview.switches, *preview.notices))
            return Cell((Part("Deploy", "t2", "arrow-right", "t2"),), "Deploy", tip)


def headline(rows: Sequence[Row]) -> tuple[str, str]:
    """The sentence above the grid: its strong part and its rest."""
    refused = sum(each.refused for each in rows)
    planning = sum(each.preview is None for each in rows)
    count = len(rows) - refused
    if not planning and count and all(each.refused or _is_same(each) for each in rows):
        others = f", {refused} refused" if refused else ""
        return "Everything is the same", f": one check each, nothing to send{others}"
    if planning and planning == len(rows):
        return plural(planning, "environment"), f" {'is' if planning == 1 else 'are'} being planned"
    rest = " can be deployed" + (f", {refused} {'is' if refused == 1 else 'are'} refused" if refused else "")
    return plural(count, "environment"), rest + (f", {planning:,} being planned" if planning else "")


def _is_same(row: Row) -> bool:
    return row.preview is not None and row.preview.verdict is Verdict.SAME


def footer(previews: Iterable[EnvironmentPreview]) -> str:
    """What the run will do, for the line beside the button."""
    chosen = [each for each in previews if not each.refusals]
    files = sum(len(each.sent) for each in chosen)
    packages = sum(len(each.installed) for each in chosen)
    if not chosen:
        return ""
    sends = f"Sends {plural(files, 'file')} ({size(sum(each.bytes_to_send for each in chosen))})"
    installs = f" and installs {plural(packages, 'package')}" if packages else ""
    if not files and not packages and all(each.verdict is Verdict.SAME for each in chosen):
        return "Sends nothing: one check for each environment."
    return f"{sends}{installs}. Files come into place all together or not at all."
