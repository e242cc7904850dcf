"""`kdeploy plan show`: what a run would do, per environment and file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kdeploy_gui.cli.output import fields
from kdeploy_gui.cli.text import count
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.preview import (
    DependencyChange,
    DependencyPreview,
    EnvironmentPreview,
    FileChange,
    FilePreview,
    Verdict,
)
from kdeploy_gui.model.visible import visible

if TYPE_CHECKING:
    from kdeploy_gui.app import Services
    from kdeploy_gui.model.plan import Plan

SIGNS = {"context": " ", "added": "+", "removed": "-", "hunk": ""}


def previews_of(opened: Services, plan: Plan) -> list[EnvironmentPreview]:
    """What a run of this plan would do, in the plan's order. Ctrl-C ends the looks."""
    previews: list[EnvironmentPreview] = []
    looking = opened.previews(plan, previews.append)
    try:
        looking.result()
    finally:
        looking.cancel()
    order = [each.name for each in plan.environments]
    return sorted(previews, key=lambda each: order.index(each.environment))


def shape(preview: EnvironmentPreview) -> dict[str, object]:
    """One environment for machines; modes as octal strings."""
    files = [{**fields(each), "mode": f"{each.mode:04o}", "old_mode": f"{each.old_mode:04o}"} for each in preview.files]
    return {**fields(preview), "verdict": preview.verdict, "bytes_to_send": preview.bytes_to_send, "files": files}


def lines(preview: EnvironmentPreview) -> Iterator[str]:
    """One environment for people."""
    sends = f", sends {count(len(preview.sent), 'file')} ({size(preview.bytes_to_send)})" if preview.sent else ""
    yield f"{preview.environment}: {preview.verdict}{sends}"
    for refusal in preview.refusals:
        yield f"  refused     {refusal.code}: {visible(refusal.message)}"
        if refusal.remedy:
            yield f"              {visible(refusal.remedy)}"
    for file in preview.files:
        if file.change is not FileChange.SAME:
            yield from _file(file)
    same = preview.count(FileChange.SAME)
    if same:
        yield f"  same        {count(same, 'file')}"
    yield from (_dependency(each) for each in preview.dependencies if each.change is not DependencyChange.PRESENT)
    for each in preview.instruments:
        yield f"  {each.presence:<11} {each.title} ({each.want}){_after(each.note)}"
    if preview.reboot:
        yield f"  reboot      boots {visible(preview.reboot)}"
    yield from (f"  versioned   {visible(each)}" for each in preview.switches)
    yield from (f"  would fail  {visible(each)}" for each in preview.notices)


def _file(file: FilePreview) -> Iterator[str]:
    yield f"  {file.change:<11} {visible(file.target)}  {', '.join(_changes(file))}"
    yield from (f"    {SIGNS[each.kind]}{visible(each.text)}" for each in file.diff)


def _changes(file: FilePreview) -> Iterator[str]:
    if file.change is FileChange.NEW:
        yield f"mode {file.mode:04o}"
        yield size(file.size)
    if file.mode_changes:
        yield f"mode {file.old_mode:04o} to {file.mode:04o}"
    if file.owner_changes:
        yield f"owner {visible(file.old_owner)} to {visible(file.owner)}"
    if file.content_changes:
        yield f"{size(file.old_size)} to {size(file.size)}"
    if file.note:
        yield file.note


def _dependency(dependency: DependencyPreview) -> str:
    label = dependency.label if dependency.required else f"{dependency.label} (optional)"
    found = f", found {visible(dependency.found)}" if dependency.found else ""
    offered = f" {visible(dependency.offered)}" if dependency.offered else ""
    wanted = f", wanted {dependency.wanted}" if dependency.wanted else ""
    return f"  {dependency.change:<11} {label}{offered}{found}{wanted}{_after(dependency.note)}"


def _after(note: str) -> str:
    return f": {visible(note)}" if note else ""


def summary(previews: Sequence[EnvironmentPreview]) -> str:
    """All environments in one sentence."""
    refused = sum(each.verdict is Verdict.REFUSED for each in previews)
    files = sum(len(each.sent) for each in previews)
    packages = sum(len(each.installed) for each in previews)
    total = size(sum(each.bytes_to_send for each in previews))
    parts = [f"would send {count(files, 'file')} ({total})", f"install {count(packages, 'package')}"]
    return f"{count(len(previews) - refused, 'environment')} {' and '.join(parts)}; {refused} refused"
