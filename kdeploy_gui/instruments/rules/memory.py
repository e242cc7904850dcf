"""KASAN, KMSAN, KFENCE, UBSAN and kmemleak."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kdeploy_gui.instruments.evidence import Seen
from kdeploy_gui.instruments.rules.ruling import (
    DENIED,
    Ruling,
    active,
    by_build,
    debugfs,
    denied,
    is_built,
    missing_ruling,
    off,
    reads,
    spent,
    unknown,
)
from kdeploy_gui.model.instrument import Instrument
from kdeploy_gui.model.version import Version

TAINTED = "/proc/sys/kernel/tainted"
BAD_PAGE = 1 << 5
"""Taint B: a KASAN report sets it, and so does a bad page."""
_SUITE = re.compile(r"# Subtest: kasan")
_SUITE_END = re.compile(r"ok \d+ kasan$")
_STAMP = re.compile(r"^\[\s*[\d.]+\]\s*(?:\[[^\]]*\]\s*)?")
KFENCE_INTERVAL = "/sys/module/kfence/parameters/sample_interval"
KFENCE_STATS = "/sys/kernel/debug/kfence/stats"
KMEMLEAK = "/sys/kernel/debug/kmemleak"


def kasan(seen: Seen, instrument: Instrument) -> Ruling:
    """It prints one report a boot, unless it was told to go on; those of its own test suite do not count."""
    ruling = by_build(seen, instrument)
    if not ruling.state.is_on:
        return ruling
    cpu = seen.files.get("/proc/cpuinfo", "")
    if seen.option("KASAN_HW_TAGS") == "y" and cpu and not re.search(r"\bmte\b", cpu):
        return off("no_mte", "/proc/cpuinfo")
    if "kasan_multi_shot" in seen.parameters:
        return active("/proc/cmdline")
    reports = tuple(unintended(seen.log or ()))
    if reports:
        return spent("dmesg", report=plain(reports[0]))
    tainted = int(seen.files.get(TAINTED, "0") or 0)
    if tainted & BAD_PAGE and not seen.log_is_whole:
        return unknown("maybe_spent", TAINTED, "dmesg", built=True)
    return active(TAINTED)


def unintended(lines: Iterable[str]) -> Iterable[str]:
    """KASAN's reports outside of its KUnit suite, during which every report is printed and none is the last."""
    in_suite = False
    for line in lines:
        if _SUITE.search(line):
            in_suite = True
        elif _SUITE_END.search(line):
            in_suite = False
        elif "BUG: KASAN" in line and not in_suite:
            yield line


def plain(line: str) -> str:
    """A line of the log without its time."""
    return _STAMP.sub("", line)


def ubsan(seen: Seen, instrument: Instrument) -> Ruling:
    """Which checks there are, not whether there is one."""
    ruling = by_build(seen, instrument)
    if not ruling.state.is_on or seen.config is None:
        return ruling
    names = [each for each in instrument.options if each.startswith("UBSAN_") and seen.option(each) == "y"]
    checks = ", ".join(each.removeprefix("UBSAN_").lower() for each in names) or "none"
    cause = "checks"
    if "UBSAN_SANITIZE_ALL" not in names and before(seen.release, "6.9"):
        cause = "not_everywhere"
    return active(cause=cause, checks=checks)


def before(release: str, version: str) -> bool:
    """Whether a kernel is older; False where its release makes no sense."""
    try:
        return Version.parse(release).compare(Version.parse(version)) < 0
    except ValueError:
        return False


def kfence(seen: Seen, instrument: Instrument) -> Ruling:
    """Its parameter is there where it is built in, and 0 where it is off."""
    interval = seen.files.get(KFENCE_INTERVAL)
    if interval is None:
        if seen.unread.get(KFENCE_INTERVAL) in DENIED:
            return unknown(denied(seen), KFENCE_INTERVAL, built=True, reads=reads(seen, KFENCE_INTERVAL))
        if (
            seen.lacks(KFENCE_INTERVAL)
            and not seen.has("/sys/module/kfence")
            and is_built(seen, instrument) is not True
        ):
            return missing_ruling(seen, instrument)
        return unknown("unreadable", KFENCE_INTERVAL, built=is_built(seen, instrument), reads=KFENCE_INTERVAL)
    if interval.strip() == "0":
        return off("switched_off", KFENCE_INTERVAL)
    if seen.files.get(KFENCE_STATS, "").startswith("enabled: 0"):
        return spent(KFENCE_STATS, KFENCE_INTERVAL)
    return active(KFENCE_INTERVAL, KFENCE_STATS)


def kmemleak(seen: Seen, instrument: Instrument) -> Ruling:
    """Its file says nothing: it is there where kmemleak is disabled, too. The last word of the log counts."""
    hidden = debugfs(seen, instrument, KMEMLEAK)
    if hidden is not None:
        return hidden
    if not seen.has(KMEMLEAK):
        return missing_ruling(seen, instrument)
    if "kmemleak=off" in seen.parameters:
        return off("parameter_off", "/proc/cmdline", because="kmemleak=off was set at boot")
    if seen.option("DEBUG_KMEMLEAK_DEFAULT_OFF") == "y" and "kmemleak=on" not in seen.parameters:
        return off("parameter_off", "/proc/cmdline", because="CONFIG_DEBUG_KMEMLEAK_DEFAULT_OFF=y without kmemleak=on")
    said = seen.lines("kmemleak:")
    ends = [line for line in said if "disabled" in line.lower()]
    if ends:
        return spent("dmesg", report=plain(ends[-1]))
    if "kmemleak" in seen.processes:
        return active("process kmemleak", KMEMLEAK)
    if any("detector initialized" in line for line in said):
        return active("dmesg", KMEMLEAK)
    return unknown("undecided", KMEMLEAK, "dmesg", built=True)
