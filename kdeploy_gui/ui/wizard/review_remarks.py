"""What a person should know before deploying: mistakes, refusals, and what the run goes on without. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from kdeploy_gui.errors import Category
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.preview import (
    DependencyChange,
    EnvironmentPreview,
    InstrumentPresence,
)
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.ui.errors.causes import headline
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.wizard.review_rows import plural

NAMED = 3
"""Environments that a remark names; the rest it counts."""


class Act(Enum):
    """What a link of a remark does; the value is its text."""

    FIELD = "Show field"
    TRUST = "Compare keys"
    FILE = "Show file"
    LEAVE_OUT = "Leave out"
    SHOW = "Show which"


@dataclass(frozen=True, slots=True)
class Remark:
    """One line of the list: about environments (`names`) or a `field` of the draft. `tip` says all there is to say."""

    condition: Condition
    title: str
    text: str
    acts: tuple[Act, ...]
    names: tuple[str, ...] = ()
    field: str = ""
    tip: str = ""


def remarks_of(problems: Sequence[Problem], previews: Sequence[EnvironmentPreview]) -> tuple[Remark, ...]:
    """All remarks, what stops the run first."""
    return (
        *(Remark(Condition.FAILED, each.message, each.field, (Act.FIELD,), field=each.field) for each in problems),
        *_refusals(previews),
        *_reboots(previews),
        *_notices(previews),
        *_missing(previews),
        *_instruments(previews),
    )


def _refusals(previews: Iterable[EnvironmentPreview]) -> Iterator[Remark]:
    """Environments refused for the same reason go together."""
    groups: dict[tuple[str, str], list[tuple[str, Failure]]] = {}
    for each in previews:
        for failure in each.refusals:
            message = failure.message.replace(each.environment, "\0")
            groups.setdefault((failure.code, message), []).append((each.environment, failure))
    for (code, _), found in groups.items():
        names = tuple(name for name, _ in found)
        first = found[0][1]
        subject = names[0] if len(names) == 1 else plural(len(names), "environment")
        verb = "is" if len(names) == 1 else "are"
        text = f"{code} {headline(first.message)}. It will fail as things stand."
        tip = "\n".join(filter(None, (", ".join(names), first.message, first.on_target, first.remedy)))
        yield Remark(Condition.REFUSED, f"{subject} {verb} refused", text, _acts(names, first), names, tip=tip)


def _acts(names: Sequence[str], failure: Failure) -> tuple[Act, ...]:
    """What can be done about a refusal: look at its cause, or leave the environments out."""
    if len(names) == 1 and failure.category is Category.TRUST:
        return (Act.TRUST, Act.LEAVE_OUT)
    return (Act.FILE, Act.LEAVE_OUT) if failure.where.path else (Act.LEAVE_OUT,)


def _reboots(previews: Iterable[EnvironmentPreview]) -> Iterator[Remark]:
    groups: dict[str, list[str]] = {}
    for each in previews:
        if each.reboot and not each.refusals:
            groups.setdefault(each.reboot, []).append(each.environment)
    for words, names in groups.items():
        verb = "is rebooted" if len(names) == 1 else "are rebooted"
        title = f"{plural(len(names), 'environment')} {verb}"
        yield Remark(Condition.INFORMATION, title, f"The run boots {words}.", (Act.SHOW,), tuple(names))


def _notices(previews: Iterable[EnvironmentPreview]) -> Iterator[Remark]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for each in previews:
        for notice in () if each.refusals else each.notices:
            groups.setdefault(notice.partition(":")[0], []).append((each.environment, notice))
    for subject, found in groups.items():
        names = tuple(name for name, _ in found)
        verb = "fails" if len(names) == 1 else "fail"
        title = f"{plural(len(names), 'environment')} {verb} the check '{subject}' now"
        yield Remark(Condition.WARNING, title, f"{_named(names)}: {found[0][1]}", (Act.SHOW,), names)


def _missing(previews: Iterable[EnvironmentPreview]) -> Iterator[Remark]:
    groups: dict[str, list[str]] = {}
    for each in previews:
        for dependency in () if each.refusals else each.dependencies:
            if dependency.change is DependencyChange.MISSING and not dependency.required:
                groups.setdefault(dependency.label, []).append(each.environment)
    for label, names in groups.items():
        title = f"{label} is missing in {plural(len(names), 'environment')}"
        yield Remark(
            Condition.INFORMATION, title, "It is optional, so the run goes on without it.", (Act.SHOW,), tuple(names)
        )


def _instruments(previews: Iterable[EnvironmentPreview]) -> Iterator[Remark]:
    groups: dict[tuple[str, InstrumentPresence], list[str]] = {}
    for each in previews:
        for instrument in () if each.refusals else each.instruments:
            if instrument.presence is not InstrumentPresence.ON and not instrument.comes:
                groups.setdefault((instrument.title, instrument.presence), []).append(each.environment)
    words = {InstrumentPresence.ABSENT: "is absent", InstrumentPresence.OFF: "is off"}
    for (title, presence), names in groups.items():
        what = words.get(presence, "cannot be checked")
        yield Remark(
            Condition.INFORMATION,
            f"{title} {what} in {plural(len(names), 'environment')}",
            "It is wanted, not required, so the run goes on without it.",
            (Act.SHOW,),
            tuple(names),
        )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def is_refusing(remark: Remark) -> bool:
    """Whether it keeps an environment, or everything, from being deployed."""
    return remark.condition in {Condition.FAILED, Condition.REFUSED}


def tally(remarks: Sequence[Remark]) -> str:
    """`1 refused, 3 to know`."""
    problems = sum(each.condition is Condition.FAILED for each in remarks)
    refused = len({name for each in remarks if each.condition is Condition.REFUSED for name in each.names})
    known = sum(not is_refusing(each) for each in remarks)
    parts = [
        plural(problems, "to solve", "to solve") if problems else "",
        f"{refused} refused" if refused else "",
        f"{known} to know" if known else "",
    ]
    return ", ".join(filter(None, parts)) or "none"
