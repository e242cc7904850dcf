"""A rule's answer, and what all rules have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kdeploy_gui.instruments.evidence import OWN_CONFIG, Seen
from kdeploy_gui.model.instrument import Instrument, Reading, State
from kdeploy_gui.model.version import Version

DENIED = frozenset({"Permission denied", "Operation not permitted"})


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a rule says of an instrument. `cause` names a sentence of the catalogue, `details` fill it in.

    `evidence` are the paths that decided; `reachable` is None where the state itself says it.
    """

    state: State
    cause: str = ""
    evidence: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)
    built_in: bool | None = None
    reachable: bool | None = None


def absent(*evidence: str, cause: str = "absent", **details: str) -> Ruling:
    """The kernel does not have it."""
    return Ruling(State.ABSENT, cause, evidence, details, built_in=False, reachable=False)


def off(cause: str, *evidence: str, reachable: bool = True, **details: str) -> Ruling:
    """It is there and does not work now."""
    return Ruling(State.OFF, cause, evidence, details, built_in=True, reachable=reachable)


def active(*evidence: str, cause: str = "", **details: str) -> Ruling:
    """Evidence says that it works; `cause` may name what else is worth knowing."""
    return Ruling(State.ACTIVE, cause, evidence, details, built_in=True, reachable=True)


def spent(*evidence: str, cause: str = "spent", **details: str) -> Ruling:
    """It worked, and has switched itself off for the rest of this boot."""
    return Ruling(State.SPENT, cause, evidence, details, built_in=True, reachable=True)


def unknown(cause: str, *evidence: str, built: bool | None = None, **details: str) -> Ruling:
    """Nobody can tell from here."""
    return Ruling(State.UNKNOWN, cause, evidence, details, built_in=built, reachable=None if built is None else False)


def is_built(seen: Seen, instrument: Instrument) -> bool | None:
    """Whether the kernel has it, by its own configuration, else its symbols, else a file that may be another's."""
    options = [seen.option(each) for each in instrument.config]
    by_config = None if None in options else all(each in {"y", "m"} for each in options)
    if by_config is not None and seen.config_source == OWN_CONFIG:
        return by_config
    if seen.symbols is not None and instrument.symbols:
        if any(each in seen.symbols for each in instrument.symbols):
            return True
        if instrument.module:
            return by_config
        return False if by_config is False or len(instrument.symbols) > 1 else by_config
    return by_config


def built_evidence(seen: Seen, instrument: Instrument) -> tuple[Reading, ...]:
    """What `is_built` looked at."""
    found: list[Reading] = []
    if seen.config is not None:
        doubt = "" if seen.config_source == OWN_CONFIG else " (a file: it may belong to another build)"
        names = (*instrument.config, *(each for each in instrument.options if seen.option(each) != "n"))
        said = ", ".join(f"CONFIG_{each}={seen.option(each)}" for each in names)
        if said:
            found.append(Reading(f"{seen.config_source}{doubt}", said))
    if seen.symbols is not None and instrument.symbols:
        present = [each for each in instrument.symbols if each in seen.symbols]
        said = ", ".join(present) if present else f"none of {', '.join(instrument.symbols)}"
        found.append(Reading("/proc/kallsyms", said))
    return tuple(found)


def missing_ruling(seen: Seen, instrument: Instrument) -> Ruling:
    """Why a kernel does not have it: it cannot, it is too old for it, or it was built without it."""
    if instrument.architectures and seen.machine and seen.machine not in instrument.architectures:
        return absent(cause="architecture")
    try:
        old = bool(instrument.since) and Version.parse(seen.release).compare(Version.parse(instrument.since)) < 0
    except ValueError:
        old = False
    return absent(cause="too_old" if old else "absent")


def debugfs(seen: Seen, instrument: Instrument, *paths: str) -> Ruling | None:
    """What keeps anybody from files in debugfs; None: nothing does. A file that is missing there proves nothing before.

    Without root its folder is closed.
    """
    built = is_built(seen, instrument)
    if "debugfs" not in seen.filesystems:
        return (
            missing_ruling(seen, instrument)
            if built is False
            else unknown("no_debugfs", "/proc/filesystems", built=built)
        )
    if built is False and not any(seen.has(path) for path in paths):
        return missing_ruling(seen, instrument)
    if "debugfs" not in seen.mounts:
        if built:
            return Ruling(State.UNKNOWN, "debugfs_unmounted", ("/proc/mounts",), built_in=True, reachable=False)
        return unknown("debugfs_unmounted", "/proc/mounts", built=built)
    if any(seen.unread.get(path) in DENIED for path in paths):
        if seen.uid == 0 and seen.lockdown not in {"", "none"}:
            return off("lockdown", "/sys/kernel/security/lockdown", *paths, reachable=False, lockdown=seen.lockdown)
        return unknown(denied(seen), *paths, built=built, reads=reads(seen, *paths))
    return None


def denied(seen: Seen) -> str:
    """The cause of a read that was refused."""
    return "unreadable" if seen.uid == 0 else "not_root"


def reads(seen: Seen, *paths: str) -> str:
    """Which reads failed, and why."""
    return ", ".join(f"{path} ({seen.unread[path]})" for path in paths if path in seen.unread)


def by_build(seen: Seen, instrument: Instrument) -> Ruling:
    """For what has no file and no switch: it works where it is built in."""
    match is_built(seen, instrument):
        case True:
            return active()
        case False:
            return missing_ruling(seen, instrument)
        case _:
            return unknown("unreadable", reads="the kernel's configuration, /proc/kallsyms")
