"""gcov, KCOV, perf, ftrace and eBPF."""

from __future__ import annotations

from kdeploy_gui.instruments.evidence import Seen
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
    unknown,
)
from kdeploy_gui.model.instrument import Instrument

GCOV = "/sys/kernel/debug/gcov"
KCOV = "/sys/kernel/debug/kcov"
PARANOID = "/proc/sys/kernel/perf_event_paranoid"
LOCKDOWN = "/sys/kernel/security/lockdown"
TRACING = "/sys/kernel/tracing"
TRACERS = f"{TRACING}/available_tracers"
FTRACE = "/proc/sys/kernel/ftrace_enabled"
BPF = "/proc/sys/kernel/unprivileged_bpf_disabled"
BTF = "/sys/kernel/btf/vmlinux"
CLOSED_TO_USERS = 3
"""The level of perf_event_paranoid from which on only root may use perf at all."""


def gcov(seen: Seen, instrument: Instrument) -> Ruling:
    """A folder without anything in it but `reset` means that nothing was instrumented."""
    hidden = debugfs(seen, instrument, GCOV)
    if hidden is not None:
        return hidden
    if not seen.has(GCOV):
        return missing_ruling(seen, instrument)
    files = f"{GCOV}/*/"
    return active(files) if seen.has(files) else off("nothing_instrumented", f"{GCOV}/reset", files)


def kcov(seen: Seen, instrument: Instrument) -> Ruling:
    """Its file is there; that it counts, only the proof shows."""
    hidden = debugfs(seen, instrument, KCOV)
    if hidden is not None:
        return hidden
    if not seen.has(KCOV):
        return missing_ruling(seen, instrument)
    if seen.lockdown not in {"", "none"}:
        return off("lockdown", LOCKDOWN, reachable=False, lockdown=seen.lockdown)
    if seen.option("KCOV_INSTRUMENT_ALL") == "n":
        return off("nothing_counted", KCOV)
    return active(KCOV)


def perf(seen: Seen, instrument: Instrument) -> Ruling:
    """The kernel's side by the file that stands for it, then who may use it, then the command."""
    level = seen.files.get(PARANOID)
    if level is None:
        if seen.lacks(PARANOID):
            return missing_ruling(seen, instrument)
        return unknown(
            "unreadable", PARANOID, built=is_built(seen, instrument), reads=reads(seen, PARANOID) or PARANOID
        )
    if seen.lockdown == "confidentiality":
        return off("lockdown", LOCKDOWN, reachable=False, lockdown=seen.lockdown)
    if seen.uid != 0 and level.strip().isdigit() and int(level) >= CLOSED_TO_USERS:
        return off("paranoid", PARANOID, reachable=False, level=level.strip())
    if not seen.tools.get("perf"):
        return off("tool_missing", PARANOID, reachable=False, tool="perf")
    return active(PARANOID, "perf")


def ftrace(seen: Seen, instrument: Instrument) -> Ruling:
    """tracefs, a function tracer in it, and the switch for all of them."""
    if "tracefs" not in seen.filesystems:
        return absent("/proc/filesystems")
    built = is_built(seen, instrument)
    if seen.lockdown == "confidentiality":
        return off("lockdown", LOCKDOWN, reachable=False, lockdown=seen.lockdown)
    tracers = seen.files.get(TRACERS)
    if tracers is None:
        if seen.unread.get(TRACERS) in DENIED:
            return unknown(denied(seen), TRACERS, built=built, reads=reads(seen, TRACERS))
        if "tracefs" not in seen.mounts:
            return unknown("tracefs_unmounted", "/proc/mounts", built=built)
        return unknown("unreadable", TRACERS, built=built, reads=reads(seen, TRACERS) or TRACERS)
    if "function" not in tracers.split():
        return absent(TRACERS, cause="no_function_tracer", tracers=tracers.strip())
    if seen.files.get(FTRACE, "1").strip() == "0":
        return off("switched_off", FTRACE)
    current = seen.files.get(f"{TRACING}/current_tracer", "nop").strip()
    events = seen.files.get(f"{TRACING}/set_event", "").split()
    if current != "nop" or events:
        use = current if current != "nop" else f"events {', '.join(events[:3])}"
        return active(TRACERS, f"{TRACING}/current_tracer", f"{TRACING}/set_event", cause="in_use", use=use)
    return active(TRACERS, FTRACE)


def ebpf(seen: Seen, instrument: Instrument) -> Ruling:
    """Who may load programs, and whether those that are built elsewhere fit."""
    level = seen.files.get(BPF)
    if level is None:
        if seen.lacks(BPF) and is_built(seen, instrument) is not True:
            return missing_ruling(seen, instrument)
        return unknown("unreadable", BPF, built=is_built(seen, instrument), reads=reads(seen, BPF) or BPF)
    if seen.lockdown == "confidentiality":
        return off("lockdown", LOCKDOWN, reachable=False, lockdown=seen.lockdown)
    if seen.uid != 0 and level.strip() != "0":
        return off("unprivileged", BPF, reachable=False, level=level.strip())
    if not seen.has(BTF):
        return active(BPF, BTF, cause="no_btf")
    return active(BPF, BTF)
