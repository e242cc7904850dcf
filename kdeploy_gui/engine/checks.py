"""Readiness checks: facts and files against limits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kdeploy_gui.model.event import CheckDone
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.files import FileState, ManifestEntry
from kdeploy_gui.model.health import Health
from kdeploy_gui.model.plan import Validation
from kdeploy_gui.model.version import Version, VersionRange

NO_LIMIT = "no limit set"
NAMED = 10
"""Wrong files that a check names; the rest it counts."""


def readiness_checks(
    limits: Validation,
    boot_id: str,
    facts: Facts,
    manifest: Sequence[ManifestEntry],
    states: Mapping[str, FileState],
) -> tuple[CheckDone, ...]:
    """All checks, the failed ones too; `boot_id` is that of the stages before, `facts` are those of now."""
    return (
        _files(manifest, states),
        CheckDone(
            "boot", bool(boot_id) and facts.boot_id == boot_id, facts.boot_id or "no boot id", boot_id or "any boot id"
        ),
        _kernel(limits, facts),
        CheckDone(
            "arch", not limits.arch or facts.machine in limits.arch, facts.machine, ", ".join(limits.arch) or NO_LIMIT
        ),
        CheckDone(
            "memory",
            limits.memory is None or facts.memory_available >= limits.memory,
            _size(facts.memory_available),
            _at_least(limits.memory),
        ),
        *_disks(limits, facts),
        CheckDone(
            "load",
            limits.load is None or facts.load <= limits.load,
            f"{facts.load:.2f}",
            NO_LIMIT if limits.load is None else f"at most {limits.load:.2f}",
        ),
        CheckDone(
            "clock_skew",
            limits.clock_skew is None or abs(facts.clock_skew) <= limits.clock_skew,
            f"{facts.clock_skew:+.1f} s",
            NO_LIMIT if limits.clock_skew is None else f"at most {limits.clock_skew:g} s",
        ),
        *_temperature(limits, facts),
        *(
            CheckDone(f"tool {tool}", bool(facts.tools.get(tool)), facts.tools.get(tool) or "missing", "present")
            for tool in limits.tools
        ),
    )


def _files(manifest: Sequence[ManifestEntry], states: Mapping[str, FileState]) -> CheckDone:
    wrong = [each for entry in manifest for each in entry.differences(states[entry.path])]
    more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
    value = f"{len(manifest)} as declared" if not wrong else "; ".join(wrong[:NAMED]) + more
    return CheckDone("files", not wrong, value, "all as declared")


def _kernel(limits: Validation, facts: Facts) -> CheckDone:
    if not limits.kernel:
        return CheckDone("kernel", True, facts.kernel_release, NO_LIMIT)
    try:
        version = Version.parse(facts.kernel_release)
    except ValueError:
        return CheckDone("kernel", False, facts.kernel_release, limits.kernel)
    return CheckDone("kernel", VersionRange.parse(limits.kernel).contains(version), facts.kernel_release, limits.kernel)


def _disks(limits: Validation, facts: Facts) -> Iterator[CheckDone]:
    for path, least in limits.disk.items():
        free = facts.disks[path].free_bytes if path in facts.disks else 0
        yield CheckDone(f"disk {path}", free >= least, _size(free), _at_least(least))


def _temperature(limits: Validation, facts: Facts) -> Iterator[CheckDone]:
    """Only where there is a limit: most machines have no sensor, and one that is not known is not within it."""
    if limits.temperature is not None:
        health = facts.health or Health()
        cool = health.temperature is not None and health.temperature <= limits.temperature
        yield CheckDone("temperature", cool, health.heat, f"at most {limits.temperature:g} °C")


def _size(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"


def _at_least(size: int | None) -> str:
    return NO_LIMIT if size is None else f"at least {_size(size)}"
