"""What machines say about their instruments, as `evidence.sh` puts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

NOTHING: Mapping[str, str] = {}


def answer(
    *,
    uid: int = 0,
    release: str = "6.1.0-test",
    machine: str = "x86_64",
    cmdline: str = "console=ttyS0",
    debugfs: bool = False,
    tracefs: bool = False,
    filesystems: Sequence[str] = ("debugfs", "tracefs"),
    config: Mapping[str, str] | None = None,
    source: str = "/proc/config.gz",
    symbols: Sequence[str] | None = None,
    files: Mapping[str, str] = NOTHING,
    unread: Mapping[str, str] = NOTHING,
    there: Mapping[str, str] = NOTHING,
    log: Sequence[str] | None = ("[    0.000000] Linux version 6.1.0-test",),
    tools: Mapping[str, str] = NOTHING,
    processes: Sequence[str] = (),
) -> bytes:
    """A whole answer of a machine in boot `boot-1`; what is not given was asked for and is not there."""
    rows = [
        ("uid", str(uid)),
        ("release", release),
        ("build", "#1 SMP"),
        ("machine", machine),
        ("boot_id", "boot-1"),
        ("cmdline", cmdline),
        ("compiler", "Linux version 6.1.0-test (gcc 12)"),
        *(("filesystem", each) for each in filesystems),
        *([("mount", "debugfs\t/sys/kernel/debug")] if debugfs else []),
        *([("mount", "tracefs\t/sys/kernel/tracing")] if tracefs else []),
        *(("line", f"{path}\t{line}") for path, text in files.items() for line in text.split("\n")),
        *(("unread", f"{path}\t{reason}") for path, reason in unread.items()),
        *(("there", f"{path}\t{found}") for path, found in there.items()),
        *(("tool", f"{name}\t{path}") for name, path in tools.items()),
        *(("process", each) for each in processes),
    ]
    if config is not None:
        rows.append(("config_source", source))
        for name, value in config.items():
            line = f"# CONFIG_{name} is not set" if value == "n" else f"CONFIG_{name}={value}"
            rows.append(("config", line))
    if symbols is not None:
        rows.append(("symbols", "read"))
        rows += [("symbol", each) for each in symbols]
    if log is None:
        rows.append(("unread", "dmesg\tOperation not permitted"))
    else:
        rows += [("log", each) for each in log]
    rows.append(("end", ""))
    return "".join(f"{key}\t{value}\n" for key, value in rows).encode()


PERF_ON = answer(files={"/proc/sys/kernel/perf_event_paranoid": "2"}, tools={"perf": "/usr/bin/perf"})
PROOF_OF_PERF = (
    b"version\tperf version 6.1\ntask_clock\t0.57\ncycles\t<not supported>\nrecord\t8984 bytes\nrestored\tyes\nend\t\n"
)
