"""From evidence to findings: the rules by instrument, and the sentences for what they say. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from kdeploy_gui.instruments.evidence import Seen
from kdeploy_gui.instruments.proving import Proof
from kdeploy_gui.instruments.rules import crashes, memory, races, surroundings, tracing
from kdeploy_gui.instruments.rules.ruling import Ruling, built_evidence, by_build, is_built
from kdeploy_gui.model.instrument import Finding, Instrument, Reading, State

RULES: Mapping[str, Callable[[Seen, Instrument], Ruling]] = {
    "kasan": memory.kasan,
    "kcsan": races.kcsan,
    "kmsan": by_build,
    "kfence": memory.kfence,
    "ubsan": memory.ubsan,
    "lockdep": races.lockdep,
    "kmemleak": memory.kmemleak,
    "gcov": tracing.gcov,
    "kcov": tracing.kcov,
    "perf": tracing.perf,
    "ftrace": tracing.ftrace,
    "ebpf": tracing.ebpf,
    "syzkaller": surroundings.syzkaller,
    "coccinelle": surroundings.coccinelle,
    "vulnerabilities": surroundings.vulnerabilities,
    "hardening": surroundings.hardening,
    "console": crashes.console,
    "pstore": crashes.pstore,
    "kdump": crashes.kdump,
    "netconsole": crashes.netconsole,
    "pvpanic": crashes.pvpanic,
}
"""What decides about an instrument, by its name in the catalogue."""


def finding(instrument: Instrument, seen: Seen | None) -> Finding:
    """How an instrument was found; without a sensible answer of the machine it is unknown."""
    if seen is None:
        return explained(instrument, Finding(instrument=instrument.name), "silent", {})
    ruling = RULES[instrument.name](seen, instrument)
    found = Finding(
        instrument=instrument.name,
        state=ruling.state,
        built_in=is_built(seen, instrument) if ruling.built_in is None and instrument.config else ruling.built_in,
        reachable=ruling.reachable,
        boot_id=seen.boot_id,
        evidence=(*(_reading(seen, each) for each in ruling.evidence), *built_evidence(seen, instrument)),
    )
    return explained(instrument, found, ruling.cause, {**details(instrument, seen), **ruling.details})


def _reading(seen: Seen, what: str) -> Reading:
    """Evidence by its name: a path, or something that is none."""
    match what:
        case "/proc/cmdline":
            return Reading(what, seen.cmdline[:160])
        case "dmesg":
            lines = seen.log
            if lines is None:
                return Reading(what, seen.unread.get("dmesg", "not read"), failed=True)
            return Reading(
                what, f"{len(lines)} lines that matter{'' if seen.log_is_whole else ', its beginning is lost'}"
            )
        case "/proc/mounts":
            return Reading(
                what, ", ".join(f"{kind} at {place}" for kind, place in seen.mounts.items()) or "none of these"
            )
        case "/proc/filesystems":
            return Reading(
                what, ", ".join(sorted(seen.filesystems & {"debugfs", "tracefs", "securityfs"})) or "no debugfs"
            )
        case _ if what in seen.tools or what in seen.here:
            return Reading(f"command {what}", seen.tools.get(what) or seen.here.get(what) or "missing")
        case _ if what.startswith("process "):
            return Reading(what, "runs")
        case _:
            return seen.reading(what)


def details(instrument: Instrument, seen: Seen) -> Mapping[str, str]:
    """What sentences of this instrument may name."""
    return {
        "title": instrument.title,
        "since": instrument.since,
        "architectures": ", ".join(instrument.architectures),
        "config": " and ".join(f"CONFIG_{each}=y" for each in instrument.config),
        "packages": packages(instrument),
        "release": seen.release,
        "machine": seen.machine,
        "compiler": seen.compiler,
        "lockdown": seen.lockdown,
    }


def packages(instrument: Instrument) -> str:
    """Where its tools are had, in words."""
    by_name: dict[str, list[str]] = {}
    for manager, name in instrument.packages.items():
        by_name.setdefault(name, []).append(manager)
    return ", ".join(
        name if managers == ["workstation"] else f"{name} ({', '.join(managers)})" for name, managers in by_name.items()
    )


def explained(instrument: Instrument, found: Finding, cause: str, known: Mapping[str, str]) -> Finding:
    """The finding with the sentences for its cause."""
    if not cause:
        return found
    sentence = instrument.says[cause]
    return replace(found, cause=cause, note=sentence.what.format_map(known), remedy=sentence.remedy.format_map(known))


def after_proof(instrument: Instrument, found: Finding, proof: Proof, known: Mapping[str, str]) -> Finding:
    """What a proof makes of a finding: the strongest evidence there is."""
    evidence = (*proof.evidence, *found.evidence)
    known = {**known, "because": proof.restored or proof.because}
    if proof.restored:
        state = State.PROVEN if proof.ok else found.state
        return explained(instrument, replace(found, state=state, evidence=evidence), "not_restored", known)
    if proof.ok:
        proven = replace(found, state=State.PROVEN, evidence=evidence)
        return explained(instrument, proven, proof.cause, known)
    if proof.ok is None:
        if proof.cause:
            return explained(instrument, replace(found, evidence=evidence), proof.cause, known)
        note = f"not proven: {proof.because}"
        return replace(found, evidence=evidence, note=f"{found.note}; {note}" if found.note else note)
    failed = replace(found, state=State.OFF, evidence=evidence)
    return explained(instrument, failed, proof.cause or "not_proven", known)
