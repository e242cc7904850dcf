"""Instruments on kernels that have them, and on the stock kernel that does not: proven, and put back bit for bit."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.documents.lab_edit import add_environment
from kdeploy_gui.engine import instruments, readiness
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.coverage import CoverageCollecting
from kdeploy_gui.engine.monitor import Monitor
from kdeploy_gui.errors import Category
from kdeploy_gui.instruments.gcov_reports import GcovReports
from kdeploy_gui.model.check import EnvironmentCheck
from kdeploy_gui.model.coverage import CoverageRequest
from kdeploy_gui.model.environment import Environment, Kernel
from kdeploy_gui.model.event import InstrumentState
from kdeploy_gui.model.plan import Instrumentation, Want
from tests.cli.program import Lab, kdeploy
from tests.engine.steps import over_ssh
from tests.lab import guest_image, kernels
from tests.lab.client import output_of
from tests.lab.guest import CMDLINE, GuestFiles, TinyGuest, tiny_guest
from tests.lab.libvirtd import Libvirtd
from tests.rehearsal import MemoryContent, memory_plan, ports, rehearsal

pytestmark = [
    pytest.mark.debugkernel,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(kernels.unfit() or guest_image.unfit()), reason=kernels.unfit() or guest_image.unfit()),
]
BOOT, GREETING = 900.0, 120.0
STATE = """
for file in /sys/kernel/tracing/tracing_on /sys/kernel/tracing/current_tracer /sys/kernel/tracing/set_event \\
    /sys/module/kfence/parameters/sample_interval /proc/sys/kernel/tainted /proc/sys/kernel/prove_locking; do
    echo "$file: $(cat "$file" 2>&1)"
done
grep debug_locks /proc/lockdep_stats
head -n 1 /sys/kernel/debug/kcsan 2>&1
ls -a /sys/kernel/tracing/instances /run /tmp 2>&1
cut -d ' ' -f 2,3 /proc/mounts
"""


def booted(folder: Path, name: str, cmdline: str, cpus: int) -> Iterator[TinyGuest]:
    image = kernels.kernel(name) / "bzImage"
    words = f"{CMDLINE} {cmdline}"
    with tiny_guest(folder, kernel=image, cmdline=words, memory=1536, cpus=cpus, wait=False) as guest:
        guest.wait_for_ssh(BOOT, GREETING)
        yield guest


@pytest.fixture(scope="module")
def kasan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyGuest]:
    """Its own test suite would spend lockdep at boot, so it is told to run nothing."""
    yield from booted(tmp_path_factory.mktemp("kasan"), "kasan", "acpi=off kunit.filter_glob=none", 1)


@pytest.fixture(scope="module")
def kcsan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyGuest]:
    yield from booted(tmp_path_factory.mktemp("kcsan"), "kcsan", "kunit.filter_glob=none", 4)


async def look(folder: Path, environment: Environment, *, prove: bool) -> dict[str, InstrumentState]:
    """A look; an emulated machine on a busy workstation may need longer for a login than kdeploy waits for one."""
    content = MemoryContent()
    async with rehearsal(folder, {}, content) as run:
        outside = ports(run.history, folder, over_ssh(content), content)
        async with asyncio.timeout(BOOT):
            found = await instruments.look(outside, environment, prove=prove)
            while found.failure is not None and found.failure.category is Category.NET:
                found = await instruments.look(outside, environment, prove=prove)
    assert found.failure is None, found.failure
    return {each.instrument: each for each in found.instruments}


async def run_on(environment: Environment, script: str) -> str:
    return await output_of(environment, script)


async def test_the_debug_kernel_has_what_it_is_built_with_and_is_left_as_it_was(
    kasan: TinyGuest, tmp_path: Path
) -> None:
    environment = kasan.environment()
    before = await run_on(environment, STATE)
    rows = await look(tmp_path, environment, prove=True)
    states = {name: row.state for name, row in rows.items()}
    assert {each: states[each] for each in ("kasan", "ubsan", "lockdep", "kmemleak")} == dict.fromkeys(
        ("kasan", "ubsan", "lockdep", "kmemleak"), "active"
    )
    assert {each: rows[each].note for each in ("kcov", "kfence", "gcov", "ftrace") if states[each] != "proven"} == {}
    assert states["kcsan"] == states["kmsan"] == "absent"
    assert await run_on(environment, STATE) == before


async def test_counters_of_a_kernel_are_collected_and_put_to_zero(kasan: TinyGuest, tmp_path: Path) -> None:
    """Its recipe instruments fs/open.c alone; the kernel tells all of these files to be empty."""
    environment = kasan.environment()
    await run_on(environment, "umount /sys/kernel/debug")
    content = MemoryContent()
    async with rehearsal(tmp_path / "history", {}, content) as run:
        outside = ports(run.history, tmp_path / "history", over_ssh(content), content)
        collecting = CoverageCollecting(outside, GcovReports())
        async with asyncio.timeout(BOOT):
            found = await collecting.run(environment, CoverageRequest(out=tmp_path / "out", reset=True))
    (counters,) = (found.data.folder / "gcda").rglob("*.gcda")
    assert counters.name == "open.gcda"
    assert counters.read_bytes()[:4] == b"adcg", "no counters of a GCC on a machine with this byte order"
    assert found.reset
    assert "debugfs" not in await run_on(environment, "cat /proc/mounts")
    await run_on(environment, "mount -t debugfs debug /sys/kernel/debug")
    assert (await run_on(environment, "find /sys/kernel/debug/gcov -name open.gcda")).endswith("/fs/open.gcda")


async def test_the_race_kernel_proves_kcsan(kcsan: TinyGuest, tmp_path: Path) -> None:
    environment = kcsan.environment()
    before = await run_on(environment, STATE)
    rows = await look(tmp_path, environment, prove=True)
    assert rows["kcsan"].state == "proven", rows["kcsan"]
    assert rows["ftrace"].state == "proven", rows["ftrace"]
    assert rows["kasan"].state == "absent"
    assert rows["lockdep"].note.startswith("this kernel has LOCKDEP for statistics only")
    assert await run_on(environment, STATE) == before


async def test_sabotage_is_mended_in_a_run_and_taken_back_after_it(kcsan: TinyGuest, tmp_path: Path) -> None:
    environment = kcsan.environment()
    await run_on(environment, "echo off > /sys/kernel/debug/kcsan; umount /sys/kernel/debug")
    content = MemoryContent()
    plan = replace(
        memory_plan(["vm"]),
        environments=(replace(environment, name="vm"),),
        instrumentation=Instrumentation({"kcsan": Want.REQUIRED, "ftrace": Want.REQUIRED}),
    )
    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        state, _ = await run.run(plan)
        assert state.environments["vm"].ready, state.environments["vm"].error
        assert state.environments["vm"].instruments["kcsan"].state == "proven"
        assert "debugfs" in await run_on(environment, "cat /proc/mounts")
        state, _ = await run.run(replace(plan, takes_back=state.run))
    assert "debugfs" not in await run_on(environment, "cat /proc/mounts")
    await run_on(environment, "mount -t debugfs debug /sys/kernel/debug")
    assert await run_on(environment, "head -n 1 /sys/kernel/debug/kcsan") == "enabled: 0"
    await run_on(environment, "echo on > /sys/kernel/debug/kcsan")


async def test_tracing_that_somebody_does_is_not_touched(kcsan: TinyGuest, tmp_path: Path) -> None:
    environment = kcsan.environment()
    await run_on(
        environment, "mount -t tracefs tracefs /sys/kernel/tracing; echo function > /sys/kernel/tracing/current_tracer"
    )
    rows = await look(tmp_path, environment, prove=True)
    assert rows["ftrace"].state == "proven", rows["ftrace"]
    assert await run_on(environment, "cat /sys/kernel/tracing/current_tracer") == "function"
    await run_on(environment, "echo nop > /sys/kernel/tracing/current_tracer; umount /sys/kernel/tracing")


async def test_kmemleak_that_was_switched_off_is_spent(kasan: TinyGuest, tmp_path: Path) -> None:
    environment = kasan.environment()
    await run_on(environment, "echo off > /sys/kernel/debug/kmemleak")
    assert (await look(tmp_path, environment, prove=False))["kmemleak"].state == "spent"


async def test_lockdep_that_is_not_to_prove_is_off(kasan: TinyGuest, tmp_path: Path) -> None:
    environment = kasan.environment()
    await run_on(environment, "echo 0 > /proc/sys/kernel/prove_locking")
    assert (await look(tmp_path, environment, prove=False))["lockdep"].state == "off"
    await run_on(environment, "echo 1 > /proc/sys/kernel/prove_locking")


async def test_a_reboot_behind_our_back_ends_ready(kcsan: TinyGuest, tmp_path: Path) -> None:
    """The last test on this guest: it comes back as another boot."""
    environment = replace(kcsan.environment(), name="vm", monitor=2.0)
    content = MemoryContent()
    plan = replace(
        memory_plan(["vm"]),
        environments=(environment,),
        instrumentation=Instrumentation({"kcsan": Want.REQUIRED}),
    )
    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        state, _ = await run.run(plan)
        assert state.environments["vm"].ready
        outside = ports(run.history, tmp_path, over_ssh(content), content)
        await run_on(environment, "(trap '' HUP; sleep 1; reboot -f) < /dev/null > /dev/null 2>&1 &")
        told = await _first_drop(outside, environment)
        assert "the machine has rebooted (boot id " in "; ".join(told.because)
        again = await readiness.check(outside, environment)
        assert not again.ready


async def _first_drop(outside: Ports, environment: Environment) -> EnvironmentCheck:
    dropped: asyncio.Future[EnvironmentCheck] = asyncio.get_running_loop().create_future()

    def hear(check: EnvironmentCheck) -> None:
        if not check.ready and check.failure is None and not dropped.done():
            dropped.set_result(check)

    watching = asyncio.ensure_future(Monitor(outside, lambda: [environment], hear).run())
    try:
        return await asyncio.wait_for(dropped, BOOT)
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def test_the_stock_kernel_says_what_would_bring_each(tmp_path: Path) -> None:
    with tiny_guest(tmp_path) as guest:
        rows = await look(tmp_path / "history", guest.environment(), prove=True)
    for name in ("kasan", "kcsan", "kmsan", "kfence", "ubsan", "lockdep", "kmemleak", "gcov", "kcov"):
        assert rows[name].state == "absent", rows[name]
        assert rows[name].remedy.startswith("boot a kernel that"), rows[name]
    assert rows["ftrace"].state == "proven", rows["ftrace"]
    assert (rows["perf"].state, rows["perf"].built_in) == ("off", "yes")


@pytest.fixture
def stock(
    kdeploy_home: Path, tmp_path: Path, libvirtd: Libvirtd, guest_files: GuestFiles, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lab]:
    """A lab with a guest that is shut off, boots the stock kernel by itself, and has one with KASAN beside it."""
    pytest.importorskip("libvirt")
    monkeypatch.setattr("tests.cli.program.DEADLINE", 2 * BOOT)
    image = guest_files.folder / "bzImage-kasan"
    shutil.copy(kernels.kernel("kasan") / "bzImage", image)
    image.chmod(0o644)
    line = f"{CMDLINE} acpi=off kunit.filter_glob=none"
    kasan = Kernel("kasan", str(image), str(guest_files.initrd), line)
    domain = libvirtd.define("kd-kasan", guest_files, memory=1536)
    lab = Lab(kdeploy_home, tmp_path / "plan")
    environment = replace(libvirtd.environment(domain), name="vm", autostart=True, boot_timeout=BOOT, kernels=(kasan,))
    assert add_environment(lab.home / "lab.toml", environment) == ()
    yield lab
    libvirtd.reset(domain)


@pytest.mark.timeout(5 * BOOT)
async def test_a_guest_that_is_shut_off_on_its_stock_kernel_is_deployed_on_the_one_with_kasan(stock: Lab) -> None:
    plan = stock.write_plan(
        extra=f"""[policy]
stage_timeout = "{2 * BOOT:.0f}s"
[instrumentation]
kasan = "required"
lockdep = "wanted"
kcov = "wanted"
ftrace = "wanted"
kernel_params = ["kasan_multi_shot"]
may_reboot = true
"""
    )
    first = kdeploy("deploy", plan, "--json")
    assert first.status == 0, first.stdout + first.stderr
    done = first.events[-1]["environments"][0]
    assert (done["ready"], done["files"]["sent"]) == (True, 2)
    booted = [
        each["value"] for each in first.events if each["type"] == "fact_found" and each["name"] == "kernel_booted"
    ]
    assert len(booted) == 1
    assert "(kasan with kasan_multi_shot), booted by this run" in booted[0]
    states = {each["instrument"]: each["state"] for each in first.events if each["type"] == "instrument_state"}
    assert states == {"kasan": "active", "lockdep": "active", "kcov": "proven", "ftrace": "proven"}

    again = kdeploy("deploy", plan, "--json")
    assert again.status == 0, again.stdout + again.stderr
    done = again.events[-1]["environments"][0]
    assert (done["ready"], done["files"]["sent"], done["files"]["bytes"]) == (True, 0, 0)
    assert "kernel_booted" not in again.stdout
    assert kdeploy("ready", "vm").status == 0
