"""What keeps the last words of a kernel: console, pstore, kdump, netconsole, pvpanic."""

from __future__ import annotations

from kdeploy_gui.instruments.evidence import Seen
from kdeploy_gui.instruments.rules.ruling import (
    DENIED,
    Ruling,
    absent,
    active,
    denied,
    is_built,
    missing_ruling,
    off,
    reads,
    unknown,
)
from kdeploy_gui.model.instrument import Instrument

CONSOLES = "/proc/consoles"
PRINTK = "/proc/sys/kernel/printk"
WARNING = 4
"""The level of WARN(); a console shows what is below its own."""
BACKEND = "/sys/module/pstore/parameters/backend"
LOADED = "/sys/kernel/kexec_crash_loaded"
SIZE = "/sys/kernel/kexec_crash_size"
NETCONSOLE = "/sys/kernel/config/netconsole/*/enabled"
MODULE = "/sys/module/netconsole"
MODULE_FILE = "/lib/modules/*/kernel/drivers/net/netconsole.ko*"
DRIVER = "/sys/bus/*/drivers/pvpanic*"
DEVICES = ("/sys/bus/pci/drivers/pvpanic-pci/0*", "/sys/bus/*/drivers/pvpanic-mmio/[A-Z0-9]*")


def console(seen: Seen, _: Instrument) -> Ruling:
    """One that is enabled, and a level that lets warnings through."""
    said = seen.files.get(CONSOLES)
    if said is None:
        return unknown(_why(seen, CONSOLES), CONSOLES, reads=reads(seen, CONSOLES) or CONSOLES)
    rows = [line.split() for line in said.split("\n") if line.strip()]
    enabled = [row[0] for row in rows if any(each.startswith("(") and "E" in each for each in row)]
    if not enabled:
        return off("none", CONSOLES, consoles=", ".join(row[0] for row in rows) or "there is none")
    level = seen.files.get(PRINTK, "").split()
    if level and level[0].isdigit() and int(level[0]) <= WARNING and "ignore_loglevel" not in seen.parameters:
        return off("quiet", PRINTK, CONSOLES, level=level[0], consoles=", ".join(enabled))
    return active(CONSOLES, PRINTK)


def pstore(seen: Seen, instrument: Instrument) -> Ruling:
    """It keeps something where it has a backend."""
    backend = seen.files.get(BACKEND)
    if backend is None:
        if seen.lacks(BACKEND) and is_built(seen, instrument) is not True:
            return missing_ruling(seen, instrument)
        return unknown(
            _why(seen, BACKEND), BACKEND, built=is_built(seen, instrument), reads=reads(seen, BACKEND) or BACKEND
        )
    if backend.strip() in {"", "(null)"}:
        return off("no_backend", BACKEND)
    return active(BACKEND)


def kdump(seen: Seen, instrument: Instrument) -> Ruling:
    """A crash kernel in memory that was reserved for it."""
    loaded = seen.files.get(LOADED)
    if loaded is None:
        if seen.lacks(LOADED) and is_built(seen, instrument) is not True:
            return missing_ruling(seen, instrument)
        return unknown(
            _why(seen, LOADED), LOADED, built=is_built(seen, instrument), reads=reads(seen, LOADED) or LOADED
        )
    if seen.files.get(SIZE, "").strip() in {"", "0"}:
        return off("no_memory", SIZE)
    if loaded.strip() != "1":
        return off("not_loaded", LOADED, SIZE)
    return active(LOADED, SIZE)


def netconsole(seen: Seen, instrument: Instrument) -> Ruling:
    """A target that is enabled, or one that was given at boot."""
    enabled = [path for path, value in seen.files.items() if "/netconsole/" in path and value.strip() == "1"]
    if enabled:
        return active(*enabled)
    if seen.has(MODULE) is not True:
        match is_built(seen, instrument):
            case True if seen.option("NETCONSOLE") == "y":
                return off("no_target", "/proc/cmdline")
            case True:
                return off("not_loaded", MODULE)
            case False:
                return missing_ruling(seen, instrument)
            case _ if seen.has(MODULE_FILE):
                return off("not_loaded", MODULE_FILE)
            case _:
                return unknown("unreadable", MODULE, MODULE_FILE, reads="the kernel's configuration")
    if any(each.startswith("netconsole=") for each in seen.parameters):
        return active("/proc/cmdline", MODULE)
    return off("no_target", MODULE)


def pvpanic(seen: Seen, instrument: Instrument) -> Ruling:
    """A driver that is bound to a device."""
    if any(seen.has(each) for each in DEVICES):
        return active(*DEVICES)
    if seen.has(DRIVER):
        return off("no_device", DRIVER)
    match is_built(seen, instrument):
        case True:
            return off("no_device", DRIVER)
        case False:
            return absent(DRIVER)
        case _:
            return unknown("unreadable", DRIVER, reads="the kernel's configuration")


def _why(seen: Seen, path: str) -> str:
    return denied(seen) if seen.unread.get(path) in DENIED else "unreadable"
