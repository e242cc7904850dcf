"""What a run makes of bytes that an earlier transfer left staged: it goes on with them, or they are removed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdeploy_gui import defaults
from kdeploy_gui.environments.memory_target import MemoryMachine, StoredFile
from kdeploy_gui.errors import NetworkError
from kdeploy_gui.model.event import StageProgress
from kdeploy_gui.model.plan import Plan
from kdeploy_gui.model.stage import Status
from tests.engine.steps import machine
from tests.rehearsal import MemoryContent, memory_file, memory_plan, rehearsal

MIB = 1 << 20
DATA = b"0123456789abcdef" * (4 * MIB // 16)
KEY = ("/t/large", hashlib.sha256(DATA).hexdigest())


@pytest.fixture(autouse=True)
def small_files_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "RESUME_FROM", MIB)


class Cut(MemoryContent):
    """Content that the link carries half of, once it is `sending`."""

    sending = False

    def read(self, path: str) -> Iterator[bytes]:
        data = b"".join(super().read(path))
        yield data[: len(data) // 2]
        if self.sending and len(data) == len(DATA):
            self.sending = False
            raise NetworkError("E-LOST", "the link went down")
        yield data[len(data) // 2 :]


def board(begun: bytes = b"") -> MemoryMachine:
    """A machine on which that much of the large file waits."""
    made = machine()
    if begun:
        made.begun[KEY] = begun
    return made


def plan_for(content: MemoryContent, data: bytes = DATA) -> Plan:
    return memory_plan(["a"], [memory_file(content, "/t/large", data), memory_file(content, "/t/small", b"few")])


async def run(folder: Path, board: MemoryMachine, plan: Plan, content: MemoryContent) -> tuple[Status, list[str]]:
    """How the environment ended, and what was said of the transfer."""
    async with rehearsal(folder, {"a": board}, content) as rehearsed:
        state, events = await rehearsed.run(plan)
    bodies = [each.body for each in events if isinstance(each.body, StageProgress)]
    done = [each.done for each in bodies if each.unit == "bytes"]
    assert done == sorted(done)
    return state.environments["a"].status, [each.note for each in bodies if each.unit == "bytes" and each.note]


async def test_a_run_goes_on_and_says_where(tmp_path: Path) -> None:
    content, a = MemoryContent(), board(DATA[: 3 * MIB])
    found = await run(tmp_path, a, plan_for(content), content)
    assert found == (Status.COMPLETED, ["/t/large resumed at 3.0 of 4.0 MiB", "checking"])
    assert (a.files["/t/large"].data, a.begun) == (DATA, {})


async def test_the_next_attempt_of_a_run_goes_on(tmp_path: Path) -> None:
    content, a = Cut(), board()
    plan = plan_for(content)
    sweep = a.enter

    async def enter(verb: str) -> None:
        await sweep(verb)
        content.sending = content.sending or (verb, a.calls.count("survey")) == ("survey", 1)

    a.enter = enter  # type: ignore[method-assign]
    found = await run(tmp_path, a, plan, content)
    assert found == (Status.COMPLETED, ["/t/large resumed at 2.0 of 4.0 MiB", "checking"])
    assert (a.files["/t/large"].data, a.begun) == (DATA, {})


@pytest.mark.parametrize("begun", [b"x" * MIB, DATA[:MIB] + b"x", DATA + b"more"], ids=["other", "tail", "longer"])
async def test_other_bytes_are_not_gone_on_with(tmp_path: Path, begun: bytes) -> None:
    content, a = MemoryContent(), board(begun)
    assert await run(tmp_path, a, plan_for(content), content) == (Status.COMPLETED, ["checking"])
    assert (a.files["/t/large"].data, a.begun) == (DATA, {})


async def test_nothing_stays_where_the_file_is_there_already(tmp_path: Path) -> None:
    content, a = MemoryContent(), board(DATA[:MIB])
    a.files["/t/large"] = StoredFile(DATA, 0o644, "root:root")
    a.files["/t/small"] = StoredFile(b"few", 0o644, "root:root")
    assert await run(tmp_path, a, plan_for(content), content) == (Status.COMPLETED, [])
    assert a.begun == {}


async def test_nothing_stays_where_other_content_is_wanted(tmp_path: Path) -> None:
    content, a = MemoryContent(), board(DATA[:MIB])
    assert await run(tmp_path, a, plan_for(content, DATA[::-1]), content) == (Status.COMPLETED, ["checking"])
    assert a.begun == {}


async def test_nothing_stays_where_the_gate_refuses(tmp_path: Path) -> None:
    content, a = MemoryContent(), board(DATA[:MIB])
    a.files["/t/small/in the way"] = StoredFile(b"", 0o644, "root:root")
    assert (await run(tmp_path, a, plan_for(content), content))[0] is Status.FAILED
    assert a.begun == {}
