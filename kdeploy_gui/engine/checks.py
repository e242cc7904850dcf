"""Readiness checks: facts and files against limits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from kdeploy_gui.errors import Evidence, ReadinessError
from kdeploy_gui.model.event import CheckDone
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.files import FileState, ManifestEntry
from kdeploy_gui.model.health import Health
from kdeploy_gui.model.plan import Validation
from kdeploy_gui.model.version import Version, VersionRange
from kdeploy_gui.ports import Remedies

NO_LIMIT = "no limit set"
NAMED = 10
"""Wrong files that a check names; the rest it counts."""


def with_reason(check: CheckDone, code: str, evidence: str) -> CheckDone:
    """A check with the code that names its remedy and the evidence for its value, where it says no."""
    return check if check.ok else replace(check, code=code, evidence=evidence)


def with_remedy(check: CheckDone, remedies: Remedies, environment: str) -> CheckDone:
    """A check with what would help, where it says no."""
    if check.ok:
        return check
    error = ReadinessError(check.code, check.value, subject=check.subject, value=check.value, limit=check.limit)
    return replace(check, remedy=remedies.remedy(error, environment))


def words_of(check: CheckDone) -> str:
    """A check with value and limit, in one line."""
    return f"{check.check}: {check.value}, allowed {check.limit}"


def refusal(failed: Sequence[CheckDone], message: str, *, on_target: str = "", then: str = "") -> ReadinessError:
    """One error for checks that failed: value, limit, evidence and remedy of each; `then` is what comes next."""
    alone = len(failed) == 1
    remedies = [each.remedy if alone else f"{each.check}: {each.remedy}" for each in failed]
    return ReadinessError(
        "E-CHECK",
        f"{message}: {'; '.join(map(words_of, failed))}",
        on_target=on_target,
        evidence=Evidence("readiness checks", stderr="\n".join(f"{each.check}: {each.evidence}" for each in failed)),
        remedies="\n".join(filter(None, (*remedies, then))),
    )


def readiness_checks(
    limits: Validation, boot_id: str, facts: Facts, manifest: Sequence[ManifestEntry]
) -> tuple[CheckDone, ...]:
    """All checks, the failed ones too; `boot_id` is that of the stages before, `facts` those of now with all files."""
    return (
        _files(manifest, facts.files),
        _boot(boot_id, facts),
        with_reason(_kernel(limits, facts), "E-CHECK-KERNEL", f"uname -r says {facts.kernel_release or 'nothing'}"),
        _arch(limits, facts),
        _memory(limits, facts),
        *_disks(limits, facts),
        _load(limits, facts),
        _clock(limits, facts),
        *_temperature(limits, facts),
    )


def _files(manifest: Sequence[ManifestEntry], states: Mapping[str, FileState]) -> CheckDone:
    wrong = [each for entry in manifest for each in entry.differences(states[entry.path])]
    more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
    value = f"{len(manifest)} as declared" if not wrong else "; ".join(wrong[:NAMED]) + more
    check = CheckDone("files", not wrong, value, "all as declared")
    return with_reason(check, "E-CHECK-FILES", "content, mode and owner were read again there")


def _boot(boot_id: str, facts: Facts) -> CheckDone:
    same = bool(boot_id) and facts.boot_id == boot_id
    check = CheckDone("boot", same, facts.boot_id or "no boot id", boot_id or "any boot id")
    return with_reason(check, "E-CHECK-BOOT", "read in /proc/sys/kernel/random/boot_id")


def _kernel(limits: Validation, facts: Facts) -> CheckDone:
    if not limits.kernel:
        return CheckDone("kernel", True, facts.kernel_release, NO_LIMIT)
    try:
        version = Version.parse(facts.kernel_release)
    except ValueError:
        return CheckDone("kernel", False, facts.kernel_release, limits.kernel)
    return CheckDone("kernel", VersionRange.parse(limits.kernel).contains(version), facts.kernel_release, limits.kernel)


def _arch(limits: Validation, facts: Facts) -> CheckDone:
    allowed = not limits.arch or facts.machine in limits.arch
    check = CheckDone("arch", allowed, facts.machine, ", ".join(limits.arch) or NO_LIMIT)
    return with_reason(check, "E-CHECK-ARCH", f"uname -m says {facts.machine or 'nothing'}")


def _memory(limits: Validation, facts: Facts) -> CheckDone:
    enough = limits.memory is None or facts.memory_available >= limits.memory
    check = CheckDone("memory", enough, _size(facts.memory_available), _at_least(limits.memory))
    seen = f"MemAvailable in /proc/meminfo, of {_size(facts.memory_total)} in all"
    return with_reason(check, "E-CHECK-MEMORY", seen)


def _disks(limits: Validation, facts: Facts) -> Iterator[CheckDone]:
    for path, least in limits.disk.items():
        disk = facts.disks.get(path)
        free = disk.free_bytes if disk else 0
        seen = f"df says so of {disk.mount or path}" if disk else "df says nothing of it"
        check = CheckDone(f"disk {path}", free >= least, _size(free), _at_least(least))
        yield with_reason(check, "E-CHECK-DISK", seen)


def _load(limits: Validation, facts: Facts) -> CheckDone:
    limit = NO_LIMIT if limits.load is None else f"at most {limits.load:.2f}"
    check = CheckDone("load", limits.load is None or facts.load <= limits.load, f"{facts.load:.2f}", limit)
    return with_reason(check, "E-CHECK-LOAD", "the last minute in /proc/loadavg")


def _clock(limits: Validation, facts: Facts) -> CheckDone:
    within = limits.clock_skew is None or abs(facts.clock_skew) <= limits.clock_skew
    limit = NO_LIMIT if limits.clock_skew is None else f"at most {limits.clock_skew:g} s"
    check = CheckDone("clock_skew", within, f"{facts.clock_skew:+.1f} s", limit)
    return with_reason(check, "E-CHECK-CLOCK", "date there, compared with this workstation's clock")


def _temperature(limits: Validation, facts: Facts) -> Iterator[CheckDone]:
    """Only where there is a limit: most machines have no sensor, and one that is not known is not within it."""
    if limits.temperature is not None:
        health = facts.health or Health()
        cool = health.temperature is not None and health.temperature <= limits.temperature
        check = CheckDone("temperature", cool, health.heat, f"at most {limits.temperature:g} °C")
        if health.temperature is None:
            yield with_reason(check, "E-CHECK-SENSOR", "/sys/class/thermal has no sensor that can be read")
        else:
            yield with_reason(check, "E-CHECK-HEAT", "the hottest sensor of /sys/class/thermal")


def _size(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"


def _at_least(size: int | None) -> str:
    return NO_LIMIT if size is None else f"at least {_size(size)}"
