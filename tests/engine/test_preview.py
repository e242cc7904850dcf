"""What a run would do: equal to what it then does, said without changing anything."""

from __future__ import annotations

import asyncio
import hashlib
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.engine.preview import AT_ONCE, preview, preview_all
from kdeploy_gui.engine.preview_texts import TEXT_LIMIT, texts_in
from kdeploy_gui.environments.memory_target import MemoryConnector, MemoryMachine, StoredFile
from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.errors import Category, KdeployError, TargetError, TrustError
from kdeploy_gui.history import open_history
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.files import FileKind, FileState
from kdeploy_gui.model.plan import (
    Artifact,
    ArtifactType,
    Dependency,
    Instrumentation,
    Plan,
    Validation,
    Want,
)
from kdeploy_gui.model.preview import DependencyChange, EnvironmentPreview, FileChange, InstrumentPresence, Verdict
from kdeploy_gui.ports import Connector, Content
from tests.contract.local_shell import LocalShell
from tests.engine.steps import HookedConnector, hooked, until
from tests.instruments.answers import answer
from tests.lab.sshd import Sshd
from tests.properties.peers import INTERPRETERS, LocalMachine, deploy, plan_of, ssh, write_files
from tests.rehearsal import MemoryContent, memory_file, memory_plan, ports

HOSTILE = b"3\n-\n@@\x1b[2J\xe2\x80\xae<b>\r\n5\nabc"


@contextmanager
def looking(folder: Path, connector: Connector, content: Content) -> Iterator[Callable[[Plan], EnvironmentPreview]]:
    """`preview` of a plan's first environment."""
    history = open_history(folder)
    outside = ports(history, folder, connector, content)
    try:
        yield lambda plan: asyncio.run(preview(outside, plan, plan.environments[0]))
    finally:
        history.close()


def look(folder: Path, machine: MemoryMachine, plan: Plan, content: MemoryContent) -> EnvironmentPreview:
    with looking(folder / "data", MemoryConnector({"a": machine}, content), content) as see:
        return see(plan)


def state_of(folder: Path) -> Mapping[str, tuple[int, int, bytes]]:
    return {
        str(each): (each.lstat().st_mode, each.lstat().st_mtime_ns, each.read_bytes() if each.is_file() else b"")
        for each in sorted(folder.rglob("*"))
    }


def suite(folder: Path, home: Path) -> list[Artifact]:
    """Sources, what stands on the machine, and the artifacts between them."""
    write_files(
        folder,
        {
            "new.sh": b"new\n",
            "same.sh": b"same\n",
            "text.sh": b"one\ntwo\n" + HOSTILE,
            "other.sh": b"1\n2\n",
            "binary": b"\0\1",
            "big": b"x\n" * TEXT_LIMIT,
            "mode.sh": b"mode\n",
            "secret": b"new secret\n",
            "there": b"text\n",
        },
    )
    write_files(
        home / "suite",
        {
            "same.sh": b"same\n",
            "text.sh": b"one\nthree\n" + HOSTILE,
            "other.sh": b"1\n",
            "binary": b"\0\2",
            "big": b"y\n",
            "mode.sh": b"mode\n",
            "secret": b"old secret\n",
            "there": b"\xff\n",
        },
    )
    for each in (home / "suite").iterdir():
        each.chmod(0o755)
    (home / "suite" / "mode.sh").chmod(0o711)
    names = ("new.sh", "same.sh", "text.sh", "other.sh", "binary", "big", "mode.sh", "there")
    plain = [Artifact(source=name, type=ArtifactType.DATA, target="~/suite/", mode=0o755) for name in names]
    return [*plain, Artifact(source="secret", type=ArtifactType.DATA, target="~/suite/", mode=0o700, sensitive=True)]


def check_suite(found: EnvironmentPreview) -> None:
    files = {each.source: each for each in found.files}
    assert found.refusals == ()
    assert {name: each.change.value for name, each in files.items() if name != "new.sh"} == {
        **dict.fromkeys(files.keys() - {"new.sh"}, "changed"),
        "same.sh": "same",
    }
    assert files["new.sh"].change is FileChange.NEW
    assert [(each.kind, each.text) for each in files["text.sh"].diff[1:4]] == [
        ("context", "one"),
        ("removed", "three"),
        ("added", "two"),
    ]
    assert files["text.sh"].diff[6].text == "@@\x1b[2J\u202e<b>\r"
    assert [each.kind for each in files["other.sh"].diff] == ["hunk", "context", "added"]
    mode = files["mode.sh"]
    assert (mode.mode_changes, mode.content_changes, mode.old_mode, mode.mode) == (True, False, 0o711, 0o755)
    assert {name: each.note for name, each in files.items() if each.note} == {
        "binary": "not a text",
        "big": "too large to compare line by line",
        "secret": "sensitive: its content is not shown",
        "there": "not a text there",
    }
    assert not any(files[name].diff for name in ("binary", "big", "secret", "there", "new.sh", "mode.sh"))


@pytest.mark.parametrize("interpreter", INTERPRETERS, ids=lambda each: Path(each[0]).name)
def test_every_shell_tells_the_same_and_is_left_alone(tmp_path: Path, interpreter: Sequence[str]) -> None:
    home = tmp_path / "home"
    environment = Environment(name="local", host="local.invalid")
    plan = plan_of([environment], suite(tmp_path / "plan", home), tmp_path / "plan")
    before = state_of(home)
    content = LocalContent()
    with looking(tmp_path / "data", LocalMachine(interpreter, home, content), content) as see:
        check_suite(see(plan))
    assert state_of(home) == before


def test_a_real_server_is_left_alone_and_the_run_does_what_was_said(tmp_path: Path, sshd: Sshd) -> None:
    plan = plan_of([sshd.environment()], suite(tmp_path / "plan", sshd.home()), tmp_path / "plan")
    before = state_of(sshd.home())
    with looking(tmp_path / "data", ssh(), LocalContent()) as see:
        found = see(plan)
        check_suite(found)
        assert state_of(sshd.home()) == before
    state, events = asyncio.run(deploy(tmp_path / "run", plan))
    done = {each.body.path: each.body.action for each in events if each.type == "file_done"}  # type: ignore[union-attr]
    assert {each.target for each in found.sent} == {path for path, action in done.items() if action == "sent"}
    assert found.bytes_to_send == next(iter(state.environments.values())).files.bytes
    assert found.verdict is Verdict.DEPLOY
    with looking(tmp_path / "again", ssh(), LocalContent()) as see:
        again = see(plan)
    assert (again.verdict, again.bytes_to_send, again.count(FileChange.SAME)) == (Verdict.SAME, 0, len(plan.files))


def test_a_server_with_another_key_is_refused(tmp_path: Path, sshd: Sshd) -> None:
    plan = plan_of([sshd.environment()], suite(tmp_path / "plan", sshd.home()), tmp_path / "plan")
    sshd.change_host_keys()
    with looking(tmp_path / "data", ssh(), LocalContent()) as see:
        found = see(plan)
    assert found.verdict is Verdict.REFUSED
    assert [each.code for each in found.refusals] == ["E-HOSTKEY-CHANGED"]
    assert found.files == ()
    assert found.refusals[0].remedy


def test_what_stands_in_the_way_refuses_the_environment(tmp_path: Path) -> None:
    content = MemoryContent()
    files = [memory_file(content, f"/opt/{name}", b"x\n") for name in ("folder", "fine")]
    machine = MemoryMachine(files={"/opt/folder/inner": StoredFile(b"", 0o644, "root:root")})
    found = look(tmp_path, machine, memory_plan(["a"], files), content)
    assert [each.change for each in found.files] == [FileChange.REFUSED, FileChange.NEW]
    assert found.files[0].refusal == found.refusals[0]
    assert (found.refusals[0].code, found.refusals[0].on_target) == ("E-ISDIR", "Nothing was sent.")
    assert (found.bytes_to_send, found.sent) == (0, ())
    assert set(machine.calls) == {"connect", "facts", "survey"}


def test_every_refusal_is_told_at_once(tmp_path: Path) -> None:
    content = MemoryContent()
    gone = memory_file(content, "/opt/gone", b"x")
    content.data.clear()
    twice = [memory_file(content, target, b"x") for target in ("~/x", "/root/x")]
    plan = replace(
        memory_plan(["a"], [gone, *twice]),
        dependencies=(Dependency(name="iperf3"), Dependency(tool="perf", required=False)),
        instrumentation=Instrumentation({"kasan": Want.REQUIRED, "perf": Want.WANTED}),
        validation=Validation(arch=("aarch64",), memory=1 << 40),
    )
    found = look(tmp_path, MemoryMachine(), plan, content)
    codes = [each.code for each in found.refusals]
    assert codes == ["E-SOURCE-MISSING", "E-TARGET-TWICE", "E-PKG-MANAGER", "E-INSTRUMENT", "E-CHECK"]
    assert [(each.label, each.change) for each in found.dependencies] == [
        ("iperf3", DependencyChange.MISSING),
        ("perf", DependencyChange.MISSING),
    ]
    assert found.notices[0].startswith("memory: 512 MiB, allowed at least")


def test_packages_that_can_be_installed_are_told_so(tmp_path: Path) -> None:
    content = MemoryContent()
    machine = MemoryMachine()
    machine.facts = replace(machine.facts, package_manager="apt-get")
    machine.depot.installed["curl"] = "7.88"
    machine.tools["awk"] = "/bin/awk"
    machine.replies = {
        "instrument detection": Completed(
            0,
            answer(
                tracefs=True,
                files={
                    "/sys/kernel/tracing/available_tracers": "function nop",
                    "/proc/sys/kernel/ftrace_enabled": "0",
                    "/proc/sys/kernel/perf_event_paranoid": "2",
                },
                tools={"perf": ""},
            ),
        ),
    }
    plan = replace(
        memory_plan(["a"]),
        dependencies=(Dependency(name="iperf3"), Dependency(name="curl", version=">=8"), Dependency(tool="awk")),
        instrumentation=Instrumentation(
            {"ftrace": Want.WANTED, "perf": Want.REQUIRED, "kasan": Want.WANTED, "gcov": Want.OFF}
        ),
    )
    found = look(tmp_path, machine, plan, content)
    assert found.verdict is Verdict.DEPLOY
    assert [each.label for each in found.installed] == ["iperf3", "curl"]
    assert [(each.name, each.presence) for each in found.instruments] == [
        ("kasan", InstrumentPresence.NOT_CHECKED),
        ("perf", InstrumentPresence.ABSENT),
        ("ftrace", InstrumentPresence.OFF),
    ]
    assert found.instruments[-1].note == "kernel.ftrace_enabled is 0; the run switches it on"


def test_a_fault_in_one_environment_leaves_the_others_alone(tmp_path: Path) -> None:
    content = MemoryContent()
    plan = memory_plan([f"m{number}" for number in range(40)], [memory_file(content, "/opt/x", b"x\n")])
    machines = {each.name: MemoryMachine(latency=0.001) for each in plan.environments}
    machines["m1"].failures["connect"] = [TrustError("E-HOSTKEY-CHANGED", "other key", offered="")]
    machines["m2"].failures["survey"] = [ValueError("a fault")]  # type: ignore[list-item]
    at_once: list[int] = []
    open_now = 0

    async def hook(name: str, call: str) -> None:
        nonlocal open_now
        open_now += {"connect": 1, "close": -1}.get(call, 0)
        at_once.append(open_now)

    told: list[EnvironmentPreview] = []
    history = open_history(tmp_path / "data")
    outside = ports(history, tmp_path / "data", hooked(machines, content, hook), content)
    asyncio.run(preview_all(outside, plan, told.append))
    history.close()
    assert {each.environment for each in told} == machines.keys()
    refused = {each.environment: each.refusals[0].category for each in told if each.refusals}
    assert refused == {"m1": Category.TRUST, "m2": Category.BUG}
    assert 2 < max(at_once) <= AT_ONCE + 1


async def test_a_look_that_is_cancelled_lets_go_of_the_machine(tmp_path: Path) -> None:
    content = MemoryContent()
    plan = memory_plan(["a"], [memory_file(content, "/opt/x", b"x\n")])
    reached = asyncio.Event()

    async def hook(name: str, call: str) -> None:
        if call == "survey":
            reached.set()
            await asyncio.Event().wait()

    connector = HookedConnector(MemoryConnector({"a": MemoryMachine()}, content), hook)
    history = open_history(tmp_path / "data")
    outside = ports(history, tmp_path / "data", connector, content)
    look = asyncio.ensure_future(preview_all(outside, plan, lambda each: None))
    await reached.wait()
    look.cancel()
    await until(look.done, "the look ends")
    assert (connector.opened, connector.closed) == (1, 1)
    history.close()


def test_bytes_count_only_as_they_were_surveyed() -> None:
    def surveyed(data: bytes) -> FileState:
        return FileState("/x", FileKind.FILE, hashlib.sha256(data).hexdigest(), 0o644, "root:root", len(data))

    states = [surveyed(each) for each in (b"a\n", b"", b"moved", b"c")]
    said = Completed(0, b"2\na\n0\n5\nother1\nc")
    assert texts_in(said, states) == [b"a\n", b"", None, b"c"]
    assert texts_in(Completed(0, b"-\n0\n"), states[:2]) == [None, b""]
    assert texts_in(Completed(1, b"9" * 5000), states[:1]) == [None]


async def test_texts_are_read_as_they_are(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("-a", "b c", "$(reboot)")]
    for path in paths:
        path.write_bytes(HOSTILE)
    from kdeploy_gui import resources

    target = ShellTarget(LocalShell(INTERPRETERS[0], tmp_path), LocalContent())
    arguments = (*map(str, paths), str(tmp_path / "missing"))
    done = await target.execute(Command(resources.text("remote/texts.sh"), arguments, title="reading texts"))
    frame = b"%d\n%s" % (len(HOSTILE), HOSTILE)
    assert done.stdout == frame * 3 + b"-\n"
    assert all(stat.S_ISREG(path.stat().st_mode) for path in paths)


def test_an_unreachable_machine_is_one_refusal(tmp_path: Path) -> None:
    error: KdeployError = TargetError("E-SHELL", "no shell")
    machine = MemoryMachine()
    machine.failures["facts"] = [error]
    found = look(tmp_path, machine, memory_plan(["a"]), MemoryContent())
    assert [(each.code, each.where.environment) for each in found.refusals] == [("E-SHELL", "a")]
