"""Property 29: temporary file cleanup

For any outcome (success, failure, cancellation, death in the middle) no temporary file remains here or on the machine
after the next contact.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.plan import Plan, Policy
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.stage import Outcome
from kdeploy_gui.ports import Target
from tests.cli.program import Lab, kdeploy, next_event, running
from tests.contract.local_shell import LocalShell
from tests.engine.steps import HookedConnector, until
from tests.environments.test_transaction import COMMANDS, DYING
from tests.lab.chaos import Chaos, Direction
from tests.lab.processes import wait_until
from tests.lab.sshd import Sshd
from tests.properties.peers import LocalMachine, leftovers, write_files
from tests.rehearsal import MemoryContent, memory_file, memory_plan, quick_folder, rehearsal

OLD, NEW = b"old", b"new" * 30_000


@dataclass(frozen=True)
class Fault:
    """What happens in a deployment: `nothing`, or one of the others at a call or at the `number`th command there."""

    kind: str
    call: str = ""
    number: int = 0


faults = st.one_of(
    st.just(Fault("nothing")),
    st.sampled_from(["blocked", "changed", "gone", "cancelled while reading"]).map(Fault),
    st.sampled_from(["connect", "facts", "sweep", "place", "survey"]).map(lambda call: Fault("cancelled", call)),
    st.builds(Fault, st.sampled_from(["dies before", "dies after"]), st.just(""), st.integers(1, 45)),
)


class Content(MemoryContent):
    """Named byte strings; `on_read` happens when one is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.on_read: Callable[[], None] = lambda: None

    def read(self, path: str) -> Iterator[bytes]:
        self.on_read()
        yield from super().read(path)


class Machine:
    """This computer as a machine: files below `root`, and commands that die with their script on request."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root, self.home = folder, folder / "root", folder / "home"
        for each in (self.root, self.home, folder / "bin"):
            each.mkdir()
        self.content = Content()
        self.whole = LocalMachine(("/bin/sh",), self.home, self.content)

    def dying(self, fault: Fault) -> Target:
        """The machine goes down at a command."""
        count = self.folder / "count"
        count.write_text("0")
        for name in COMMANDS:
            real = shutil.which(name)
            before = f'{real} "$@"' if fault.kind == "dies after" else ":"
            text = DYING.format(count=count, at=fault.number, before=before, real=real)
            (self.folder / "bin" / name).write_text(text)
            (self.folder / "bin" / name).chmod(0o755)
        shell = LocalShell(("/bin/sh",), self.home, f"{self.folder / 'bin'}:{os.defpath}")
        return ShellTarget(shell, self.content)

    def plan(self, data: bytes) -> Plan:
        """Three files in two folders."""
        files = [
            memory_file(self.content, f"{self.root}/{name}", data, 0o640) for name in ("a/one", "a/two", "b/three")
        ]
        return replace(memory_plan(["board"], files), policy=Policy(retries=0))

    def temporaries(self) -> list[str]:
        """What should not be there."""
        unfinished = [str(each) for each in (self.home / ".cache/kdeploy/kept").glob("new*")]
        return leftovers(self.root, self.home) + unfinished


def here(*folders: Path) -> list[str]:
    """Temporary files on the workstation."""
    found = [each for folder in folders for each in folder.rglob("*")]
    return [str(each) for each in found if each.name.startswith((".", "tmp", "kdeploy-")) or each.suffix == ".part"]


async def deploy(machine: Machine, folder: Path, fault: Fault) -> None:
    """Deploy over an old version, with a fault."""
    loop = asyncio.get_running_loop()
    placing = False
    numbers: list[int] = []

    def strike() -> None:
        if fault.kind == "cancelled while reading" and placing:
            asyncio.run_coroutine_threadsafe(run.orchestrator.cancel(numbers[-1]), loop).result(5)

    async def hook(_: str, call: str) -> None:
        nonlocal placing
        placing = placing or call == "place"
        if fault.kind == "cancelled" and call == fault.call:
            await until(lambda: bool(numbers), "the run has its number")
            await run.orchestrator.cancel(numbers[-1])
        if fault.kind in {"changed", "gone"} and call == "place":
            spoil(machine, fault)

    class Connector(HookedConnector):
        async def connect(self, environment: Environment) -> Target:
            target = await super().connect(environment)
            return machine.dying(fault) if fault.kind.startswith("dies") else target

    machine.content.on_read = strike
    async with rehearsal(folder, {}, machine.content, connector=Connector(machine.whole, hook)) as run:
        plan = machine.plan(NEW)
        if fault.kind == "blocked":
            (machine.root / "b/three").unlink()
            (machine.root / "b/three").mkdir()
        numbers.append(await run.orchestrator.submit(plan))
        await run.orchestrator.wait(numbers[-1])
        ended = fold(run.history.log.events(numbers[-1]))
    assert (ended.outcome is Outcome.SUCCEEDED) == (fault.kind == "nothing") or fault.kind.startswith("dies")


def spoil(machine: Machine, fault: Fault) -> None:
    """A source is another one, or none, when it is sent."""
    path = f"memory:{machine.root}/b/three"
    if fault.kind == "gone":
        del machine.content.data[path]
    else:
        machine.content.data[path] = b"x" * len(NEW)


@pytest.mark.timeout(600)  # a hundred deployments of a real shell, and disks that are busy
@settings(max_examples=100)
@given(faults)
@example(Fault("dies after", "", 20))
def test_nothing_temporary_outlives_the_next_contact(fault: Fault) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        quick_folder() as history,
        pytest.MonkeyPatch.context() as patch,
    ):
        folder = Path(name)
        (folder / "tmp").mkdir()
        patch.setattr(tempfile, "tempdir", str(folder / "tmp"))
        machine = Machine(folder)
        write_files(machine.root, dict.fromkeys(("a/one", "a/two", "b/three"), OLD))
        asyncio.run(deploy(machine, Path(history), fault))
        if not fault.kind.startswith("dies"):
            assert machine.temporaries() == []
        asyncio.run(next_contact(machine))
        assert machine.temporaries() == []
        assert here(Path(history), folder / "tmp") == []
        versions = {each.read_bytes() for each in machine.root.rglob("*") if each.is_file()}
        assert versions in ({OLD}, {NEW})


async def next_contact(machine: Machine) -> None:
    target = await machine.whole.connect(Environment(name="board", host="board.invalid"))
    await target.survey((), sweep=True)


# The program against a real server

SIZE = 2_000_000


@pytest.fixture
def lab(kdeploy_home: Path, tmp_path: Path) -> Lab:
    """An empty lab."""
    return Lab(kdeploy_home, tmp_path / "plan")


@pytest.mark.sshd
@pytest.mark.parametrize("outcome", ["failure", "cancel", "kill"])
def test_neither_here_nor_there_does_anything_remain(
    lab: Lab, sshd: Sshd, chaos: Chaos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    lab.add(chaos.environment(sshd.environment("board")))
    lab.write_plan(size=SIZE)
    blocking = sshd.home() / "suite/one.sh"
    if outcome == "failure":
        blocking.mkdir(parents=True)
        assert kdeploy("deploy", "--json", lab.plan).status == 1
        blocking.rmdir()
    else:
        chaos.rate = SIZE
        with running("deploy", "--json", lab.plan) as process:
            next_event(process, lambda event: event["type"] == "stage_progress" and event["unit"] == "bytes")
            before = chaos.passed[Direction.TO_SERVER]
            wait_until(lambda: chaos.passed[Direction.TO_SERVER] > before + SIZE // 8, "bytes move")
            process.send_signal(signal.SIGKILL if outcome == "kill" else signal.SIGINT)
            assert process.wait() == (-signal.SIGKILL if outcome == "kill" else 5)
        chaos.rate = 0
        wait_until(lambda: chaos.open_connections == 0, "the connection ends")
        if outcome == "cancel":
            wait_until(lambda: not leftovers(sshd.home()), "the machine cleans up")
    assert kdeploy("deploy", "--quiet", lab.plan).status == 0
    assert leftovers(sshd.home()) == []
    assert here(lab.home, tmp_path / "tmp") == []
