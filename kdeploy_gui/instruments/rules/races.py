"""KCSAN and lockdep."""

from __future__ import annotations

from kdeploy_gui.instruments.evidence import Seen
from kdeploy_gui.instruments.rules.memory import plain
from kdeploy_gui.instruments.rules.ruling import (
    DENIED,
    Ruling,
    absent,
    active,
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

KCSAN = "/sys/kernel/debug/kcsan"
ONLINE = "/sys/devices/system/cpu/online"
STATS = "/proc/lockdep_stats"
PROVING = "/proc/sys/kernel/prove_locking"


def kcsan(seen: Seen, instrument: Instrument) -> Ruling:
    """The first line of its file; a KTSAN kernel is told as such."""
    if "kt_report_race" in (seen.symbols or ()) or seen.option("KTSAN") == "y" or seen.has("/proc/ktsan_stats"):
        return absent("/proc/ktsan_stats", cause="ktsan")
    said = seen.files.get(KCSAN)
    if said is None:
        hidden = debugfs(seen, instrument, KCSAN)
        if hidden is not None:
            return hidden
        if seen.lacks(KCSAN) and is_built(seen, instrument) is not True:
            return missing_ruling(seen, instrument)
        return unknown("unreadable", KCSAN, built=is_built(seen, instrument), reads=reads(seen, KCSAN) or KCSAN)
    if said.startswith("enabled: 0"):
        return off("switched_off", KCSAN)
    if not said.startswith("enabled: 1"):
        return unknown("unreadable", KCSAN, built=True, reads=KCSAN)
    if seen.files.get(ONLINE, "").strip() == "0":
        return active(KCSAN, ONLINE, cause="one_cpu")
    return active(KCSAN)


def lockdep(seen: Seen, instrument: Instrument) -> Ruling:
    """`debug_locks: 1`, and that it proves; statistics alone find no deadlock."""
    said = seen.files.get(STATS)
    if said is None:
        built = is_built(seen, instrument)
        if seen.unread.get(STATS) in DENIED:
            return unknown(denied(seen), STATS, built=built, reads=reads(seen, STATS))
        if seen.lacks(STATS) and built is not True:
            return missing_ruling(seen, instrument)
        return unknown("unreadable", STATS, built=built, reads=reads(seen, STATS) or STATS)
    if seen.option("PROVE_LOCKING") == "n" or (seen.config is None and seen.lacks(PROVING)):
        return absent(STATS, PROVING, cause="statistics_only")
    values = {
        key.strip(): value.split()[0]
        for key, _, value in (line.partition(":") for line in said.split("\n"))
        if value.split()
    }
    match values.get("debug_locks"):
        case "0":
            reports = seen.lines(*(each for each in instrument.look.log if "off" not in each))
            return spent(STATS, report=f": {plain(reports[0])}" if reports else "")
        case "1" if seen.files.get(PROVING, "1").strip() == "0":
            return off("switched_off", PROVING, STATS)
        case "1":
            return active(STATS, PROVING)
        case _:
            return unknown("unreadable", STATS, built=True, reads=STATS)
