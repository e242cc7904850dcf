"""PlanDraft -> plan.toml: a new text, or the user's own one with what has changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kdeploy_gui.documents.field_types import BYTES, duration_text
from kdeploy_gui.documents.plan_file import PlanFile, plan_of
from kdeploy_gui.documents.positions import KeyPath, Outline, field_path
from kdeploy_gui.documents.toml_edit import edited
from kdeploy_gui.documents.toml_source import Document, parse
from kdeploy_gui.model.plan import Artifact, Dependency, Layout, PlanDraft, Policy, Validation
from kdeploy_gui.ports import Instruments

Raw = dict[str, Any]
"""A table as TOML has it; None stands for a key that is not written."""
TABLES: tuple[KeyPath, ...] = (("policy",), ("instrumentation",), ("validation",))
"""Tables that stay with their comments when they become empty."""
_EMPTY = Document("", "", {}, Outline())


def write_plan(draft: PlanDraft, previous: str, instruments: Instruments) -> str:
    """A draft, also an unfinished one, as the text of a plan file.

    Of `previous` everything stays that still says the same, and every key that this program does not know. A text that
    is no TOML is replaced.
    """
    document = parse("", previous.encode(errors="surrogatepass"))
    if not isinstance(document, Document):
        document = _EMPTY
    before = plan_of(document, instruments, "")
    merge = _Merge(before)
    aliases = {instruments.canonical(key): key for key in _table_of(document.data, "instrumentation")}
    origins = {
        "artifacts": _origins(draft.artifacts, merge.old.artifacts, document.data.get("artifacts"), _same_artifact),
        "dependencies": _origins(
            draft.dependencies, merge.old.dependencies, document.data.get("dependencies"), _same_dependency
        ),
    }
    return edited(document, merge.merged(draft, document.data, origins, aliases), origins)


class _Merge:
    """What the file shall say: its own values where they still mean what the draft says, else the draft's."""

    def __init__(self, before: PlanFile) -> None:
        self.old = before.draft or PlanDraft(name="", environments=())
        self._wrong = {each.field for each in before.problems}

    def merged(
        self,
        draft: PlanDraft,
        present: Mapping[str, Any],
        origins: Mapping[str, Sequence[int | None]],
        aliases: Mapping[str, str],
    ) -> Raw:
        new, old, usual = _plan(draft), _plan(self.old), _plan(PlanDraft(name="", environments=()))
        for each in (new, old):
            wants = each["instrumentation"]
            each["instrumentation"] = {aliases.get(key, key): value for key, value in wants.items()}
        del usual["name"], usual["environments"]
        lists = {key: (new.pop(key), old.pop(key)) for key in origins}
        result = self._table((), new, old, usual, present)
        for key, (now, was) in lists.items():
            if now == was and None not in origins[key]:
                continue
            elements = self._elements(key, now, was, present.get(key), origins[key])
            if elements:
                result[key] = elements
            else:
                result.pop(key, None)
        return result

    def _elements(
        self, key: str, new: list[Raw], old: list[Raw], present: Any, origins: Sequence[int | None]
    ) -> list[Raw]:
        usual = _USUAL[key]
        return [
            self._table((key,), each, {}, usual, {})
            if origin is None
            else self._table((key, origin), each, old[origin], usual, present[origin])
            for each, origin in zip(new, origins, strict=True)
        ]

    def _table(self, path: KeyPath, new: Raw, old: Raw, usual: Raw, present: Mapping[str, Any]) -> Raw:
        result = {key: value for key, value in present.items() if key in new or key not in old}
        for key, value in new.items():
            where = (*path, key)
            if isinstance(value, dict):
                was, there = old.get(key) or {}, _table_of(present, key)
                inner = self._table(where, value, was, usual.get(key) or {}, there)
                if inner or (key in present and (not was or where in TABLES)):
                    result[key] = inner
                else:
                    result.pop(key, None)
            elif key not in present:
                if value is not None and value != usual.get(key):
                    result[key] = value
            elif value != old.get(key) or (value and field_path(where) in self._wrong):
                if value is None:
                    del result[key]
                else:
                    result[key] = value
        return result


def _table_of(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, Mapping) else {}


def _origins(new: Sequence[Any], old: Sequence[Any], present: object, same: Sequence[Any]) -> list[int | None]:
    """Which old element each new one is: an equal one, else one alike in ever less, none twice."""
    found: list[int | None] = [None] * len(new)
    if not isinstance(present, list) or len(present) != len(old):
        return found
    left = list(range(len(old)))
    for identity in same:
        for position, each in enumerate(new):
            if found[position] is None:
                match = next((index for index in left if identity(old[index]) == identity(each)), None)
                if match is not None:
                    found[position] = match
                    left.remove(match)
    return found


_same_artifact = (
    lambda each: each,
    lambda each: (each.source, each.target),
    lambda each: each.source,
    lambda each: each.target,
)
_same_dependency = (lambda each: (each.name, each.tool, each.pip),)


def _plan(draft: PlanDraft) -> Raw:
    """Every key of the contract that a draft has."""
    wants = {name: want.value for name, want in draft.instrumentation.wants.items()}
    return {
        "name": draft.name,
        "environments": list(draft.environments),
        "policy": _policy(draft.policy),
        "artifacts": [_artifact(each) for each in draft.artifacts],
        "dependencies": [_dependency(each) for each in draft.dependencies],
        "instrumentation": {
            **wants,
            "may_reboot": draft.instrumentation.may_reboot,
            "may_switch": draft.instrumentation.may_switch,
            "kernel_params": list(draft.instrumentation.kernel_params) or None,
        },
        "validation": _validation(draft.validation),
    }


def _policy(policy: Policy) -> Raw:
    backoff = policy.backoff
    return {
        "priority": policy.priority,
        "max_parallel": policy.max_parallel,
        "retries": policy.retries,
        "backoff": {
            "initial": duration_text(backoff.initial),
            "factor": _number(backoff.factor),
            "max": duration_text(backoff.maximum),
            "jitter": _number(backoff.jitter),
        },
        "stage_timeout": duration_text(policy.stage_timeout),
        "rollback": policy.rollback.value,
        "keep_versions": policy.keep_versions,
        "splats": policy.splats.value,
    }


def _artifact(artifact: Artifact) -> Raw:
    return {
        "source": artifact.source,
        "type": artifact.type.value if artifact.type else None,
        "target": artifact.target,
        "mode": None if artifact.mode is None else f"{artifact.mode:04o}",
        "owner": artifact.owner or None,
        "sensitive": artifact.sensitive,
        "allow_setuid": artifact.allow_setuid,
        "layout": artifact.layout.value,
        "depends_on": list(artifact.depends_on) or None,
    }


def _dependency(dependency: Dependency) -> Raw:
    return {
        "name": dependency.name or None,
        "tool": dependency.tool or None,
        "pip": dependency.pip or None,
        "version": dependency.version or None,
        "names": dict(dependency.names),
        "files": list(dependency.files) or None,
        "required": dependency.required,
    }


def _validation(validation: Validation) -> Raw:
    return {
        "kernel": validation.kernel or None,
        "arch": list(validation.arch) or None,
        "kernel_config": list(validation.kernel_config) or None,
        "memory": None if validation.memory is None else _size(validation.memory),
        "disk": {path: _size(least) for path, least in validation.disk.items()},
        "load": None if validation.load is None else _number(validation.load),
        "network": list(validation.network) or None,
        "tools": list(validation.tools) or None,
        "clock_skew": None if validation.clock_skew is None else duration_text(validation.clock_skew),
        "temperature": None if validation.temperature is None else f"{validation.temperature:g}C",
    }


def _number(value: float) -> int | float:
    return int(value) if math.isfinite(value) and value.is_integer() and abs(value) < 1e15 else value


def _size(size: int) -> str | int:
    """Binary units where the number is whole in one."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % BYTES[unit] == 0 and size // BYTES[unit] < 10**15:
            return f"{size // BYTES[unit]}{unit}"
    return size


_USUAL: Mapping[str, Raw] = {
    "artifacts": {"sensitive": False, "allow_setuid": False, "layout": Layout.FILES.value},
    "dependencies": {"required": True},
}
