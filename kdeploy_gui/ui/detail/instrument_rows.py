"""The instrument matrix as rows of words. Pure: what a run told and what a look found in, rows out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from kdeploy_gui.model.check import InstrumentLook
from kdeploy_gui.model.event import Event, InstrumentState
from kdeploy_gui.model.instrument import Instrument, State
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.states import Condition

HEADERS = ("Instrument", "Wanted", "Built in", "Reachable", "On", "Proven")
MEANINGS = (
    "What it is",
    "Whether the plan requires it, would like to have it, or does not ask",
    "Whether this kernel was built with it: by its own configuration, else by its symbols",
    "Whether its files or tools can be reached on the machine",
    "Whether it works now: spent instruments are silent until the next boot",
    "Whether it was seen working in this boot",
)
STATES: Mapping[str, Condition] = {
    State.PROVEN.value: Condition.PROVEN,
    State.ACTIVE.value: Condition.ACTIVE,
    State.SPENT.value: Condition.SPENT,
    State.OFF.value: Condition.OFF,
    State.ABSENT.value: Condition.ABSENT,
}
_WANTED = {"required": Condition.REQUIRED, "wanted": Condition.WANTED}
_ORDER = (State.SPENT, State.PROVEN, State.ACTIVE, State.OFF, State.UNKNOWN, State.ABSENT)
_LOG_AND_PROOF = ("dmesg", "proof: ", "/proc/kallsyms", "/proc/cmdline", "/proc/sys/kernel/tainted")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: the glyph of a condition, and words. Without a condition it has words only."""

    text: str
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One instrument; `read` is when it was looked at.

    Without a state it is the head of the rows that follow, with their number as its cell.
    """

    title: str
    cells: tuple[Cell, ...]
    state: InstrumentState | None = None
    read: datetime | None = None
    finds: str = ""

    @property
    def condition(self) -> Condition:
        """Its state."""
        return STATES.get(self.state.state, Condition.UNKNOWN) if self.state is not None else Condition.UNKNOWN


def told(events: Iterable[Event]) -> Mapping[str, Event]:
    """The newest event of a run about each instrument."""
    return {event.body.instrument: event for event in events if isinstance(event.body, InstrumentState)}


def rows(
    catalogue: Sequence[Instrument], run: Mapping[str, Event], look: InstrumentLook | None, plan: str
) -> tuple[Row, ...]:
    """The matrix: what was asked for first, each instrument as it was found last."""
    found = {each.instrument: each for each in look.instruments} if look is not None else {}
    asked: list[Row] = []
    others: list[Row] = []
    for instrument in catalogue:
        event, seen = run.get(instrument.name), found.get(instrument.name)
        state = event.body if event is not None and isinstance(event.body, InstrumentState) else None
        read = event.time if event is not None else None
        if seen is not None and look is not None and (read is None or look.time >= read):
            state, read = replace(seen, wanted=state.wanted if state is not None else seen.wanted), look.time
        if state is not None:
            (asked if state.wanted in _WANTED else others).append(_row(instrument, state, read))
    asked.sort(key=lambda row: row.state is not None and row.state.wanted != "required")
    others.sort(key=lambda row: _ORDER.index(State(row.state.state)) if row.state is not None else 0)
    by = visible(plan) if plan else "its last run"
    return (*_part(f"Asked for by {by}", asked), *_part("Found, not asked for", others))


def _part(title: str, part: Sequence[Row]) -> tuple[Row, ...]:
    return (Row(title, (Cell(str(len(part))),)), *part) if part else ()


def _row(instrument: Instrument, state: InstrumentState, read: datetime | None) -> Row:
    lacks = state.state == State.ABSENT.value
    cells = (
        Cell(instrument.title),
        _wanted(state.wanted),
        _answer(state.built_in, _built(state), blank=not instrument.config),
        _answer(state.reachable, "" if lacks else _reached(state), blank=lacks),
        _on(state, blank=lacks),
        _proven(state),
    )
    return Row(instrument.title, cells, state, read, instrument.finds)


def _wanted(want: str) -> Cell:
    condition = _WANTED.get(want, Condition.OFF)
    return Cell(condition.word, condition)


def _answer(answer: str, detail: str, *, blank: bool = False) -> Cell:
    if blank:
        return Cell("")
    match answer:
        case "yes":
            return Cell(detail or "Yes", Condition.ON)
        case "no":
            return Cell(detail or "No", Condition.ABSENT)
        case _:
            return Cell("Unknown", Condition.UNKNOWN)


def _built(state: InstrumentState) -> str:
    """The option that says so, else what else did."""
    for each in state.evidence:
        if each.value.startswith("CONFIG_"):
            option, _, value = each.value.partition(",")[0].removeprefix("CONFIG_").partition("=")
            return visible(f"{option}={value}" if value != "n" else f"{option} not set")
    symbols = any(each.path == "/proc/kallsyms" for each in state.evidence)
    return "its symbols are there" if symbols and state.built_in == "yes" else ""


def _reached(state: InstrumentState) -> str:
    """The first file or tool that was read, other than what tells how the kernel was built."""
    for each in state.evidence:
        if not each.value.startswith("CONFIG_") and not each.path.startswith(_LOG_AND_PROOF):
            return visible(each.path)
    return ""


def _on(state: InstrumentState, *, blank: bool) -> Cell:
    if blank:
        return Cell("")
    if state.state == State.SPENT.value:
        return Cell("Silent until the next boot", Condition.WARNING)
    return {"yes": Cell("On", Condition.ON), "no": Cell("Off", Condition.ABSENT)}.get(
        state.on, Cell("Unknown", Condition.UNKNOWN)
    )


def _proven(state: InstrumentState) -> Cell:
    condition = STATES.get(state.state, Condition.UNKNOWN)
    proofs = [each.value for each in state.evidence if each.path.startswith("proof: ")]
    if condition is Condition.ABSENT:
        return Cell(condition.word, condition)
    detail = state.note or (proofs[0] if proofs and condition is Condition.PROVEN else "")
    return Cell(visible(f"{condition.word}: {detail}" if detail else condition.word), condition)


@dataclass(frozen=True, slots=True)
class Notice:
    """What stands above the matrix: what is the matter, and what would help."""

    what: str
    remedy: str


def notice(matrix: Sequence[Row], look: InstrumentLook | None, boot_id: str) -> Notice | None:
    """The first thing that is the matter with what the matrix says; `boot_id` is the present boot, as far as known."""
    if look is not None and look.failure is not None:
        return Notice(_sentence(look.failure.message), look.failure.remedy)
    known = [(row, row.state) for row in matrix if row.state is not None]
    if boot_id and any(state.boot_id and state.boot_id != boot_id for _, state in known):
        return Notice("The machine has booted since", "Some values are those of an earlier boot. Check again.")
    spent = [(row.title, state) for row, state in known if state.state == State.SPENT.value]
    if spent:
        names = " and ".join(filter(None, (", ".join(name for name, _ in spent[:-1]), spent[-1][0])))
        report = "report" if len(spent) > 1 else "reports"
        return Notice(f"{names} {report} nothing more in this boot", _sentence(spent[0][1].remedy))
    off = [(row.title, state) for row, state in known if state.wanted == "required" and state.on != "yes"]
    if off:
        names = ", ".join(name for name, _ in off)
        return Notice(f"Required, and not shown to be on: {names}", _sentence(off[0][1].remedy or off[0][1].note))
    return None


def counts(matrix: Sequence[Row]) -> tuple[tuple[Condition, int], ...]:
    """How many of what was asked for are in each state, those that are there at all."""
    asked = [row for row in matrix if row.state is not None and row.state.wanted in _WANTED]
    shown = asked or [row for row in matrix if row.state is not None]
    order = (*STATES.values(), Condition.UNKNOWN)
    found = [(each, sum(row.condition is each for row in shown)) for each in order]
    return tuple((each, number) for each, number in found if number)


def evidence_text(row: Row) -> str:
    """The evidence as plain lines, for the clipboard."""
    state = row.state
    if state is None:
        return row.title
    head = f"{row.title}: {state.state}{f' ({state.note})' if state.note else ''}"
    read = [f"read: {row.read.astimezone().isoformat(timespec='seconds')}"] if row.read is not None else []
    lines = [f"{each.path}: {'not read: ' if each.failed else ''}{each.value}" for each in state.evidence]
    remedy = [f"what would help: {state.remedy}"] if state.remedy else []
    return "\n".join(map(visible, [head, f"boot: {state.boot_id}", *read, *lines, *remedy]))


def _sentence(text: str) -> str:
    return visible(f"{text[:1].upper()}{text[1:]}{'' if not text or text.endswith('.') else '.'}")
