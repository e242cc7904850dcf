"""Property 19: validation failure handling

After any failed check the environment is not READY, `kdeploy ready` ends with 3, and the diagnostics say value and
limit; a later validation, which sends nothing, makes it READY once the cause is gone, and not before.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.engine import readiness
from kdeploy_gui.environments.memory_target import MemoryMachine
from kdeploy_gui.model.plan import Plan
from kdeploy_gui.model.readiness import DEPLOYED_NOT_READY, ReadyMark
from kdeploy_gui.model.run import EnvironmentState
from kdeploy_gui.model.stage import Stage, StageOutcome
from tests.cli.program import Answer, Lab, kdeploy
from tests.engine.steps import HookedConnector, hooked
from tests.lab.sshd import Sshd
from tests.properties.broken import DATA, KEEP, LIMITS, PATH, become, meddle
from tests.rehearsal import MemoryContent, Rehearsal, memory_file, memory_plan, ports, quick_folder, rehearsal

LOOKS = {"connect", "facts", "survey", "dependencies", "execute", "follow"}
"""Verbs that change nothing on a machine; the command that is executed is the one with the probes."""
DIGESTS = [sha256(DATA).hexdigest()]
breaks = st.sets(
    st.sampled_from(["kernel", "memory", "load", "clock_skew", "temperature", "disk /", "tool perf", "files"])
)


class Bench:
    """One machine whose facts break and are mended between runs."""

    def __init__(self, content: MemoryContent) -> None:
        self.machine = MemoryMachine()
        self.broken: set[str] = set()
        self.connector: HookedConnector = hooked({"board-a": self.machine}, content, self._before)

    def become(self, broken: set[str]) -> None:
        self.broken = broken
        become(self.machine, broken)

    async def _before(self, environment: str, call: str) -> None:
        if call == "survey":
            meddle(self.machine, self.broken)


def latest(run: Rehearsal) -> ReadyMark:
    mark = run.history.readiness.latest("board-a")
    assert mark is not None
    return mark


def assert_not_ready(board: EnvironmentState, mark: ReadyMark, broken: set[str]) -> None:
    assert not board.ready
    assert not mark.ready
    assert board.error is not None
    assert board.error.on_target == DEPLOYED_NOT_READY
    assert {each.check for each in board.failed_checks} == broken
    for each in board.failed_checks:
        words = f"{each.check}: {each.value}, allowed {each.limit}"
        assert words in mark.because
        assert words in board.error.message
        assert each.remedy
        assert each.remedy in board.error.remedy


def again(plan: Plan, run: int) -> Plan:
    """The plan that makes the checks of a run again."""
    digests = {each.source.path: digest for each, digest in zip(plan.files, DIGESTS, strict=True)}
    return replace(plan, name=f"validation of run {run}", validates=run, digests=digests)


async def live(folder: Path, broken: set[str], left: set[str]) -> None:
    """A deployment that fails in its checks; a validation when some causes are gone, and one when all are."""
    content = MemoryContent()
    bench = Bench(content)
    plan = replace(memory_plan(["board-a"], [memory_file(content, PATH, DATA)]), validation=LIMITS, policy=KEEP)
    async with rehearsal(folder, {}, content, connector=bench.connector) as run:
        bench.become(broken)
        state, _ = await run.run(plan)
        first = state.run
        assert_not_ready(state.environments["board-a"], latest(run), broken)
        outside = ports(run.history, folder, bench.connector, content)
        look = await readiness.check(outside, plan.environments[0])
        assert (look.ready, look.because) == (False, (latest(run).because,))

        for cause in (left, set[str]()):
            bench.become(cause)
            content.data.clear()  # nothing of the files is needed here
            bench.machine.calls.clear()
            state, _ = await run.run(again(plan, first))
            board = state.environments["board-a"]
            assert set(bench.machine.calls) <= LOOKS
            assert state.validates == first
            ran = {each.stage for each in board.stages if each.outcome is not StageOutcome.PENDING}
            assert ran == {Stage.CONNECTING, Stage.VALIDATING}
            if cause:
                assert_not_ready(board, latest(run), cause)
        assert board.ready
        mark = latest(run)
        assert (mark.ready, mark.run, mark.boot_id) == (True, state.run, bench.machine.facts.boot_id)
        assert [(each.path, each.sha256) for each in mark.manifest] == [(PATH, DIGESTS[0])]
        assert (await readiness.check(outside, plan.environments[0])).ready


@settings(max_examples=100)
@given(breaks.filter(bool), st.data())
def test_not_ready_until_every_cause_is_gone(broken: set[str], data: st.DataObject) -> None:
    left = data.draw(st.sets(st.sampled_from(sorted(broken))))
    with quick_folder() as folder:
        asyncio.run(live(Path(folder), broken, left))


@pytest.fixture
def quiet() -> Iterator[socket.socket]:
    """A port of ours that refuses connections until somebody lets it listen."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        yield found


def said(answer: Answer) -> str:
    return " ".join((answer.stdout + answer.stderr).split())


@pytest.mark.sshd
def test_a_real_machine_becomes_ready_when_its_cause_is_gone(
    kdeploy_home: Path, tmp_path: Path, sshd: Sshd, quiet: socket.socket
) -> None:
    lab = Lab(kdeploy_home, tmp_path / "plan")
    lab.add(sshd.environment("board-a"))
    wanted = f"tcp://127.0.0.1:{quiet.getsockname()[1]}"
    limits = f'[policy]\nrollback = "none"\n[validation]\nnetwork = ["{wanted}"]\n'
    failed = kdeploy("deploy", lab.write_plan(extra=limits))
    assert failed.status == 1
    assert (sshd.home() / "suite/one.sh").exists()
    for answer in (failed, kdeploy("status", "1")):
        assert f"network {wanted}: not reached" in said(answer)
        assert "allowed reached from the machine" in said(answer)
        assert "start the service on the other side" in said(answer)
        assert "`kdeploy validate board-a` makes the checks again" in said(answer)
    (check,) = kdeploy("status", "1", "--json").json["environments"][0]["failed_checks"]
    assert (check["code"], check["limit"]) == ("E-CHECK-TCP", "reached from the machine")
    assert check["remedy"]
    gate = kdeploy("ready", "board-a")
    assert gate.status == 3
    assert f"network {wanted}: not reached" in said(gate)
    assert kdeploy("validate", "board-a", "--quiet").status == 1

    placed = (sshd.home() / "suite/one.sh").stat()
    quiet.listen()
    done = kdeploy("validate", "board-a", "--json")
    assert done.status == 0
    assert {each["stage"] for each in done.events if each["type"] == "stage_started"} == {"connecting", "validating"}
    assert not [each for each in done.events if each["type"] in {"file_done", "dependency_done"}]
    assert (sshd.home() / "suite/one.sh").stat() == placed
    ready = kdeploy("ready", "board-a", "--json")
    assert ready.status == 0
