"""The first lines of kernel reports, by the words they open with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from kdeploy_gui.model.splat import Severity, SplatClass

K, S = SplatClass, Severity


class End(Enum):
    """What line ends a report, besides the next report, a gap and a cap on its lines."""

    FENCE = auto()  # =====
    TRACE = auto()  # ---[ end trace ... ]---
    TASK = auto()  # </TASK>, where the architecture prints one
    LINE = auto()  # the first line is all of it


@dataclass(frozen=True, slots=True)
class Signature:
    """A first line: `pattern` matches what stands behind the opening words.

    Its groups: `what` goes into `{what}` of the title without numbers and addresses, `name` as it is, `where` is the
    function or file it speaks of. A `tail` belongs to the report that is open, if one is. `bare`: the stack follows
    without a heading.
    """

    kind: SplatClass
    severity: Severity
    pattern: re.Pattern[str]
    title: str
    end: End = End.TASK
    tail: bool = False
    bare: bool = False


def _of(
    kind: SplatClass,
    severity: Severity,
    pattern: str,
    title: str,
    end: End = End.TASK,
    *,
    tail: bool = False,
    bare: bool = False,
) -> Signature:
    return Signature(kind, severity, re.compile(pattern), title, end, tail, bare)


_FUNCTION = r"(?P<where>[A-Za-z_][\w.$]*)"
_LOCKDEP = (
    _of(K.LOCKDEP, S.ERROR, r"possible circular locking dependency detected", "lockdep: circular locking dependency"),
    _of(K.LOCKDEP, S.ERROR, r"possible recursive locking detected", "lockdep: recursive locking"),
    _of(K.LOCKDEP, S.ERROR, r"inconsistent lock state", "lockdep: inconsistent lock state"),
    _of(
        K.LOCKDEP,
        S.ERROR,
        r"(?P<name>\w+-(?:READ-)?safe -> \w+-(?:READ-)?unsafe) lock order detected",
        "lockdep: {name} lock order",
    ),
    _of(K.LOCKDEP, S.ERROR, r"possible irq lock inversion dependency", "lockdep: irq lock inversion"),
    _of(K.LOCKDEP, S.ERROR, r"suspicious RCU usage", "lockdep: suspicious RCU usage"),
    _of(K.LOCKDEP, S.ERROR, r"Illegal context switch in RCU", "lockdep: context switch in an RCU section"),
    _of(K.LOCKDEP, S.ERROR, r"bad unlock balance detected", "lockdep: bad unlock balance"),
    _of(K.LOCKDEP, S.ERROR, r"bad contention detected", "lockdep: bad contention"),
    _of(K.LOCKDEP, S.ERROR, r"held lock freed", "lockdep: held lock freed"),
    _of(K.LOCKDEP, S.ERROR, r"lock held (?:when returning to user|at task exit)", "lockdep: lock held at the end"),
    _of(K.LOCKDEP, S.ERROR, r"\S+/\d+ still has locks held", "lockdep: locks still held"),
    _of(K.LOCKDEP, S.ERROR, r"Nested lock was not taken", "lockdep: nested lock not taken"),
    _of(K.LOCKDEP, S.ERROR, r"Invalid wait context", "lockdep: invalid wait context"),
    _of(K.LOCKDEP, S.ERROR, r"trying to register non-static key", "lockdep: non-static key"),
)
_BUG = (
    _of(
        K.KASAN,
        S.ERROR,
        rf"KASAN: (?P<name>[\w-]+(?: or [\w-]+)?)(?: in {_FUNCTION})?",
        "KASAN: {name}{access}",
        End.FENCE,
    ),
    _of(K.KCSAN, S.ERROR, r"KCSAN: (?P<name>data-race|assert: race)", "KCSAN: {name}", End.FENCE, bare=True),
    _of(K.KMSAN, S.ERROR, rf"KMSAN: (?P<name>[\w-]+)(?: in {_FUNCTION})?", "KMSAN: {name}", End.FENCE, bare=True),
    _of(K.KFENCE, S.ERROR, rf"KFENCE: (?P<name>[\w -]+?) in {_FUNCTION}", "KFENCE: {name}", End.FENCE, bare=True),
    _of(K.LOCKDEP, S.NOTE, r"(?P<name>MAX_\w+) too low!", "lockdep: {name} too low", End.LINE),
    _of(K.ATOMIC, S.ERROR, r"sleeping function called from invalid context", "sleeping in atomic context"),
    _of(K.ATOMIC, S.ERROR, r"scheduling while atomic: ", "scheduling while atomic"),
    _of(K.ATOMIC, S.ERROR, r"using (?P<name>\w+)\(\) in preemptible", "{name} in preemptible code"),
    _of(K.ATOMIC, S.ERROR, r"workqueue leaked (?:lock|atomic)", "workqueue leaked a lock or atomic context"),
    _of(
        K.SPINLOCK,
        S.ERROR,
        r"(?P<name>(?:spin|rw)lock (?:lockup suspected|recursion|already unlocked|bad magic|wrong CPU|wrong owner|"
        r"uninitialized|cpu recursion|trylock failure on UP)) on CPU",
        "{name}",
    ),
    _of(K.SPINLOCK, S.ERROR, r"(?P<name>(?:spin|rw)lock [a-z][a-z ]+), \S+/\d+", "{name}"),
    _of(K.SOFT_LOCKUP, S.HANG, r"soft lockup - CPU#\d+ stuck for ", "soft lockup"),
    _of(K.WORKQUEUE, S.HANG, r"workqueue lockup - pool", "workqueue lockup", End.LINE),
    _of(K.OOPS, S.CRASH, r"[kK]ernel NULL pointer dereference", "NULL pointer dereference", End.TRACE),
    _of(K.OOPS, S.CRASH, r"unable to handle kernel NULL pointer", "NULL pointer dereference", End.TRACE),
    _of(
        K.OOPS,
        S.CRASH,
        r"(?:unable|Unable) to handle (?:page fault|kernel paging request)",
        "bad page fault",
        End.TRACE,
    ),
    _of(K.OOPS, S.CRASH, r"unable to handle (?P<what>[\w ]+)", "unable to handle {what}", End.TRACE),
    _of(K.OOPS, S.CRASH, r"(?:\w+ )?stack guard page was hit", "stack overflow", End.TRACE),
    _of(K.MEMORY, S.ERROR, r"Bad (?P<name>page (?:state|map|cache)) in process", "bad {name}"),
    _of(K.MEMORY, S.ERROR, r"(?P<name>Bad rss-counter state|non-zero pgtables_bytes)", "{name}", End.LINE),
)

SIGNATURES: Mapping[str, tuple[Signature, ...]] = {
    "BUG: ": (*_BUG, *_LOCKDEP),
    "WARNING: ": (
        _of(K.WARNING, S.WARNING, rf"CPU: \d+ PID: \d+ at \S+(?: {_FUNCTION})?", "WARNING", End.TRACE),
        _of(K.WARNING, S.WARNING, rf"\S+:\d+ at {_FUNCTION}\S*, CPU#\d+", "WARNING", End.TRACE),
        *_LOCKDEP,
    ),
    "INFO: ": (
        _of(K.HUNG_TASK, S.HANG, r"task .{1,40}:\d+ blocked (?:in I/O wait )?for more than \d+ sec", "hung task"),
        _of(K.HUNG_TASK, S.HANG, r"task .{1,40}:\d+ can't die for more than \d+ sec", "hung task"),
        _of(
            K.RCU_STALL,
            S.HANG,
            r"rcu_\w+ (?:self-)?detected (?:expedited )?stalls? on (?:CPU|task)(?!.*: \{ \})",
            "RCU stall",
        ),
        *_LOCKDEP,
    ),
    "rcu_": (_of(K.RCU_STALL, S.HANG, r"\w+ kthread starved for \d+ jiffies", "RCU stall", tail=True),),
    "Watchdog detected ": (_of(K.HARD_LOCKUP, S.HANG, r"hard LOCKUP on cpu", "hard lockup"),),
    "UBSAN: ": (
        _of(K.UBSAN, S.ERROR, r"Undefined behaviour in (?P<where>\S+?):\d+", "UBSAN: undefined behaviour", End.FENCE),
        _of(K.UBSAN, S.ERROR, r"(?P<name>[\w -]+?) in (?P<where>\S+?):\d+", "UBSAN: {name}", End.FENCE),
    ),
    "ThreadSanitizer: ": (
        _of(K.KCSAN, S.ERROR, rf"data-race in {_FUNCTION}", "KTSAN: data-race", End.FENCE, bare=True),
    ),
    "general protection fault": (
        _of(K.OOPS, S.CRASH, r"(?:, (?:probably|maybe) for|: 0000 \[#\d)", "general protection fault", End.TRACE),
    ),
    "stack segment: ": (_of(K.OOPS, S.CRASH, r"\d{4} \[#\d", "stack segment fault", End.TRACE),),
    "divide error: ": (_of(K.OOPS, S.CRASH, r"\d{4} \[#\d", "divide error", End.TRACE),),
    "invalid opcode: ": (_of(K.OOPS, S.CRASH, r"\d{4} \[#\d", "invalid opcode", End.TRACE, tail=True),),
    "int3: ": (_of(K.OOPS, S.CRASH, r"\d{4} \[#\d", "int3", End.TRACE),),
    "PANIC: double fault": (_of(K.OOPS, S.CRASH, r"", "double fault", End.TRACE),),
    "Unable to handle kernel ": (
        _of(K.OOPS, S.CRASH, r"NULL pointer dereference", "NULL pointer dereference", End.TRACE),
        _of(K.OOPS, S.CRASH, r"paging request", "bad page fault", End.TRACE),
        _of(K.OOPS, S.CRASH, r"(?P<what>[\w ]+?) at (?:virtual|user)", "unable to handle {what}", End.TRACE),
    ),
    "Unhandled fault: ": (_of(K.OOPS, S.CRASH, r"(?P<what>[\w -]+)", "unhandled fault: {what}", End.TRACE),),
    "Internal error: ": (
        _of(
            K.OOPS,
            S.CRASH,
            r"(?:Oops - )?(?P<what>[A-Za-z][\w -]*?)(?:: [0-9a-f]+)? \[#\d",
            "internal error: {what}",
            End.TRACE,
            tail=True,
        ),
    ),
    "Oops": (
        _of(K.OOPS, S.CRASH, r": [0-9a-f]{4,16} \[#\d", "Oops", End.TRACE, tail=True),
        _of(K.OOPS, S.CRASH, r" \[#\d", "Oops", End.TRACE, tail=True),
        _of(K.OOPS, S.CRASH, r" - (?P<what>[\w -]+?) \[#\d", "Oops: {what}", End.TRACE, tail=True),
        _of(K.OOPS, S.CRASH, r": (?P<what>[\w ]+), sig: \d+ \[#\d", "Oops: {what}", End.TRACE, tail=True),
    ),
    "SError Interrupt on CPU": (_of(K.OOPS, S.CRASH, r"", "SError interrupt", End.TRACE),),
    "kernel BUG at ": (_of(K.BUG, S.CRASH, r"(?P<where>\S+?):\d+!", "kernel BUG", End.TRACE),),
    "Kernel BUG": (_of(K.BUG, S.CRASH, r"(?: at [0-9a-f]+)? \[.*#\d", "kernel BUG", End.TRACE, tail=True),),
    "rust_kernel: panicked at ": (_of(K.BUG, S.CRASH, r"(?P<where>\S+?):\d+", "Rust panic", End.TRACE),),
    "refcount_t: ": (_of(K.REFCOUNT, S.ERROR, r"(?P<name>[a-z][\w ;-]+)", "refcount: {name}", End.TRACE),),
    "list_": (
        _of(
            K.LIST, S.ERROR, r"(?P<name>add|del)(?:_valid)? (?:corruption|double)", "list_{name} corruption", End.TRACE
        ),
    ),
    "ODEBUG: ": (_of(K.OBJECT, S.ERROR, r"(?P<name>\w+) ", "ODEBUG: {name}", End.TRACE),),
    "BUG ": (
        _of(
            K.MEMORY,
            S.ERROR,
            r"(?P<name>[\w:.-]+) \((?:Not tainted|Tainted: [^)]+)\): (?P<what>[\w /'-]+)",
            "SLUB: {what} in cache {name}",
        ),
    ),
    "page allocation failure: ": (_of(K.MEMORY, S.NOTE, r"order:\d+", "page allocation failure"),),
    "Out of memory": (
        _of(K.OOM, S.ERROR, r": Kill(?:ed)? process \d+", "out of memory", End.LINE),
        _of(K.OOM, S.CRASH, r" and no killable processes", "out of memory, nothing to kill", End.LINE),
    ),
    "Memory cgroup out of memory": (
        _of(K.OOM, S.NOTE, r": Kill(?:ed)? process \d+", "a control group is out of memory", End.LINE),
    ),
    "Kernel panic - not syncing": (_of(K.PANIC, S.CRASH, r": (?P<what>.{1,120})", "panic: {what}", tail=True),),
    "kmemleak: ": (_of(K.KMEMLEAK, S.NOTE, r"\d+ new suspected memory leaks?", "kmemleak: new leaks", End.LINE),),
}
"""Literal words to what may stand behind them. Nothing but a subsystem's name may stand before them."""

ABSORBING: Mapping[SplatClass, frozenset[SplatClass]] = {
    each: frozenset({K.WARNING, K.BUG}) for each in (K.REFCOUNT, K.LIST, K.OBJECT, K.KFENCE)
}
"""Reports that name themselves first and then come as a WARNING or BUG."""
