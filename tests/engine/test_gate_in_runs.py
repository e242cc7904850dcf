"""The gate where it stands: at the end of the connection, before files are placed, and in previews."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.engine.preview import preview
from kdeploy_gui.environments.memory_target import MemoryConnector, MemoryMachine
from kdeploy_gui.model.abi import AARCH64, ARM, X86_64, Abi
from kdeploy_gui.model.event import CheckDone
from kdeploy_gui.model.facts import Presence
from kdeploy_gui.model.plan import ArtifactType, Dependency, Plan, PlannedFile
from kdeploy_gui.model.preview import EnvironmentPreview, FileChange
from kdeploy_gui.model.run import EnvironmentState
from kdeploy_gui.model.stage import Stage, Status
from kdeploy_gui.ports import Connector
from tests.elves import module, program
from tests.engine.steps import of, over_ssh
from tests.lab.fixtures import Mount
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent, memory_file, memory_plan, ports, rehearsal

X86, ARM64, ARMHF = Abi(X86_64, 64, True), Abi(AARCH64, 64, True), Abi(ARM, 32, True, 0x5000400)


def file(content: MemoryContent, target: str, data: bytes, kind: ArtifactType = ArtifactType.BINARY) -> PlannedFile:
    return replace(memory_file(content, target, data, 0o755), type=kind)


async def run_on(
    folder: Path, plan: Plan, content: MemoryContent, connector: Connector
) -> tuple[EnvironmentState, list[CheckDone]]:
    async with rehearsal(folder / "history", {}, content, connector=connector) as run:
        state, events = await run.run(plan)
        checks = [each.body for each in of(events, "check_done") if isinstance(each.body, CheckDone)]
        return next(iter(state.environments.values())), checks


async def shown(folder: Path, plan: Plan, content: MemoryContent, connector: Connector) -> EnvironmentPreview:
    async with rehearsal(folder / "shown", {}, content) as run:
        return await preview(ports(run.history, folder, connector, content), plan, plan.environments[0])


def code_of(state: EnvironmentState) -> str:
    return state.error.code if state.error else ""


async def test_all_refusals_are_told_and_nothing_is_touched(tmp_path: Path) -> None:
    content, machine = MemoryContent(), MemoryMachine(programs={"/opt/perl": Presence.MISSING})
    files = [
        file(content, "/opt/t/arm", program(ARM64)),
        file(content, "/opt/t/good", program(X86)),
        file(content, "/opt/t/script", b"#!/opt/perl\n", ArtifactType.SCRIPT),
        file(content, "/opt/t/x.ko", module(X86, "5.10.0 SMP")),
        file(content, "/proc/corpus", program(ARMHF), ArtifactType.DATA),
    ]
    plan, connector = memory_plan(["a"], files), MemoryConnector({"a": machine}, content)
    state, checks = await run_on(tmp_path, plan, content, connector)
    assert (state.status, code_of(state)) == (Status.FAILED, "E-ARCH")
    assert state.error
    assert state.error.message.endswith("(and 3 more: E-SHEBANG, E-VERMAGIC, E-ROOT)")
    assert "Build it for x86_64 (now it is for aarch64)" in state.error.remedy
    assert [each.check.split()[0] for each in checks] == ["arch", "shebang", "vermagic", "root"]
    assert (checks[0].value, checks[0].limit) == ("x86_64", "aarch64")
    assert (machine.files, "place" in machine.calls, "survey" in machine.calls) == ({}, False, False)

    found = await shown(tmp_path, plan, content, connector)
    assert [each.code for each in found.refusals] == ["E-ARCH", "E-SHEBANG", "E-VERMAGIC", "E-ROOT"]
    changes = [FileChange.REFUSED, FileChange.NEW, *[FileChange.REFUSED] * 3]
    assert [each.change for each in found.files] == changes
    assert found.files[0].refusal
    assert found.files[0].refusal.code == "E-ARCH"
    assert found.files[4].refusal
    assert found.files[4].refusal.code == "E-ROOT"


async def test_roots_of_the_environment_decide(tmp_path: Path) -> None:
    content, machine = MemoryContent(), MemoryMachine()
    plan = memory_plan(["a"], [file(content, "/opt/t/x", b"")])
    (environment,) = plan.environments
    closed = replace(plan, environments=(replace(environment, roots=("~", "/srv")),))
    state, _ = await run_on(tmp_path, closed, content, MemoryConnector({"a": machine}, content))
    assert code_of(state) == "E-ROOT"
    opened = replace(plan, environments=(replace(environment, roots=("~", "/opt")),))
    state, _ = await run_on(tmp_path, opened, content, MemoryConnector({"a": machine}, content))
    assert (state.status, list(machine.files)) == (Status.COMPLETED, ["/opt/t/x"])


async def test_room_is_asked_for_what_is_new_only(tmp_path: Path) -> None:
    content, machine = MemoryContent(), MemoryMachine()
    plan = memory_plan(["a"], [file(content, "/opt/t/x", b"x" * 999)])
    connector = MemoryConnector({"a": machine}, content)
    assert (await run_on(tmp_path, plan, content, connector))[0].ready
    machine.free_bytes = 1000
    assert (await run_on(tmp_path, plan, content, connector))[0].ready
    assert not (await shown(tmp_path, plan, content, connector)).refusals
    machine.files.clear()
    state, checks = await run_on(tmp_path, plan, content, connector)
    assert code_of(state) == "E-NOSPC"
    assert state.error
    assert (state.error.where.stage, state.error.on_target) == (Stage.DEPLOYING.value, "Unchanged: nothing was sent.")
    assert [(each.check, each.value, each.limit) for each in checks if not each.ok] == [
        ("nospc /", "1000 B", "64.0 MiB")
    ]
    found = await shown(tmp_path, plan, content, connector)
    assert [each.code for each in found.refusals] == ["E-NOSPC"]
    assert [each.change for each in found.files] == [FileChange.NEW]


async def test_interpreters_may_come_with_packages_but_machines_do_not_change(tmp_path: Path) -> None:
    content = MemoryContent()
    machine = MemoryMachine(programs={"/usr/bin/perl": Presence.MISSING})
    machine.depot.installed["perl"] = "5.36"
    script = file(content, "/opt/t/x.pl", b"#!/usr/bin/perl\n", ArtifactType.SCRIPT)
    plan = replace(memory_plan(["a"], [script]), dependencies=(Dependency(name="perl"),))
    connector = MemoryConnector({"a": machine}, content)
    state, _ = await run_on(tmp_path, plan, content, connector)
    assert (code_of(state), state.error and state.error.where.stage) == ("E-SHEBANG", Stage.DEPLOYING.value)
    machine.facts = replace(machine.facts, package_manager="apt-get")
    assert [each.code for each in (await shown(tmp_path, plan, content, connector)).refusals] == ["E-SHEBANG"]
    machine.depot.installed.clear()
    assert not (await shown(tmp_path, plan, content, connector)).refusals

    machine.calls.clear()
    wrong = replace(plan, files=(file(content, "/opt/t/tool", program(ARM64)),))
    state, _ = await run_on(tmp_path, wrong, content, connector)
    assert (code_of(state), state.error and state.error.where.stage) == ("E-ARCH", Stage.CONNECTING.value)
    assert not {"dependencies", "install", "execute"} & set(machine.calls), "no package is looked for, or installed"


async def test_a_source_is_inspected_once_however_many_machines(tmp_path: Path) -> None:
    reads: list[str] = []

    class Counting(MemoryContent):
        def requirement(self, source: object) -> None:
            reads.append(str(source))

    content = Counting()
    names = [f"m{number}" for number in range(5)]
    plan = memory_plan(names, [file(content, "/opt/t/x", b"x"), replace(memory_file(content, "/opt/t/d", b"d"))])
    connector = MemoryConnector({name: MemoryMachine() for name in names}, content)
    await run_on(tmp_path, plan, content, connector)
    assert len(reads) == 1


def state_of(folder: Path) -> list[tuple[str, int, int]]:
    return [(str(each), each.lstat().st_mode, each.lstat().st_mtime_ns) for each in sorted(folder.rglob("*"))]


FOREIGN = program(ARM64 if os.uname().machine == "x86_64" else X86)


@pytest.mark.sshd
async def test_a_program_for_another_machine_leaves_a_real_one_untouched(tmp_path: Path, sshd: Sshd) -> None:
    content, connector = MemoryContent(), over_ssh(MemoryContent())
    files = [
        file(content, "~/t/fine", Path("/bin/true").read_bytes()),
        file(content, "~/t/tool", FOREIGN),
        file(content, "~/t/windows", b"#!/bin/sh\r\n", ArtifactType.SCRIPT),
    ]
    plan = replace(memory_plan(["a"], files), environments=(sshd.environment("a"),))
    before = state_of(sshd.home())
    state, checks = await run_on(tmp_path, plan, content, connector)
    assert code_of(state) == "E-ARCH"
    assert state.error
    assert os.uname().machine in state.error.message
    assert [each.check for each in checks] == [f"arch {sshd.home()}/t/tool", f"shebang {sshd.home()}/t/windows"]
    assert state_of(sshd.home()) == before
    assert [each.code for each in (await shown(tmp_path, plan, content, connector)).refusals] == ["E-ARCH", "E-SHEBANG"]


@pytest.mark.sshd
async def test_ways_that_others_could_change_are_refused_on_a_real_machine(tmp_path: Path, sshd: Sshd) -> None:
    content, connector = MemoryContent(), over_ssh(MemoryContent())
    home = sshd.home()
    (home / "open").mkdir()
    (home / "open").chmod(0o777)
    (home / "link").symlink_to(tmp_path)
    targets = ("~/open/deeper/x", "~/link/x")
    plan = memory_plan(["a"], [file(content, each, b"x", ArtifactType.DATA) for each in targets])
    plan = replace(plan, environments=(sshd.environment("a"),))
    state, checks = await run_on(tmp_path, plan, content, connector)
    assert code_of(state) == "E-PARENT"
    assert [each.check for each in checks] == [f"parent {home}/open", f"symlink {home}/link"]
    assert list((home / "open").iterdir()) == []
    found = await shown(tmp_path, plan, content, connector)
    assert [each.change for each in found.files] == [FileChange.REFUSED] * 2


@pytest.mark.sshd
@pytest.mark.parametrize(
    ("options", "code", "found"),
    [
        ("mode=755,ro", "E-ROFS", "read-only"),
        ("mode=755,noexec", "E-NOEXEC", "noexec"),
        ("mode=755,size=8m", "E-NOSPC", "8.0 MiB"),
        ("mode=755,nr_inodes=5", "E-INODES", "4"),
        ("mode=777", "E-PARENT", "mode 0777"),
    ],
)
async def test_mounts_that_cannot_take_files(
    tmp_path: Path, sshd: Sshd, mounted: Mount, options: str, code: str, found: str
) -> None:
    place, content, connector = mounted(options), MemoryContent(), over_ssh(MemoryContent())
    plan = memory_plan(["a"], [file(content, f"{place}/t/run.sh", b"#!/bin/sh\n", ArtifactType.SCRIPT)])
    plan = replace(plan, environments=(sshd.environment("a"),))
    assert [each.code for each in (await shown(tmp_path, plan, content, connector)).refusals] == [code]
    state, checks = await run_on(tmp_path, plan, content, connector)
    assert code_of(state) == code
    (failed,) = [each for each in checks if not each.ok]
    assert found in failed.value
    assert list(place.iterdir()) == []
