"""What the proofs said, and what that means. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.instrument import Reading

Said = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Proof:
    """`ok` None: it could not be tried, `because` says why. `cause` names what else is worth knowing.

    `restored` is empty where everything is as it was, else what is not.
    """

    ok: bool | None
    because: str = ""
    evidence: tuple[Reading, ...] = ()
    restored: str = ""
    cause: str = ""


def judged(name: str, done: Completed) -> Proof:
    """What a proof of that name showed. One that did not come to its end showed nothing."""
    said = dict(line.split("\t", 1) for line in done.text.split("\n") if "\t" in line)
    if "end" not in said:
        return Proof(None, f"it did not come to its end (status {done.status}): {done.error_text}".rstrip(": "))
    restored = said.get("restored", "")
    left = "" if restored == "yes" else restored.removesuffix("; ") or "nobody said so"
    if "because" in said:
        return Proof(False, said["because"], _readings(said, "because"), left)
    proof = PROOFS[name](said)
    return Proof(proof.ok, proof.because, proof.evidence, left or proof.restored, proof.cause)


def _readings(said: Said, *names: str) -> tuple[Reading, ...]:
    return tuple(Reading(f"proof: {name.replace('_', ' ')}", said[name]) for name in names if said.get(name))


def _number(said: Said, name: str) -> float | None:
    try:
        return float(said.get(name, ""))
    except ValueError:
        return None


def _grew(what: str) -> Callable[[Said], Proof]:
    def judge(said: Said) -> Proof:
        before, after = _number(said, "before"), _number(said, "after")
        shown = (Reading(f"proof: {what}", f"{said.get('before', '')} -> {said.get('after', '')}"),)
        if before is None or after is None:
            return Proof(False, f"{what} cannot be read", shown)
        if after <= before:
            return Proof(False, f"{what} stayed at {said['after']}", shown)
        return Proof(True, evidence=shown)

    return judge


def kcsan(said: Said) -> Proof:
    """Watchpoints are set up, and it is on or off as it was."""
    proof = _grew("watchpoints set up")(said)
    same = said.get("enabled") == said.get("enabled_after")
    return Proof(proof.ok, proof.because, proof.evidence, "" if same else "it is no longer as it was")


def gcov(said: Said) -> Proof:
    """Counters of an instrumented file moved."""
    if not said.get("data"):
        return Proof(False, "there is no data file")
    shown = (
        Reading(
            said["data"],
            f"{said.get('bytes', '?')} bytes, {said.get('before', '')[:12]} -> {said.get('after', '')[:12]}",
        ),
    )
    if not said.get("before") or said["before"] == said.get("after"):
        return Proof(False, "its counters did not move", shown)
    return Proof(True, evidence=shown)


def kcov(said: Said) -> Proof:
    """A counter was read back above zero."""
    count = _number(said, "count")
    shown = _readings(said, "count", "comparisons", "by")
    if "missing_helper" in said:
        return Proof(None, cause="no_helper")
    failed = [
        f"{key.removesuffix('_failed')}: error {said[key].lstrip('-')}" for key in said if key.endswith("_failed")
    ]
    if failed or count is None:
        return Proof(False, "; ".join(failed) or "no counter was read", shown)
    if count <= 0:
        return Proof(False, "it counted nothing", shown, cause="nothing_counted")
    return Proof(True, evidence=shown)


def perf(said: Said) -> Proof:
    """A software event was counted and a record was written; hardware counters are told of, not asked for."""
    shown = _readings(said, "version", "task_clock", "cycles", "record", "record_failed")
    if _number(said, "task_clock") is None:
        return Proof(False, f"perf stat counted nothing: {said.get('task_clock', '')}", shown)
    if not said.get("record"):
        return Proof(False, f"perf record failed: {said.get('record_failed', '')}", shown)
    return Proof(True, evidence=shown, cause="" if _number(said, "cycles") is not None else "no_pmu")


def ftrace(said: Said) -> Proof:
    """Calls of a function were recorded, and the global buffer is as it was."""
    shown = _readings(said, "function", "hits")
    same = said.get("state_before") == said.get("state_after")
    hits = _number(said, "hits")
    left = "" if same else "the global buffer is no longer as it was"
    if not hits:
        return Proof(False, f"no call of {said.get('function', '')} was recorded", shown, left)
    return Proof(True, evidence=shown, restored=left)


def ebpf(said: Said) -> Proof:
    """A tool could talk to it."""
    shown = _readings(said, "bpftool", "bpftool_failed", "bpftrace", "bpftrace_failed")
    failed = [said[key] for key in ("bpftool_failed", "bpftrace_failed") if key in said]
    if failed:
        return Proof(False, "; ".join(failed), shown)
    if not shown:
        return Proof(None, "neither bpftool nor bpftrace is there to prove it with")
    return Proof(True, evidence=shown)


def vulnerabilities(said: Said) -> Proof:
    """The list was read."""
    count = _number(said, "read")
    return Proof(bool(count), "" if count else "nothing was read", _readings(said, "read"))


PROOFS: Mapping[str, Callable[[Said], Proof]] = {
    "kcsan": kcsan,
    "kfence": _grew("allocations"),
    "gcov": gcov,
    "kcov": kcov,
    "perf": perf,
    "ftrace": ftrace,
    "ebpf": ebpf,
    "vulnerabilities": vulnerabilities,
}
"""Judges by the name of the proof's script."""
