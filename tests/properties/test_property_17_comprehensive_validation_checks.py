"""Property 17: comprehensive validation checks

For any subset of broken facts - network, memory, disk, load, clock, tools, kernel, files and what else a plan limits -
exactly those are reported, all at once, each with its value, its limit, evidence and what would help. The real peers
are an OpenSSH server, and machines in network namespaces of their own, with busybox for a shell, too.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.environments.memory_target import MemoryMachine
from kdeploy_gui.model.event import CheckDone, Event
from kdeploy_gui.model.plan import Validation
from kdeploy_gui.model.run import EnvironmentState
from kdeploy_gui.model.stage import Stage, Status
from kdeploy_gui.ports import Connector
from tests.engine.steps import hooked, of, over_ssh
from tests.lab.busybox import busybox_root
from tests.lab.sshd import Sshd
from tests.properties.broken import BREAKS, DATA, KEEP, LIMITS, PATH, WHOLE, become, meddle
from tests.properties.peers import LocalMachine
from tests.rehearsal import MemoryContent, memory_file, memory_plan, quick_folder, rehearsal


async def validated(broken: set[str], folder: Path) -> tuple[EnvironmentState, list[Event]]:
    """A run on a machine with these facts broken; a broken file is changed when everything is in place."""
    content, board = MemoryContent(), MemoryMachine()
    become(board, broken)

    async def before(environment: str, call: str) -> None:
        if call == "survey":
            meddle(board, broken)

    machines = {"board-a": board}
    plan = replace(memory_plan(["board-a"], [memory_file(content, PATH, DATA)]), validation=LIMITS, policy=KEEP)
    async with rehearsal(folder, machines, content, connector=hooked(machines, content, before)) as run:
        state, events = await run.run(plan)
    return state.environments["board-a"], events


def checks_in(events: Sequence[Event]) -> dict[str, CheckDone]:
    return {each.body.check: each.body for each in of(list(events), "check_done") if isinstance(each.body, CheckDone)}


def assert_told(board: EnvironmentState, failed: Sequence[CheckDone]) -> None:
    """One error with everything of each failed check, in its order."""
    error = board.error
    assert error is not None
    assert error.code == "E-CHECK"
    assert error.message.startswith(f"{len(failed)} of ")
    for each in failed:
        assert f"{each.check}: {each.value}, allowed {each.limit}" in error.message
        assert f"{each.check}: {each.evidence}" in error.evidence.stderr
        assert each.remedy in error.remedy
    assert board.failed_checks == tuple(failed)
    assert board.summary().failed_checks == tuple(failed)


@settings(max_examples=100)
@given(st.sets(st.sampled_from(sorted(BREAKS))))
def test_exactly_what_is_broken_is_reported_all_at_once(broken: set[str]) -> None:
    with quick_folder() as folder:
        board, events = asyncio.run(validated(broken, Path(folder)))
    checks = checks_in(events)
    assert set(checks) == {*BREAKS, *WHOLE}
    failed = [each for each in checks.values() if not each.ok]
    assert {each.check for each in failed} == broken
    assert (board.status is Status.COMPLETED) is board.ready is (not broken)
    attempts = {each.stage: each.attempts for each in board.stages}
    assert attempts[Stage.VALIDATING] == 1, "what a machine is does not change by asking again"
    for each in failed:
        assert BREAKS[each.check].value in each.value
        assert all((each.limit, each.evidence, each.code, each.remedy)), each
    assert not any(each.evidence or each.code or each.remedy for each in checks.values() if each.ok)
    if broken:
        assert_told(board, failed)


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


async def on_a_real_machine(
    folder: Path, home: Path, limits: Validation, content: MemoryContent, connector: Connector, sshd: Sshd | None = None
) -> tuple[EnvironmentState, dict[str, CheckDone]]:
    plan = memory_plan(["board-a"], [memory_file(content, f"{home}/t/one", b"one", 0o750)])
    if sshd is not None:
        plan = replace(plan, environments=(sshd.environment("board-a"),))
    async with rehearsal(folder, {}, content, connector=connector) as run:
        state, events = await run.run(replace(plan, validation=limits, policy=KEEP))
    return state.environments["board-a"], checks_in(events)


@pytest.mark.sshd
async def test_a_real_machine_reports_exactly_what_it_lacks(
    tmp_path: Path, sshd: Sshd, listening: int, closed: int
) -> None:
    content = MemoryContent()
    limits = Validation(
        memory=1 << 60,
        disk={"/": 1, "~": 1 << 60},
        load=1e9,
        clock_skew=60.0,
        tools=("sh", "no-such-tool"),
        network=(f"tcp://127.0.0.1:{listening}", f"tcp://127.0.0.1:{closed}", "dns:localhost"),
    )
    board, checks = await on_a_real_machine(tmp_path, sshd.home(), limits, content, over_ssh(content), sshd)
    failed = [each for each in checks.values() if not each.ok]
    assert [each.check for each in failed] == [
        "memory",
        "disk ~",
        f"network tcp://127.0.0.1:{closed}",
        "tool no-such-tool",
    ]
    assert failed[2].code == "E-CHECK-TCP"
    assert_told(board, failed)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make network namespaces")
@pytest.mark.parametrize("shell", [("dash",), ("bash",), ("busybox", "sh")], ids=lambda each: each[0])
async def test_a_machine_in_a_network_of_its_own_reports_the_network_alone(
    tmp_path: Path, shell: tuple[str, ...], listening: int
) -> None:
    """The same machine in the network that the port is in, and in one where the address is there and nobody listens."""
    program, unshare, ip = map(shutil.which, (shell[0], "unshare", "ip"))
    if program is None or unshare is None or ip is None:
        pytest.skip(f"{shell[0]}, unshare or ip is not installed")
    limits = Validation(
        network=(f"tcp://127.0.0.1:{listening}", "dns:localhost"),
        memory=1,
        disk={"/": 1},
        load=1e9,
        clock_skew=60.0,
        tools=("sh",),
    )
    words = (program, *shell[1:])
    alone = (unshare, "-n", "/bin/sh", "-c", f'{ip} link set lo up && exec "$0" "$@"', *words)
    for number, (interpreter, failing) in enumerate(
        [(words, set[str]()), (alone, {f"network tcp://127.0.0.1:{listening}"})]
    ):
        content = MemoryContent()
        home = tmp_path / f"home-{number}"
        home.mkdir()
        connector = LocalMachine(interpreter, home, content)
        board, checks = await on_a_real_machine(tmp_path / f"history-{number}", home, limits, content, connector)
        assert {each.check for each in checks.values() if not each.ok} == failing, board.error
        assert board.ready is (not failing)
        if failing:
            assert_told(board, [each for each in checks.values() if not each.ok])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can chroot")
async def test_a_board_of_nothing_but_busybox_makes_every_check(tmp_path: Path, listening: int, closed: int) -> None:
    chroot = shutil.which("chroot")
    if chroot is None or shutil.which("busybox") is None:
        pytest.skip("chroot or busybox is not installed")
    configured = ("CONFIG_IKCONFIG_PROC=y",) if Path("/proc/config.gz").exists() else ()
    limits = Validation(
        kernel=">=1",
        arch=(os.uname().machine,),
        kernel_config=(*configured, "CONFIG_NO_SUCH_OPTION=y"),
        network=(f"tcp://127.0.0.1:{listening}", f"tcp://127.0.0.1:{closed}", "icmp:127.0.0.1"),
        memory=1 << 60,
        disk={"/tmp": 1, "/root": 1 << 60},
        load=1e9,
        tools=("sh", "no-such-tool"),
        clock_skew=60.0,
    )
    content = MemoryContent()
    with busybox_root() as root:
        connector = LocalMachine((chroot, str(root), "/bin/sh"), Path("/root"), content)
        board, checks = await on_a_real_machine(tmp_path, Path("/root"), limits, content, connector)
    failed = [each for each in checks.values() if not each.ok]
    assert [each.check for each in failed] == [
        "memory",
        "disk /root",
        "kernel_config CONFIG_NO_SUCH_OPTION",
        f"network tcp://127.0.0.1:{closed}",
        "tool no-such-tool",
    ]
    assert_told(board, failed)
