"""Property 10: instrumentation validation

For any enabled instrument and anything that its proof may say, it is proven only after that proof has shown it working
and everything was put back; a broken tool is never reported as working. The real peers are tools of this machine that
are sabotaged (tests/instruments/test_scripts.py) and the guests of tests/lab/test_debug_kernels.py.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.environments.memory_target import MemoryMachine, MemoryTarget
from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.instruments.catalogue import Catalogue
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.instrument import Finding, State, Where
from tests.contract.local_shell import LocalShell
from tests.rehearsal import MemoryContent

CATALOGUE = Catalogue()
PROVABLE = [each for each in CATALOGUE.all() if each.proof and each.where is Where.TARGET]
NUMBERS = ("count", "before", "after", "task_clock", "hits", "read")
KEYS = (*NUMBERS, "enabled", "enabled_after", "data", "record", "function", "bpftool", "because", "restored", "junk")
values = st.sampled_from(["0", "1", "12", "-3", "", "yes", "no", "<not supported>", "nonsense", "x86"])
said = st.dictionaries(st.sampled_from(KEYS), values)


def shows(name: str, answer: dict[str, str]) -> bool:
    """What a proof must have said to count, put another way."""

    def number(key: str) -> float | None:
        try:
            return float(answer.get(key, ""))
        except ValueError:
            return None

    def grew() -> bool:
        before, after = number("before"), number("after")
        return before is not None and after is not None and after > before

    match name:
        case "kcsan":
            return grew()
        case "kfence":
            return grew()
        case "gcov":
            return bool(answer.get("data") and answer.get("before")) and answer["before"] != answer.get("after")
        case "kcov":
            return (number("count") or 0) > 0
        case "perf":
            return number("task_clock") is not None and bool(answer.get("record"))
        case "ftrace":
            return bool(number("hits"))
        case "ebpf":
            return bool(answer.get("bpftool"))
        case _:
            return bool(number("read"))


@settings(max_examples=300)
@given(st.sampled_from(PROVABLE), said, st.booleans(), st.integers(0, 2))
def test_nothing_is_proven_that_was_not_shown(
    instrument: object, answer: dict[str, str], ends: bool, status: int
) -> None:
    entry = next(each for each in PROVABLE if each is instrument)
    text = "".join(f"{key}\t{value}\n" for key, value in answer.items()) + ("end\t\n" if ends else "")
    board = MemoryMachine(replies={f"proof of {entry.title}": Completed(status, text.encode())})
    found = Finding(instrument=entry.name, state=State.ACTIVE, built_in=True, reachable=True, boot_id="b")
    result = asyncio.run(CATALOGUE.prove(MemoryTarget(board, MemoryContent()), found, "x86_64"))
    shown = ends and "because" not in answer and shows(entry.name, answer)
    assert (result.state is State.PROVEN) == shown
    if not shown:
        assert result.note
    if answer.get("restored") != "yes" and ends:
        assert result.cause == "not_restored"


@settings(max_examples=100)
@given(st.sampled_from(PROVABLE), st.sampled_from([each for each in State if each is not State.ACTIVE]))
def test_what_is_not_active_is_not_even_tried(instrument: object, state: State) -> None:
    entry = next(each for each in PROVABLE if each is instrument)
    board = MemoryMachine()
    found = Finding(instrument=entry.name, state=state)
    assert asyncio.run(CATALOGUE.prove(MemoryTarget(board, MemoryContent()), found, "x86_64")) == found
    assert board.calls == []


@pytest.mark.parametrize(
    "said", ["exit 1", "echo '<not supported>,,task-clock' >&2", "echo 'Segmentation fault' >&2; exit 139"]
)
async def test_a_real_perf_that_is_sabotaged_is_never_working(tmp_path: Path, said: str) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "perf").write_text(f"#!/bin/sh\n{said}\n")
    (tools / "perf").chmod(0o755)
    shell = shutil.which("sh")
    assert shell is not None
    target = ShellTarget(LocalShell((shell,), tmp_path, f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin"), MemoryContent())
    found = Finding(instrument="perf", state=State.ACTIVE, built_in=True, reachable=True)
    assert (await CATALOGUE.prove(target, found, "x86_64")).state is State.OFF
