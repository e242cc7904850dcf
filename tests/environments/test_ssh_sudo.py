"""Root by a real sudo: everything works as root, the password is seen by nobody, and four refusals are told apart."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.errors import AuthError
from kdeploy_gui.model.command import Command
from kdeploy_gui.model.environment import Become, Environment
from kdeploy_gui.model.facts import FactsQuery
from kdeploy_gui.model.files import FileKind
from kdeploy_gui.model.plan import Artifact, ArtifactType
from kdeploy_gui.model.stage import Status
from kdeploy_gui.ports import Target
from tests.environments.test_ssh_host import eventually
from tests.lab import sudo
from tests.lab.fixtures import MakeSshd
from tests.lab.processes import is_alive
from tests.lab.sshd import Sshd
from tests.properties.peers import deploy, plan_of, write_files
from tests.rehearsal import MemoryContent

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(os.getuid() != 0 or not sudo.is_installed(), reason="needs root and sudo"),
]
ANY = "{user} ALL=(ALL:ALL) ALL"


@dataclass
class Drawer:
    """A keyring of one entry; `asked` counts."""

    secret: str
    asked: int = 0

    def get(self, name: str) -> str:
        assert name == "lab-sudo"
        self.asked += 1
        return self.secret


@dataclass
class Machine:
    """A server whose only user needs a password for sudo."""

    server: Sshd
    password: str
    allow: Callable[..., None]

    @property
    def environment(self) -> Environment:
        return replace(self.server.environment(), become=Become.SUDO, become_credential="lab-sudo")


@pytest.fixture
def machine(make_sshd: MakeSshd) -> Iterator[Machine]:
    server = make_sshd(accounts=True)
    password = f"canary-{secrets.token_hex(8)}"
    sudo.set_password(server.user(), password)
    with ExitStack() as stack:
        yield Machine(server, password, lambda *lines: stack.enter_context(sudo.rules(server.user(), *lines)))


@asynccontextmanager
async def root(environment: Environment, drawer: Drawer) -> AsyncIterator[Target]:
    target = await SshConnector(MemoryContent(), drawer, lambda name: None).connect(environment)
    try:
        yield target
    finally:
        await target.close()


@pytest.mark.parametrize("options", [(), ("Defaults:{user} !use_pty",), ("Defaults:{user} lecture=always",)])
async def test_commands_run_as_root_with_their_stdin_and_output(machine: Machine, options: tuple[str, ...]) -> None:
    machine.allow(ANY, *options)
    async with root(machine.environment, Drawer(machine.password)) as target:
        facts = await target.facts(FactsQuery())
        assert (facts.uid, facts.user, facts.home) == (0, "root", "/root")
        done = await target.execute(Command("id -u; echo said >&2; exit 7", title="who"))
        assert (done.status, done.stdout, done.stderr) == (7, b"0\n", b"said\n")
        states = await target.survey(["/etc/shadow", "/no-such-file"])
        assert [states[each].kind for each in states] == [FileKind.FILE, FileKind.MISSING]
        assert states["/etc/shadow"].sha256


async def test_a_whole_deployment_runs_as_root(machine: Machine, tmp_path: Path) -> None:
    machine.allow(ANY)
    write_files(tmp_path, {"suite/run.sh": b"#!/bin/sh\n", "suite/data": os.urandom(300_000)})
    folder = tmp_path / "of-root"  # not in the home of a user: root goes nowhere that others can rename
    artifacts = [
        Artifact(source="suite/*", type=ArtifactType.DATA, target=f"{folder}/", mode=0o600, owner="root:root"),
    ]
    plan = plan_of([machine.environment], artifacts, tmp_path)
    drawer = Drawer(machine.password)
    state, events = await deploy(
        tmp_path / "history", plan, SshConnector(LocalContent(), drawer, lambda name: None, "tests")
    )
    assert [each.status for each in state.environments.values()] == [Status.COMPLETED], events
    assert (folder / "data").read_bytes() == (tmp_path / "suite/data").read_bytes()
    assert (folder / "data").stat().st_uid == 0
    assert machine.password not in str(events)


async def test_nobody_sees_the_password(machine: Machine) -> None:
    machine.allow(ANY)
    async with root(machine.environment, Drawer(machine.password)) as target:
        mark = machine.server.home() / "started"
        running = asyncio.create_task(target.execute(Command(f"touch {mark}; exec sleep 600", title="sleep")))
        await eventually(mark.exists, "the command runs")
        seen = [
            text
            for folder in Path("/proc").glob("[0-9]*")
            if int(folder.name) != os.getpid()
            for name in ("cmdline", "environ")
            if (text := read(folder / name))
        ]
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert any(b"kdeploy-root" in each for each in seen), "sudo itself was among them"
    assert not any(machine.password.encode() in each for each in seen)
    assert machine.password not in machine.server.log


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("option", ["use_pty", "!use_pty"])
@pytest.mark.parametrize("script", ["wait", "trap '' TERM; while :; do wait; done"])
async def test_cancelling_ends_what_root_runs(machine: Machine, script: str, option: str) -> None:
    machine.allow(ANY, f"Defaults:{{user}} {option}")
    async with root(machine.environment, Drawer(machine.password)) as target:
        pids = machine.server.home() / "pids"
        family = f"sleep 600 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; {script}"
        running = asyncio.create_task(target.execute(Command(family, title="family")))
        await eventually(pids.exists, "the command runs")
        found = [int(each) for each in pids.read_text().split()]
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await eventually(lambda: not any(map(is_alive, found)), "parent and child have ended")
        assert (await target.execute(Command("id -u", title="after"))).text == "0\n"


async def refusal(environment: Environment, drawer: Drawer) -> AuthError:
    """The refusal, which is the same without another attempt when somebody tries again."""
    async with root(environment, drawer) as target:
        with pytest.raises(AuthError) as caught:
            await target.facts(FactsQuery())
        asked = drawer.asked
        with pytest.raises(AuthError) as again:
            await target.facts(FactsQuery())
    assert (again.value.code, drawer.asked) == (caught.value.code, asked)
    assert caught.value.on_target == "Nothing was changed."
    assert caught.value.retry.name == "NEVER"
    assert caught.value.details["user"] == environment.user
    return caught.value


@pytest.mark.fault(33)
async def test_a_wrong_password_is_tried_once(machine: Machine) -> None:
    machine.allow(ANY, "Defaults:{user} passwd_tries=3")
    drawer = Drawer("not-the-one")
    error = await refusal(machine.environment, drawer)
    assert (error.code, drawer.asked) == ("E-SUDO-PASSWORD", 1)
    assert "not-the-one" not in f"{error.message}{error.evidence}"


@pytest.mark.fault(32)
async def test_a_password_that_nobody_gave_is_missing(machine: Machine) -> None:
    machine.allow(ANY)
    error = await refusal(replace(machine.environment, become_credential=""), Drawer(""))
    assert error.code == "E-SUDO-MISSING"


@pytest.mark.fault(32)
async def test_a_user_without_the_right_is_denied(machine: Machine) -> None:
    error = await refusal(machine.environment, Drawer(machine.password))
    assert error.code == "E-SUDO-DENIED"


@pytest.mark.fault(32)
async def test_a_sudo_that_wants_a_terminal_is_of_no_use(machine: Machine) -> None:
    machine.allow(ANY, "Defaults:{user} requiretty")
    error = await refusal(machine.environment, Drawer(machine.password))
    assert error.code == "E-SUDO-NONE"
    assert "tty" in error.evidence.stderr


@pytest.mark.fault(32)
async def test_a_machine_without_sudo_says_so(make_sshd: MakeSshd) -> None:
    server = make_sshd(accounts=True, options={"SetEnv": "PATH=/nonexistent"})
    environment = replace(server.environment(), become=Become.SUDO)
    error = await refusal(environment, Drawer(""))
    assert error.code == "E-SUDO-NONE"
    assert "not found" in error.evidence.stderr


async def test_no_password_is_read_where_sudo_asks_for_none(machine: Machine) -> None:
    machine.allow("{user} ALL=(ALL:ALL) NOPASSWD: ALL")
    drawer = Drawer(machine.password)
    for environment in (machine.environment, replace(machine.environment, become_credential="")):
        async with root(environment, drawer) as target:
            assert (await target.facts(FactsQuery())).uid == 0
    assert drawer.asked == 0


async def test_a_password_that_somebody_typed_holds_for_the_session(machine: Machine) -> None:
    machine.allow(ANY)
    environment = replace(machine.environment, become_credential="")
    elsewhere = replace(machine.server.environment("plain"), become=Become.NONE)
    gone = replace(environment, name="gone", port=1)
    connector = SshConnector(MemoryContent(), Drawer(""), lambda name: None, keep=600.0)
    assert await connector.sudo_asks([environment, machine.environment, elsewhere, gone]) == (environment,)
    assert not await connector.give_sudo(environment, "not-the-one")
    assert await connector.give_sudo(environment, machine.password)
    assert await connector.sudo_asks([environment]) == ()
    target = await connector.connect(environment)
    assert (await target.facts(FactsQuery())).uid == 0
    await target.close()
    await connector.close()
