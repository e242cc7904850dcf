"""Set-ups for machines in memory: who tells the architecture, and what is known of whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.engine.fuzzing import FuzzPreparing
from kdeploy_gui.environments.memory_guests import MemoryGuest, MemoryGuests
from kdeploy_gui.environments.memory_machine import MemoryMachine
from kdeploy_gui.environments.memory_target import MemoryConnector
from kdeploy_gui.errors import PlanError
from kdeploy_gui.instruments.syzkaller import Syzkaller
from kdeploy_gui.model.environment import Environment, Kind
from kdeploy_gui.model.fuzzing import FuzzRequest, Sandbox
from kdeploy_gui.model.guest import BootSource
from tests.rehearsal import MemoryContent, ports, rehearsal

GUEST = Environment(name="vm", host="", kind=Kind.QEMU, domain="vm")
BOARDS = tuple(Environment(name=name, host=f"{name}.invalid") for name in ("a", "b"))


@asynccontextmanager
async def preparing(
    tmp_path: Path, machines: dict[str, MemoryMachine], arch: str = "riscv64"
) -> AsyncIterator[FuzzPreparing]:
    content = MemoryContent()
    async with rehearsal(tmp_path / "data", {}, content) as run:
        outside = ports(run.history, tmp_path / "data", MemoryConnector(machines, content), content)
        guests = MemoryGuests({"vm": MemoryGuest(source=BootSource(arch))})
        yield FuzzPreparing(replace(outside, guests=guests), Syzkaller())


@pytest.fixture
def request_(tmp_path: Path) -> FuzzRequest:
    return FuzzRequest(workdir=tmp_path, file=tmp_path / "x.cfg", syzkaller=tmp_path, image=tmp_path / "disk")


async def test_the_hypervisor_tells_what_a_guest_is(tmp_path: Path, request_: FuzzRequest) -> None:
    async with preparing(tmp_path, {}) as prepared:
        setup = await prepared.prepare((GUEST,), request_)
        assert (setup.type, setup.target) == ("qemu", "riscv64")
        assert '"linux/riscv64"' in setup.text
        for unknown in (replace(GUEST, domain="gone"), replace(GUEST, domain="")):
            with pytest.raises(PlanError, match="E-SYZ-ARCH"):
                await prepared.prepare((unknown,), request_)
        assert (await prepared.prepare((replace(GUEST, domain=""),), replace(request_, arch="s390x"))).target == "s390x"


async def test_machines_of_several_architectures_are_refused(tmp_path: Path, request_: FuzzRequest) -> None:
    machines = {"a": MemoryMachine(), "b": MemoryMachine()}
    machines["b"].facts = replace(machines["b"].facts, machine="aarch64")
    async with preparing(tmp_path, machines) as prepared:
        with pytest.raises(PlanError, match="aarch64, x86_64"):
            await prepared.prepare(BOARDS, request_)
        with pytest.raises(PlanError, match="riscv64, x86_64"):
            await prepared.prepare(BOARDS[:1], replace(request_, arch="riscv64"))


async def test_options_are_required_for_what_is_asked(tmp_path: Path, request_: FuzzRequest) -> None:
    async with preparing(tmp_path, {"a": MemoryMachine()}) as prepared:
        plain = await prepared.prepare(BOARDS[:1], request_)
        inside = await prepared.prepare(BOARDS[:1], replace(request_, sandbox=Sandbox.NAMESPACE, cover=False))
    required = [{each.subject for each in setup.preconditions if each.required} for setup in (plain, inside)]
    assert {"CONFIG_KCOV", "CONFIG_DEBUG_FS"} <= required[0]
    assert "CONFIG_USER_NS" not in required[0]
    assert {"CONFIG_PID_NS", "CONFIG_USER_NS", "CONFIG_DEBUG_FS"} <= required[1]
    assert "CONFIG_KCOV" not in required[1]
