"""What the processor's holes are, and tools that work on this workstation."""

from __future__ import annotations

from kdeploy_gui.instruments.evidence import Seen
from kdeploy_gui.instruments.rules.ruling import Ruling, absent, active, is_built, missing_ruling, off, unknown
from kdeploy_gui.model.instrument import Instrument, State

HOLES = "/sys/devices/system/cpu/vulnerabilities/"
NAMED = 4


def vulnerabilities(seen: Seen, _: Instrument) -> Ruling:
    """Everything that the kernel does not call settled; a mitigation with a hole in it counts."""
    found = {path.removeprefix(HOLES): value for path, value in seen.files.items() if path.startswith(HOLES)}
    if not found:
        return unknown("no_list", HOLES)
    open_ones = {name: value for name, value in found.items() if not is_settled(value)}
    if not open_ones:
        return active(HOLES)
    named = [f"{name} ({value})" for name, value in sorted(open_ones.items())]
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return active(
        *(HOLES + name for name in sorted(open_ones)),
        cause="mitigations_off" if "mitigations=off" in seen.parameters else "findings",
        count=str(len(open_ones)),
        total=str(len(found)),
        findings="; ".join(named[:NAMED]) + more,
    )


def is_settled(value: str) -> bool:
    """`Not affected`, or a mitigation without a word of anything that is still vulnerable."""
    settled = value.startswith(("Not affected", "Mitigation:", "KVM: Mitigation:"))
    return settled and "vulnerable" not in value.lower()


def coccinelle(seen: Seen, instrument: Instrument) -> Ruling:
    """It needs a command here, and nothing of the machine."""
    return _here(seen, instrument)


def hardening(seen: Seen, instrument: Instrument) -> Ruling:
    """It needs a command here, and the machine's configuration."""
    ruling = _here(seen, instrument)
    if ruling.state.is_on and seen.config is None:
        return off("no_config", "/proc/config.gz", reachable=False)
    return ruling


def syzkaller(seen: Seen, instrument: Instrument) -> Ruling:
    """It needs a command here, and a kernel that tells what was reached."""
    match is_built(seen, instrument):
        case True:
            return _here(seen, instrument)
        case False:
            ruling = missing_ruling(seen, instrument)
            lacking = [each for each in instrument.config if seen.option(each) in {None, "n"}]
            if ruling.cause != "absent":
                return ruling
            return absent(cause="kernel", config=" and ".join(f"CONFIG_{each}=y" for each in lacking))
        case _:
            return unknown("unreadable", reads="the kernel's configuration")


def _here(seen: Seen, instrument: Instrument) -> Ruling:
    tool = instrument.look.tools[0]
    if not seen.here.get(tool):
        return Ruling(State.OFF, "tool_missing_here", (tool,), {"tool": tool}, built_in=None, reachable=False)
    return active(tool)
