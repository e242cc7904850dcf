"""Property 08: performance monitoring setup

Where perf or ftrace is wanted, an event was recorded and the tracer's previous state is there again, or the run says
what is the matter. The real peer is a guest, on which somebody else traces, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.environments.memory_target import MemoryMachine
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.plan import Instrumentation, Plan, Want
from kdeploy_gui.model.run import EnvironmentState
from kdeploy_gui.model.stage import Status
from tests.engine.steps import over_ssh
from tests.instruments.answers import answer
from tests.lab import guest_image
from tests.lab.client import output_of
from tests.lab.guest import TinyGuest, tiny_guest
from tests.lab.test_debug_kernels import STATE
from tests.rehearsal import MemoryContent, memory_plan, quick_folder, rehearsal

TRACING = "/sys/kernel/tracing"
PARANOID = "/proc/sys/kernel/perf_event_paranoid"
NAMES = ("perf", "ftrace")
PROOFS = {"perf": "proof of perf events", "ftrace": "proof of ftrace"}
NO_FILE = "No such file or directory"


@dataclass(frozen=True)
class Monitor:
    """How one tool is on a machine, how many events its proof records, and whether all is as it was after it."""

    kernel: str
    events: int
    restored: bool

    @property
    def is_there(self) -> bool:
        """Whether it can be tried at all."""
        return self.kernel in {"there", "in use"}

    @property
    def works(self) -> bool:
        """Whether an event was recorded."""
        return self.is_there and self.events > 0


def evidence(machine: Mapping[str, Monitor]) -> bytes:
    """What detection finds of both."""
    perf, ftrace = machine["perf"].kernel, machine["ftrace"].kernel
    files, unread = {}, {}
    if perf == "absent":
        unread[PARANOID] = NO_FILE
    else:
        files[PARANOID] = "2"
    files[f"{TRACING}/available_tracers"] = "nop" if ftrace == "absent" else "function nop"
    files[f"{TRACING}/current_tracer"] = "function" if ftrace == "in use" else "nop"
    files["/proc/sys/kernel/ftrace_enabled"] = "0" if ftrace == "off" else "1"
    tools = {"perf": "" if perf == "off" else "/usr/bin/perf"}
    config = {"PERF_EVENTS": "n" if perf == "absent" else "y", "FUNCTION_TRACER": "n" if ftrace == "absent" else "y"}
    return answer(tracefs=True, files=files, unread=unread, tools=tools, config=config)


def proof(name: str, monitor: Monitor) -> bytes:
    """What the proof says of the events, and of the state before and after them."""
    said = {"restored": "yes" if monitor.restored else "the instance is still there; "}
    if name == "ftrace":
        after = "1" if monitor.restored else "2"
        said |= {"function": "vfs_open", "hits": str(monitor.events), "state_before": "1", "state_after": after}
    else:
        said |= {"task_clock": "0.5", "cycles": "99", "record": f"{monitor.events} bytes" if monitor.events else ""}
    return "".join(f"{key}\t{value}\n" for key, value in {**said, "end": ""}.items()).encode()


monitors = st.builds(
    Monitor, st.sampled_from(["there", "in use", "off", "absent"]), st.sampled_from([0, 1, 64]), st.booleans()
)


async def deployed(machine: Mapping[str, Monitor], wants: Mapping[str, Want], folder: Path) -> EnvironmentState:
    replies = {"instrument detection": Completed(0, evidence(machine))}
    replies |= {PROOFS[name]: Completed(0, proof(name, each)) for name, each in machine.items()}
    plan = replace(memory_plan(["a"]), instrumentation=Instrumentation(wants, may_switch=False))
    async with rehearsal(folder, {"a": MemoryMachine(replies=replies)}, MemoryContent()) as run:
        state, _ = await run.run(plan)
    return state.environments["a"]


@settings(max_examples=100)
@given(
    st.fixed_dictionaries(dict.fromkeys(NAMES, monitors)),
    st.fixed_dictionaries(dict.fromkeys(NAMES, st.sampled_from(list(Want)))),
)
def test_an_event_is_recorded_and_nothing_stays_changed_unsaid(
    machine: dict[str, Monitor], wants: dict[str, Want]
) -> None:
    with quick_folder() as folder:
        state = asyncio.run(deployed(machine, wants, Path(folder)))
    rows = state.instruments
    assert set(rows) == {name for name, want in wants.items() if want is not Want.OFF}
    for name, row in rows.items():
        monitor = machine[name]
        assert (row.proven == "yes") is monitor.works, row
        if not monitor.works:
            assert row.note, "a reason is given"
            assert row.remedy, "and what would help"
        if monitor.is_there and not monitor.restored:
            assert any(words in row.note for words in ("still there", "no longer as it was")), row
    lacking = [name for name, row in rows.items() if wants[name] is Want.REQUIRED and row.on != "yes"]
    assert (state.status is Status.COMPLETED) is state.ready is (not lacking)
    assert not [name for name in rows if machine[name].is_there and machine[name].events and name in lacking]


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyGuest]:
    reason = guest_image.unfit()
    if reason:
        pytest.skip(reason)
    with tiny_guest(tmp_path_factory.mktemp("guest")) as found:
        yield found


def monitored(guest: TinyGuest) -> Plan:
    return replace(
        memory_plan(["vm"]),
        environments=(replace(guest.environment(), name="vm"),),
        instrumentation=Instrumentation({"perf": Want.WANTED, "ftrace": Want.REQUIRED}),
    )


@pytest.mark.guest
@pytest.mark.timeout(600)
async def test_a_real_kernel_records_an_event_and_is_left_as_it_was(guest: TinyGuest, tmp_path: Path) -> None:
    before = await output_of(guest.environment(), STATE)
    content = MemoryContent()
    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        state, _ = await run.run(monitored(guest))
        board = state.environments["vm"]
        assert board.ready, board.error
        shown = {each.path: each.value for each in board.instruments["ftrace"].evidence}
        assert board.instruments["ftrace"].state == "proven"
        assert int(shown["proof: hits"]) > 0
        perf = board.instruments["perf"]
        assert (perf.built_in, perf.on, perf.proven) == ("yes", "no", "no"), "the guest has no perf command"
        assert perf.note
        assert perf.remedy
        back, _ = await run.run(replace(monitored(guest), takes_back=state.run))
        assert back.environments["vm"].status is Status.COMPLETED
    assert await output_of(guest.environment(), STATE) == before


SETTINGS = (
    f"cd {TRACING} && head -n 1 current_tracer set_event set_ftrace_filter tracing_on trace_options; ls instances"
)


@pytest.mark.guest
@pytest.mark.timeout(600)
async def test_what_somebody_else_traces_goes_on(guest: TinyGuest, tmp_path: Path) -> None:
    environment = guest.environment()
    await output_of(
        environment,
        f"mount -t tracefs tracefs {TRACING}; cd {TRACING}; echo vfs_open > set_ftrace_filter;"
        " echo function > current_tracer; echo sched:sched_switch > set_event",
    )
    before = await output_of(environment, SETTINGS)
    assert "vfs_open" in before
    content = MemoryContent()
    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        state, _ = await run.run(monitored(guest))
    row = state.environments["vm"].instruments["ftrace"]
    assert row.state == "proven", row
    assert await output_of(environment, SETTINGS) == before
    recorded = await output_of(environment, f"grep -c vfs_open {TRACING}/trace")
    assert int(recorded) > 0, "nobody emptied the buffer"
    await output_of(
        environment,
        f"cd {TRACING}; echo > set_event; echo nop > current_tracer; echo > set_ftrace_filter; cd /; umount {TRACING}",
    )
