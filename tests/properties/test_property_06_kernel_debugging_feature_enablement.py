"""Property 06: kernel debugging feature enablement

For any wanted set and any machine, KASAN, KCSAN (KTSAN), and lockdep are on when the stage ends well, or the stage says
which of configuration, boot parameter or reboot is missing; sets that no kernel can have are refused at planning. The
real peers are the kernels of tests/lab/test_debug_kernels.py, and here the kernel that runs the tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.engine.exclusions import conflicts
from kdeploy_gui.environments.memory_target import MemoryMachine
from kdeploy_gui.instruments.catalogue import Catalogue
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.instrument import State
from kdeploy_gui.model.plan import Instrumentation, Want
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Status
from tests.engine.steps import over_ssh
from tests.instruments.answers import answer
from tests.lab.fixtures import MakeSshd
from tests.rehearsal import MemoryContent, memory_plan, quick_folder, rehearsal

NAMES = ("kasan", "kcsan", "lockdep")
BOOT = "[0.0] Linux version 6.1"


def machine(present: Mapping[str, str]) -> bytes:
    """The answer of a machine whose instruments are on, off, spent or absent."""
    files = {"/sys/kernel/debug/kcsan": f"enabled: {int(present['kcsan'] == 'on')}"}
    if present["lockdep"] != "absent":
        files["/proc/lockdep_stats"] = f"debug_locks: {int(present['lockdep'] != 'spent')}"
        files["/proc/sys/kernel/prove_locking"] = str(int(present["lockdep"] != "off"))
    if present["kcsan"] == "absent":
        del files["/sys/kernel/debug/kcsan"]
    options = {"kasan": "KASAN", "kcsan": "KCSAN", "lockdep": "PROVE_LOCKING"}
    missing = "No such file or directory"
    return answer(
        debugfs=True,
        config={option: "n" if present[name] == "absent" else "y" for name, option in options.items()},
        files=files,
        unread={path: missing for path in ("/sys/kernel/debug/kcsan", "/proc/lockdep_stats") if path not in files},
        log=[BOOT, "[9.0] BUG: KASAN: use-after-free in x"] if present["kasan"] == "spent" else [BOOT],
    )


states = st.fixed_dictionaries(
    {
        "kasan": st.sampled_from(["on", "spent", "absent"]),
        "kcsan": st.sampled_from(["on", "off", "absent"]),
        "lockdep": st.sampled_from(["on", "off", "spent", "absent"]),
    }
)
wants = st.fixed_dictionaries({name: st.sampled_from(list(Want)) for name in NAMES})


async def run(present: Mapping[str, str], wanted: Mapping[str, Want], folder: Path) -> RunState:
    board = MemoryMachine(replies={"instrument detection": Completed(0, machine(present))})
    async with rehearsal(folder, {"a": board}, MemoryContent()) as rehearsed:
        state, _ = await rehearsed.run(replace(memory_plan(["a"]), instrumentation=Instrumentation(wanted)))
    return state


@settings(max_examples=100)
@given(states, wants)
def test_what_is_required_is_on_or_the_stage_says_what_is_missing(
    present: dict[str, str], wanted: dict[str, Want]
) -> None:
    with quick_folder() as folder:
        state = asyncio.run(run(present, wanted, Path(folder))).environments["a"]
    lacking = [name for name in NAMES if wanted[name] is Want.REQUIRED and present[name] != "on"]
    assert (state.status is Status.COMPLETED) == (not lacking)
    rows = state.instruments
    assert set(rows) == {name for name in NAMES if wanted[name] is not Want.OFF}
    for name, row in rows.items():
        expected = {"on": State.ACTIVE, "off": State.OFF, "spent": State.SPENT, "absent": State.ABSENT}[present[name]]
        assert row.state == expected, row
        if present[name] != "on":
            assert row.note
            assert any(word in row.remedy for word in ("CONFIG_", "boot", "sysctl", "echo")), row
    for name in lacking:
        assert state.error is not None
        assert rows[name].note in state.error.message


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(["kasan", "kcsan", "kmsan", "lockdep", "kcov"]), st.sampled_from(list(Want))))
def test_sets_that_no_kernel_can_have_are_refused_at_planning(wanted: dict[str, Want]) -> None:
    sanitizers = {name for name in ("kasan", "kcsan", "kmsan") if wanted.get(name) is Want.REQUIRED}
    found = list(conflicts(Instrumentation(wanted), Catalogue().all(), ()))
    assert len(found) == len(sanitizers) * (len(sanitizers) - 1) // 2


async def test_the_kernel_of_this_machine_is_told_as_it_is(tmp_path: Path, make_sshd: MakeSshd) -> None:
    content = MemoryContent()
    wanted = Instrumentation(dict.fromkeys(NAMES, Want.WANTED), may_switch=False)
    environment = make_sshd().environment("a")
    plan = replace(memory_plan(["a"]), environments=(environment,), instrumentation=wanted)
    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as rehearsed:
        state, _ = await rehearsed.run(plan)
    rows = state.environments["a"].instruments
    assert set(rows) == set(NAMES)
    symbols = Path("/proc/kallsyms").read_text()
    for name, symbol in (("kasan", "kasan_report"), ("kcsan", "__tsan_read8"), ("lockdep", "print_circular_bug")):
        if symbols and f" {symbol}\n" not in symbols:
            assert rows[name].state in {State.ABSENT, State.UNKNOWN}
