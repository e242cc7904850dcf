"""What evidence means: every trap that makes an instrument look like something it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.instruments.catalogue import Catalogue
from kdeploy_gui.instruments.detection import RULES, finding
from kdeploy_gui.instruments.evidence import seen_in
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.instrument import Finding
from tests.instruments.answers import answer

ENTRIES = {each.name: each for each in Catalogue().all()}
BOOT = "[    0.000000] Linux version 6.1.0-test"
REPORT = "[   12.345678] BUG: KASAN: use-after-free in foo+0x1/0x2"
SUITE = ("[    3.0]     # Subtest: kasan", "[    3.1] BUG: KASAN: out-of-bounds in kmalloc_oob", "[    4.0] ok 1 kasan")
DEBUG = "/sys/kernel/debug"
DENIED = "Permission denied"
NO_FILE = "No such file or directory"
LOCKED = {"/sys/kernel/security/lockdown": "none [integrity] confidentiality"}
CONFIDENTIAL = {"/sys/kernel/security/lockdown": "none integrity [confidentiality]"}
STATS = " lock-classes: 1000 [max: 8192]\n debug_locks:                         1"
TRACERS = {"/sys/kernel/tracing/available_tracers": "function_graph function nop"}
PARANOID = "/proc/sys/kernel/perf_event_paranoid"


def found(name: str, given: Mapping[str, Any], here: Mapping[str, str] | None = None) -> Finding:
    return finding(ENTRIES[name], seen_in(Completed(0, answer(**given)), here or {}))


CASES: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("kasan", "built in and silent so far", {"config": {"KASAN": "y"}}, "active", ""),
    ("kasan", "it has reported", {"config": {"KASAN": "y"}, "log": [BOOT, REPORT]}, "spent", "spent"),
    (
        "kasan",
        "it has reported and goes on",
        {"config": {"KASAN": "y"}, "log": [BOOT, REPORT], "cmdline": "quiet kasan_multi_shot"},
        "active",
        "",
    ),
    ("kasan", "its own suite has run", {"config": {"KASAN": "y"}, "log": [BOOT, *SUITE]}, "active", ""),
    ("kasan", "a report after its suite", {"config": {"KASAN": "y"}, "log": [BOOT, *SUITE, REPORT]}, "spent", "spent"),
    (
        "kasan",
        "tainted, and the log has lost its beginning",
        {"config": {"KASAN": "y"}, "log": [], "files": {"/proc/sys/kernel/tainted": "32"}},
        "unknown",
        "maybe_spent",
    ),
    (
        "kasan",
        "not root, not tainted",
        {"uid": 1000, "config": {"KASAN": "y"}, "log": None, "files": {"/proc/sys/kernel/tainted": "0"}},
        "active",
        "",
    ),
    (
        "kasan",
        "tagged memory that the processor lacks",
        {
            "machine": "aarch64",
            "config": {"KASAN": "y", "KASAN_HW_TAGS": "y"},
            "files": {"/proc/cpuinfo": "Features : fp asimd"},
        },
        "off",
        "no_mte",
    ),
    ("kasan", "not built in", {"config": {"KASAN": "n"}}, "absent", "absent"),
    ("kasan", "a machine that cannot have it", {"config": {"KASAN": "n"}, "machine": "sh4"}, "absent", "architecture"),
    ("kasan", "a kernel from before it", {"config": {"KASAN": "n"}, "release": "3.10.0"}, "absent", "too_old"),
    ("kasan", "no configuration, but symbols", {"symbols": ["kasan_report"]}, "active", ""),
    ("kasan", "no configuration, no symbols of it", {"symbols": []}, "absent", "absent"),
    ("kasan", "nothing can be read", {}, "unknown", "unreadable"),
    (
        "kasan",
        "a file that claims it, against the kernel's symbols",
        {"config": {"KASAN": "y"}, "source": "/boot/config-6.1.0-test", "symbols": []},
        "absent",
        "absent",
    ),
    (
        "kcsan",
        "on",
        {"debugfs": True, "config": {"KCSAN": "y"}, "files": {f"{DEBUG}/kcsan": "enabled: 1\nused_watchpoints: 1"}},
        "active",
        "",
    ),
    (
        "kcsan",
        "switched off",
        {"debugfs": True, "config": {"KCSAN": "y"}, "files": {f"{DEBUG}/kcsan": "enabled: 0"}},
        "off",
        "switched_off",
    ),
    (
        "kcsan",
        "one processor",
        {
            "debugfs": True,
            "files": {f"{DEBUG}/kcsan": "enabled: 1", "/sys/devices/system/cpu/online": "0"},
        },
        "active",
        "one_cpu",
    ),
    (
        "kcsan",
        "debugfs is not mounted",
        {"config": {"KCSAN": "y"}, "unread": {f"{DEBUG}/kcsan": NO_FILE}},
        "unknown",
        "debugfs_unmounted",
    ),
    (
        "kcsan",
        "not root",
        {"uid": 1000, "debugfs": True, "config": {"KCSAN": "y"}, "unread": {f"{DEBUG}/kcsan": DENIED}},
        "unknown",
        "not_root",
    ),
    (
        "kcsan",
        "lockdown",
        {
            "debugfs": True,
            "config": {"KCSAN": "y"},
            "files": LOCKED,
            "unread": {f"{DEBUG}/kcsan": "Operation not permitted"},
        },
        "off",
        "lockdown",
    ),
    ("kcsan", "a KTSAN kernel", {"symbols": ["kt_report_race"], "release": "5.3.0"}, "absent", "ktsan"),
    ("kcsan", "built without", {"config": {"KCSAN": "n"}, "debugfs": True}, "absent", "absent"),
    ("kmsan", "built in", {"config": {"KMSAN": "y"}}, "active", ""),
    ("kmsan", "built without", {"config": {"KMSAN": "n"}}, "absent", "absent"),
    ("kfence", "samples", {"files": {"/sys/module/kfence/parameters/sample_interval": "100"}}, "active", ""),
    ("kfence", "interval 0", {"files": {"/sys/module/kfence/parameters/sample_interval": "0"}}, "off", "switched_off"),
    (
        "kfence",
        "disabled itself",
        {
            "files": {
                "/sys/module/kfence/parameters/sample_interval": "100",
                f"{DEBUG}/kfence/stats": "enabled: 0\ntotal allocations: 3",
            }
        },
        "spent",
        "spent",
    ),
    (
        "kfence",
        "not root",
        {"uid": 1000, "unread": {"/sys/module/kfence/parameters/sample_interval": DENIED}},
        "unknown",
        "not_root",
    ),
    (
        "kfence",
        "built without",
        {"config": {"KFENCE": "n"}, "unread": {"/sys/module/kfence/parameters/sample_interval": NO_FILE}},
        "absent",
        "absent",
    ),
    (
        "ubsan",
        "everything is instrumented",
        {"config": {"UBSAN": "y", "UBSAN_BOUNDS": "y", "UBSAN_SANITIZE_ALL": "y"}},
        "active",
        "checks",
    ),
    ("ubsan", "almost nothing is", {"config": {"UBSAN": "y", "UBSAN_BOUNDS": "y"}}, "active", "not_everywhere"),
    (
        "ubsan",
        "no such option any more",
        {"release": "6.12.1", "config": {"UBSAN": "y", "UBSAN_BOUNDS": "y"}},
        "active",
        "checks",
    ),
    (
        "lockdep",
        "on",
        {"config": {"PROVE_LOCKING": "y"}, "files": {"/proc/lockdep_stats": STATS}},
        "active",
        "",
    ),
    (
        "lockdep",
        "it has ended itself",
        {
            "config": {"PROVE_LOCKING": "y"},
            "files": {"/proc/lockdep_stats": STATS.replace("   1", "   0")},
            "log": [BOOT, "[  9.0] WARNING: possible circular locking dependency detected"],
        },
        "spent",
        "spent",
    ),
    (
        "lockdep",
        "it is not to prove",
        {"files": {"/proc/lockdep_stats": STATS, "/proc/sys/kernel/prove_locking": "0"}},
        "off",
        "switched_off",
    ),
    (
        "lockdep",
        "statistics only",
        {"config": {"LOCKDEP": "y", "PROVE_LOCKING": "n"}, "files": {"/proc/lockdep_stats": STATS}},
        "absent",
        "statistics_only",
    ),
    ("lockdep", "not root", {"uid": 1000, "unread": {"/proc/lockdep_stats": DENIED}}, "unknown", "not_root"),
    (
        "lockdep",
        "built without",
        {"config": {"PROVE_LOCKING": "n"}, "unread": {"/proc/lockdep_stats": NO_FILE}},
        "absent",
        "absent",
    ),
    (
        "kmemleak",
        "its thread runs",
        {"debugfs": True, "there": {f"{DEBUG}/kmemleak": f"{DEBUG}/kmemleak"}, "processes": ["kmemleak"]},
        "active",
        "",
    ),
    (
        "kmemleak",
        "the file is there, and it is disabled",
        {
            "debugfs": True,
            "there": {f"{DEBUG}/kmemleak": f"{DEBUG}/kmemleak"},
            "log": [
                BOOT,
                "[1.0] kmemleak: Kernel memory leak detector initialized",
                "[2.0] kmemleak: detector disabled",
            ],
            "processes": ["kmemleak"],
        },
        "spent",
        "spent",
    ),
    (
        "kmemleak",
        "off at boot",
        {"debugfs": True, "there": {f"{DEBUG}/kmemleak": f"{DEBUG}/kmemleak"}, "cmdline": "kmemleak=off"},
        "off",
        "parameter_off",
    ),
    (
        "kmemleak",
        "off by default",
        {
            "debugfs": True,
            "there": {f"{DEBUG}/kmemleak": f"{DEBUG}/kmemleak"},
            "config": {"DEBUG_KMEMLEAK": "y", "DEBUG_KMEMLEAK_DEFAULT_OFF": "y"},
        },
        "off",
        "parameter_off",
    ),
    (
        "kmemleak",
        "nothing tells",
        {"debugfs": True, "there": {f"{DEBUG}/kmemleak": f"{DEBUG}/kmemleak"}, "log": []},
        "unknown",
        "undecided",
    ),
    ("kmemleak", "debugfs is off", {"filesystems": ["proc"]}, "unknown", "no_debugfs"),
    ("gcov", "no folder with debugfs mounted", {"debugfs": True, "there": {f"{DEBUG}/gcov": ""}}, "absent", "absent"),
    (
        "gcov",
        "an empty folder",
        {"debugfs": True, "there": {f"{DEBUG}/gcov": f"{DEBUG}/gcov", f"{DEBUG}/gcov/*/": ""}},
        "off",
        "nothing_instrumented",
    ),
    (
        "gcov",
        "data",
        {"debugfs": True, "there": {f"{DEBUG}/gcov": f"{DEBUG}/gcov", f"{DEBUG}/gcov/*/": f"{DEBUG}/gcov/root/"}},
        "active",
        "",
    ),
    ("gcov", "not mounted, so nothing is missing", {}, "unknown", "debugfs_unmounted"),
    ("kcov", "there", {"debugfs": True, "there": {f"{DEBUG}/kcov": f"{DEBUG}/kcov"}}, "active", ""),
    (
        "kcov",
        "nothing is instrumented",
        {
            "debugfs": True,
            "config": {"KCOV": "y", "KCOV_INSTRUMENT_ALL": "n"},
            "there": {f"{DEBUG}/kcov": f"{DEBUG}/kcov"},
        },
        "off",
        "nothing_counted",
    ),
    (
        "kcov",
        "lockdown, and the file is there",
        {"debugfs": True, "files": LOCKED, "there": {f"{DEBUG}/kcov": f"{DEBUG}/kcov"}},
        "off",
        "lockdown",
    ),
    (
        "kcov",
        "not root",
        {"uid": 1000, "debugfs": True, "config": {"KCOV": "y"}, "unread": {f"{DEBUG}/kcov": DENIED}},
        "unknown",
        "not_root",
    ),
    ("perf", "there", {"files": {PARANOID: "2"}, "tools": {"perf": "/usr/bin/perf"}}, "active", ""),
    ("perf", "the command is missing", {"files": {PARANOID: "2"}, "tools": {"perf": ""}}, "off", "tool_missing"),
    (
        "perf",
        "closed to users",
        {"uid": 1000, "files": {PARANOID: "3"}, "tools": {"perf": "/usr/bin/perf"}},
        "off",
        "paranoid",
    ),
    ("perf", "closed to users, but root", {"files": {PARANOID: "3"}, "tools": {"perf": "/usr/bin/perf"}}, "active", ""),
    (
        "perf",
        "lockdown",
        {"files": {PARANOID: "2", **CONFIDENTIAL}, "tools": {"perf": "/usr/bin/perf"}},
        "off",
        "lockdown",
    ),
    ("perf", "built without", {"unread": {PARANOID: NO_FILE}}, "absent", "absent"),
    ("ftrace", "there", {"tracefs": True, "files": TRACERS}, "active", ""),
    ("ftrace", "no tracefs in this kernel", {"filesystems": ["proc"]}, "absent", "absent"),
    (
        "ftrace",
        "not mounted",
        {"unread": {"/sys/kernel/tracing/available_tracers": NO_FILE}},
        "unknown",
        "tracefs_unmounted",
    ),
    (
        "ftrace",
        "not root",
        {"uid": 1000, "tracefs": True, "unread": {"/sys/kernel/tracing/available_tracers": DENIED}},
        "unknown",
        "not_root",
    ),
    (
        "ftrace",
        "no function tracer",
        {"tracefs": True, "files": {"/sys/kernel/tracing/available_tracers": "blk nop"}},
        "absent",
        "no_function_tracer",
    ),
    (
        "ftrace",
        "disabled",
        {"tracefs": True, "files": {**TRACERS, "/proc/sys/kernel/ftrace_enabled": "0"}},
        "off",
        "switched_off",
    ),
    (
        "ftrace",
        "somebody traces",
        {"tracefs": True, "files": {**TRACERS, "/sys/kernel/tracing/current_tracer": "function_graph"}},
        "active",
        "in_use",
    ),
    (
        "ftrace",
        "somebody traces events",
        {"tracefs": True, "files": {**TRACERS, "/sys/kernel/tracing/set_event": "sched:sched_switch"}},
        "active",
        "in_use",
    ),
    ("ftrace", "lockdown", {"tracefs": True, "files": {**TRACERS, **CONFIDENTIAL}}, "off", "lockdown"),
    (
        "ebpf",
        "there",
        {
            "files": {"/proc/sys/kernel/unprivileged_bpf_disabled": "2"},
            "there": {"/sys/kernel/btf/vmlinux": "/sys/kernel/btf/vmlinux"},
        },
        "active",
        "",
    ),
    (
        "ebpf",
        "without types",
        {"files": {"/proc/sys/kernel/unprivileged_bpf_disabled": "2"}, "there": {"/sys/kernel/btf/vmlinux": ""}},
        "active",
        "no_btf",
    ),
    (
        "ebpf",
        "not root",
        {"uid": 1000, "files": {"/proc/sys/kernel/unprivileged_bpf_disabled": "1"}},
        "off",
        "unprivileged",
    ),
    ("syzkaller", "a kernel without KCOV", {"config": {"KCOV": "n"}}, "absent", "kernel"),
    (
        "syzkaller",
        "a fit kernel, no program here",
        {"config": {"KCOV": "y", "KCOV_INSTRUMENT_ALL": "y", "DEBUG_FS": "y"}},
        "off",
        "tool_missing_here",
    ),
    ("coccinelle", "no program here", {}, "off", "tool_missing_here"),
    ("hardening", "no program here", {}, "off", "tool_missing_here"),
    ("vulnerabilities", "no list", {}, "unknown", "no_list"),
    (
        "vulnerabilities",
        "all settled",
        {"files": {"/sys/devices/system/cpu/vulnerabilities/meltdown": "Not affected"}},
        "active",
        "",
    ),
    (
        "vulnerabilities",
        "a mitigation with a hole",
        {"files": {"/sys/devices/system/cpu/vulnerabilities/mds": "Mitigation: Clear CPU buffers; SMT vulnerable"}},
        "active",
        "findings",
    ),
    (
        "vulnerabilities",
        "switched off at boot",
        {"cmdline": "mitigations=off", "files": {"/sys/devices/system/cpu/vulnerabilities/mds": "Vulnerable"}},
        "active",
        "mitigations_off",
    ),
    (
        "console",
        "enabled, and warnings reach it",
        {"files": {"/proc/consoles": "ttyS0 -W- (EC p a) 4:64", "/proc/sys/kernel/printk": "7\t4\t1\t7"}},
        "active",
        "",
    ),
    (
        "console",
        "quiet hides warnings",
        {"files": {"/proc/consoles": "ttyS0 -W- (EC p a) 4:64", "/proc/sys/kernel/printk": "4\t4\t1\t7"}},
        "off",
        "quiet",
    ),
    ("console", "none is enabled", {"files": {"/proc/consoles": "tty0 -WU ( p ) 4:7"}}, "off", "none"),
    ("pstore", "no backend", {"files": {"/sys/module/pstore/parameters/backend": "(null)"}}, "off", "no_backend"),
    ("pstore", "a backend", {"files": {"/sys/module/pstore/parameters/backend": "ramoops"}}, "active", ""),
    (
        "kdump",
        "no memory",
        {"files": {"/sys/kernel/kexec_crash_loaded": "0", "/sys/kernel/kexec_crash_size": "0"}},
        "off",
        "no_memory",
    ),
    (
        "kdump",
        "nothing is loaded",
        {"files": {"/sys/kernel/kexec_crash_loaded": "0", "/sys/kernel/kexec_crash_size": "268435456"}},
        "off",
        "not_loaded",
    ),
    (
        "kdump",
        "loaded",
        {"files": {"/sys/kernel/kexec_crash_loaded": "1", "/sys/kernel/kexec_crash_size": "268435456"}},
        "active",
        "",
    ),
    ("netconsole", "not loaded", {"config": {"NETCONSOLE": "m"}}, "off", "not_loaded"),
    (
        "netconsole",
        "a target",
        {"files": {"/sys/kernel/config/netconsole/lab/enabled": "1"}},
        "active",
        "",
    ),
    (
        "netconsole",
        "loaded, and it sends nowhere",
        {"there": {"/sys/module/netconsole": "/sys/module/netconsole"}},
        "off",
        "no_target",
    ),
    (
        "pvpanic",
        "a driver without a device",
        {"there": {"/sys/bus/*/drivers/pvpanic*": "/sys/bus/pci/drivers/pvpanic-pci"}},
        "off",
        "no_device",
    ),
    ("pvpanic", "neither", {"config": {"PVPANIC": "n"}}, "absent", ""),
]


@pytest.mark.parametrize(
    ("name", "trap", "given", "state", "cause"), CASES, ids=[f"{each[0]}: {each[1]}" for each in CASES]
)
def test_each_trap_is_told_as_what_it_is(name: str, trap: str, given: dict[str, Any], state: str, cause: str) -> None:
    result = found(name, given)
    assert (result.state.value, result.cause) == (state, cause or result.cause), trap
    assert result.boot_id == "boot-1"
    if result.state.value not in {"active"}:
        assert result.note, "whatever is not on says why"
        assert result.remedy, "and what would help"
    assert "{" not in result.note + result.remedy


def test_every_rule_is_shown_at_least_once() -> None:
    assert {each[0] for each in CASES} == set(RULES)


@pytest.mark.parametrize("name", list(RULES))
def test_users_without_rights_are_never_told_that_something_is_absent_because_they_may_not_look(name: str) -> None:
    entry = ENTRIES[name]
    closed = dict.fromkeys((*entry.look.files, *entry.look.there), DENIED)
    result = found(name, {"uid": 1000, "debugfs": True, "tracefs": True, "unread": closed, "log": None})
    assert result.state.value in {"unknown", "off"}
    assert result.built_in is not False


@pytest.mark.parametrize("name", list(RULES))
@pytest.mark.parametrize("said", [b"", b"uid\t0\n", b"Last login: today\n", b"uid\t0\nend\t\n"])
def test_no_answer_is_unknown(name: str, said: bytes) -> None:
    result = finding(ENTRIES[name], seen_in(Completed(0, said), {}))
    assert result.state.value in {"unknown", "off"} or name == "ftrace"
    assert result.state.value != "active"


@given(st.lists(st.text(alphabet="abc\t \n01:/", max_size=30)), st.integers(0, 255))
def test_no_answer_whatsoever_breaks_a_rule_or_turns_anything_on(lines: list[str], status: int) -> None:
    said = "".join(f"{each}\n" for each in lines) + "\nend\t\n"
    seen = seen_in(Completed(status, said.encode()), {})
    for entry in ENTRIES.values():
        assert not finding(entry, seen).state.is_on


def test_contradictions_are_part_of_the_evidence() -> None:
    given = {"config": {"KASAN": "y"}, "source": "/boot/config-6.1.0-test", "symbols": []}
    shown = found("kasan", given).shown
    assert "may belong to another build" in shown
    assert "none of kasan_report" in shown
