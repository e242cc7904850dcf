"""Property 27: secure authentication mechanisms

For any combination of server identity and authentication, nothing is sent to a server that is not the one that is
meant, and no password or passphrase shows in an argument list, an environment, a log, an event or the history.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import secrets
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.errors import Category
from kdeploy_gui.model.environment import Become, Environment
from kdeploy_gui.model.event import Event
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.plan import Artifact, ArtifactType, Policy
from kdeploy_gui.model.stage import Status
from tests.environments.test_ssh_host import LOGIN, eventually, visits, write_key
from tests.lab import sudo
from tests.lab.fixtures import MakeSshd
from tests.lab.processes import descendants
from tests.lab.sshd import Sshd
from tests.properties.peers import deploy, plan_of, write_files
from tests.rehearsal import MemoryContent, memory_file, memory_plan, quick_folder, rehearsal

IS_ROOT = os.getuid() == 0
OTHER = "SHA256:" + "A" * 43
HOST_KEY, CLIENT_KEY, AUTHORITY, STRANGER = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(4))


@dataclass(frozen=True)
class Identity:
    """What a server proves itself with, and what is known of it here."""

    pins: tuple[str, ...]
    certificate: str
    authority: bool
    revoked: bool

    @property
    def is_known(self) -> bool:
        """Whether anything says which machine is meant."""
        return bool(self.pins) or self.authority

    @property
    def is_trusted(self) -> bool:
        """By hand: a pin, or a certificate of the authority for this name and time; never a revoked key."""
        certified = self.authority and self.certificate == "good"
        return not self.revoked and (HOST_KEY.get_fingerprint() in self.pins or certified)


identities = st.builds(
    Identity,
    st.lists(st.sampled_from([HOST_KEY.get_fingerprint(), OTHER]), max_size=2, unique=True).map(tuple),
    st.sampled_from(["none", "good", "expired", "of a stranger", "for another name"]),
    st.booleans(),
    st.booleans(),
)
WAYS = {
    "key": Category.TARGET,
    "refused key": Category.AUTH,
    "encrypted key": Category.TARGET,
    "encrypted key, wrong passphrase": Category.AUTH,
    "password": Category.TARGET,
    "wrong password": Category.AUTH,
}
"""Ways to log in, and what a deployment ends with at a trusted server that runs no shell."""


class Witness(asyncssh.SSHServer):
    """Remembers who asked to be let in."""

    def __init__(self, password: str, asked: list[str]) -> None:
        self._password = password
        self._asked = asked

    def begin_auth(self, username: str) -> bool:
        self._asked.append(username)
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.public_data == CLIENT_KEY.public_data

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == self._password


def certificate(kind: str, host: str) -> list[asyncssh.SSHCertificate]:
    """What the server has besides its key."""
    if kind == "none":
        return []
    signer = STRANGER if kind == "of a stranger" else AUTHORITY
    name = "elsewhere" if kind == "for another name" else host
    until = "-1h" if kind == "expired" else "+1h"
    made = signer.generate_host_certificate(HOST_KEY, "board", principals=[name], valid_after="-2h", valid_before=until)
    return [made]


@asynccontextmanager
async def server(identity: Identity, password: str, asked: list[str]) -> AsyncIterator[int]:
    """A server with that identity; whoever gets in is told good-bye."""
    certificates = certificate(identity.certificate, "127.0.0.1")
    keys: list[object] = [(HOST_KEY, each) for each in certificates] or [HOST_KEY]
    listener = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: Witness(password, asked),
        server_host_keys=keys,
        process_factory=lambda process: process.exit(1),
    )
    async with listener:
        yield listener.get_port()


class Drawer:
    """A keyring with one entry."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def get(self, name: str) -> str:
        return self._secret


@dataclass
class Visit:
    """One deployment to a server: what it asked the server for, how it ended, what it told."""

    asked: list[str]
    failure: Failure
    events: list[Event]


def environment(folder: Path, identity: Identity, way: str, secret: str, port: int) -> Environment:
    """The machine, and how we log in there."""
    key = folder / "key"
    if "password" not in way or "passphrase" in way:
        chosen = asyncssh.generate_private_key("ssh-ed25519") if way == "refused key" else CLIENT_KEY
        key.touch(mode=0o600)
        passphrase = secret if "encrypted" in way else None
        key.write_bytes(chosen.export_private_key(passphrase=passphrase, rounds=1, ignore_few_rounds=True))
    return Environment(
        name="board",
        host="127.0.0.1",
        port=port,
        identity_file=str(key) if key.exists() else "",
        credential="" if way.endswith("key") and "encrypted" not in way else "lab",
        host_keys=identity.pins,
        host_ca=(AUTHORITY.get_fingerprint(),) if identity.authority else (),
        revoked_host_key=(HOST_KEY.export_public_key().decode().strip(),) if identity.revoked else (),
    )


async def visit(folder: Path, identity: Identity, way: str, secret: str, given: str) -> Visit:
    asked: list[str] = []
    content = MemoryContent()
    async with server(identity, secret, asked) as port:
        plan = memory_plan([], [memory_file(content, "/opt/t/x", b"x")])
        machine = environment(folder, identity, way, secret, port)
        plan = replace(plan, environments=(machine,), policy=Policy(retries=0))
        connector = SshConnector(content, Drawer(given), lambda name: None)
        async with rehearsal(folder / "history", {}, content, connector=connector) as run:
            state, events = await run.run(plan)
    error = state.environments["board"].error
    assert error is not None
    return Visit(asked, error, events)


def forms(secret: str) -> tuple[bytes, ...]:
    """How a secret may show."""
    raw = secret.encode()
    return raw, base64.b64encode(raw), raw.hex().encode()


def sinks(folder: Path) -> bytes:
    """All that is written below a folder."""
    return b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())


@contextmanager
def overheard() -> Iterator[list[str]]:
    """Everything that anybody logs meanwhile."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(f"{record.getMessage()} {record.args}")

    logger, listener = logging.getLogger(), Listener()
    library = logging.getLogger("asyncssh")
    before = library.level
    logger.addHandler(listener)
    library.setLevel(logging.DEBUG)
    try:
        yield said
    finally:
        library.setLevel(before)
        logger.removeHandler(listener)


@settings(max_examples=100)
@given(identities, st.sampled_from(list(WAYS)))
def test_nothing_goes_to_a_stranger_and_no_secret_shows(identity: Identity, way: str) -> None:
    secret, wrong = f"canary-{secrets.token_hex(12)}", f"wrong-{secrets.token_hex(12)}"
    given = wrong if "wrong" in way else secret
    with quick_folder() as name, overheard() as said:
        folder = Path(name)
        end = asyncio.run(visit(folder, identity, way, secret, given))
        written = sinks(folder / "history") + str(end.events).encode() + "".join(said).encode()
    assert said, "the library's log is heard"
    for each in (*forms(secret), *forms(wrong)):
        assert each not in written
    if identity.is_known and way == "encrypted key, wrong passphrase":
        assert (end.failure.code, end.asked) == ("E-PASSPHRASE", [])
    elif identity.is_trusted:
        assert end.failure.category is WAYS[way], end.failure
        assert end.asked
    else:
        assert end.failure.category is Category.TRUST, end.failure
        assert end.asked == []
        assert end.failure.on_target == "Nothing was sent."


# Real servers


@pytest.mark.sshd
@pytest.mark.skipif(not IS_ROOT, reason="only root can give accounts passwords")
async def test_a_password_goes_to_the_machine_that_is_meant_and_to_no_other(
    make_sshd: MakeSshd, tmp_path: Path
) -> None:
    options = {"AuthenticationMethods": "password", "PasswordAuthentication": "yes", "LogLevel": "DEBUG1"}
    server = make_sshd(accounts=True, options=options)
    password = f"canary-{secrets.token_hex(12)}"
    sudo.set_password(server.user(), password)
    sound = replace(server.environment("board"), identity_file="", credential="lab")
    assert await logged_in(tmp_path, replace(sound, host_keys=(OTHER,)), password) == "E-HOSTKEY-CHANGED"
    await eventually(lambda: visits(server) > 1, "the visit has ended")
    assert LOGIN not in server.log
    assert await logged_in(tmp_path, sound, "wrong") == "E-AUTH"
    assert await logged_in(tmp_path, sound, password) == ""
    assert f"Accepted password for {server.user()}" in server.log
    seen = sinks(tmp_path / "history") + server.log.encode() + sinks(server.home())
    assert not any(each in seen for each in forms(password))


async def logged_in(folder: Path, environment: Environment, secret: str) -> str:
    """The code that a deployment ends with, empty if it completes."""
    write_files(folder, {"run.sh": b"#!/bin/sh\n"})
    artifacts = [Artifact(source="run.sh", type=ArtifactType.SCRIPT, target="~/run.sh", mode=0o755)]
    connector = SshConnector(LocalContent(), Drawer(secret), lambda name: None)
    state, _ = await deploy(folder / "history", plan_of([environment], artifacts, folder, Policy(retries=0)), connector)
    (end,) = state.environments.values()
    return end.error.code if end.error else ""


class Sampler(threading.Thread):
    """Reads the argument lists and environments of all that a server runs, over and over."""

    def __init__(self, server: Sshd) -> None:
        super().__init__(daemon=True)
        self._top = server.pid
        self._over = threading.Event()
        self.seen: set[bytes] = set()

    def run(self) -> None:
        while not self._over.is_set():
            for pid in descendants(self._top):
                for name in ("cmdline", "environ"):
                    try:
                        self.seen.add(Path(f"/proc/{pid}/{name}").read_bytes())
                    except OSError:
                        continue

    def stop(self) -> None:
        self._over.set()
        self.join()


@pytest.mark.sshd
@pytest.mark.skipif(not IS_ROOT or not sudo.is_installed(), reason="needs root and sudo")
async def test_no_process_shows_the_password_of_sudo(make_sshd: MakeSshd, tmp_path: Path) -> None:
    server = make_sshd(accounts=True)
    password = f"canary-{secrets.token_hex(12)}"
    sudo.set_password(server.user(), password)
    write_files(tmp_path, {"suite/run.sh": b"#!/bin/sh\n", "suite/data": os.urandom(500_000)})
    artifacts = [Artifact(source="suite/*", type=ArtifactType.DATA, target=f"{tmp_path}/of-root/", mode=0o600)]
    machine = replace(server.environment("board"), become=Become.SUDO, become_credential="lab")
    plan = plan_of([machine], artifacts, tmp_path)
    connector = SshConnector(LocalContent(), Drawer(password), lambda name: None, "tests")
    with ExitStack() as stack:
        stack.enter_context(sudo.rules(server.user(), "{user} ALL=(ALL:ALL) ALL"))
        sampler = Sampler(server)
        sampler.start()
        stack.callback(sampler.stop)
        state, events = await deploy(tmp_path / "history", plan, connector)
    assert [each.status for each in state.environments.values()] == [Status.COMPLETED], events
    assert any(b"sudo" in each and b"kdeploy-root" in each for each in sampler.seen), "sudo itself was among them"
    told = b"".join(sampler.seen) + sinks(tmp_path / "history") + server.log.encode() + str(events).encode()
    assert not any(each in told for each in forms(password))


@pytest.mark.sshd
async def test_a_passphrase_shows_nowhere(sshd: Sshd, tmp_path: Path) -> None:
    passphrase = f"canary-{secrets.token_hex(12)}"
    key = write_key(tmp_path / "locked", passphrase)
    machine = replace(sshd.environment("board"), identity_file=str(key), credential="lab")
    assert await logged_in(tmp_path, machine, passphrase) == "E-AUTH", "opened, and of a stranger"
    seen = sinks(tmp_path / "history") + sshd.log.encode()
    assert not any(each in seen for each in forms(passphrase))
