"""What logs us in: encrypted keys, certificates beside them, and the agent for the key that is meant."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh
import pytest
from asyncssh.sk_eddsa import _SKEd25519Key

from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.errors import AuthError, KdeployError, PlanError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.remedies import bundled
from tests.environments.test_ssh_host import write_key
from tests.lab.fixtures import MakeSshd
from tests.lab.processes import wait_until
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent

pytestmark = pytest.mark.sshd
WORDS = "open sesame"


@dataclass
class Drawer:
    """A keyring of one entry."""

    def get(self, name: str) -> str:
        assert name == "board-key"
        return WORDS


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real ssh agent for this test."""
    path = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as process:
        wait_until(path.exists, "the agent listens")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield str(path)
        process.terminate()


def encrypted(server: Sshd, passphrase: str = WORDS) -> Environment:
    """The server's host, with its key encrypted."""
    key = asyncssh.read_private_key(server.identity_file)
    server.identity_file.write_bytes(key.export_private_key(passphrase=passphrase))
    return server.environment()


def connector() -> SshConnector:
    return SshConnector(MemoryContent(), Drawer(), lambda name: None)


async def log_in(environment: Environment, way: SshConnector | None = None) -> None:
    await (await (way or connector()).connect(environment)).close()


async def refusal(environment: Environment, way: SshConnector | None = None) -> KdeployError:
    with pytest.raises(KdeployError) as caught:
        await log_in(environment, way)
    assert WORDS not in f"{caught.value}{caught.value.evidence}"
    return caught.value


async def test_the_passphrase_may_stand_in_the_keyring(sshd: Sshd) -> None:
    environment = encrypted(sshd)
    assert (await refusal(environment)).code == "E-PASSPHRASE"
    await log_in(replace(environment, credential="board-key"))


async def test_a_key_that_was_opened_stays_open_for_the_session(sshd: Sshd) -> None:
    environment, way = encrypted(sshd), connector()
    assert await way.locked_keys([environment, environment]) == (environment.identity_file,)
    with pytest.raises(AuthError) as caught:
        await way.unlock(environment.identity_file, "wrong")
    assert (caught.value.code, caught.value.path) == ("E-PASSPHRASE", environment.identity_file)
    await way.unlock(environment.identity_file, WORDS)
    assert await way.locked_keys([environment]) == ()
    await log_in(environment, way)


async def test_only_locked_keys_are_asked_for(sshd: Sshd, tmp_path: Path) -> None:
    environment = sshd.environment()
    machines = [
        replace(environment, identity_file=str(write_key(tmp_path / "open"))),
        replace(environment, identity_file=""),
        replace(environment, identity_file=str(tmp_path / "none")),
        replace(encrypted(sshd), credential="board-key"),
    ]
    assert await connector().locked_keys(machines) == ()


@pytest.mark.parametrize("public", ["in the file", "beside it"])
async def test_the_agent_may_hold_a_key_whose_file_is_shut(sshd: Sshd, agent: str, public: str) -> None:
    key = asyncssh.read_private_key(sshd.identity_file)
    others = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(7)]
    environment = encrypted(sshd)
    if public == "beside it":
        key.write_public_key(f"{sshd.identity_file}.pub")
    assert (await refusal(environment)).code == "E-PASSPHRASE"
    async with asyncssh.connect_agent(agent) as held:
        await held.add_keys([*others, key])
    assert await connector().locked_keys([environment]) == ()
    await log_in(environment)
    assert sshd.log.count("Failed publickey") == 0


async def test_a_key_file_is_shown_and_nothing_of_the_agent(make_sshd: MakeSshd, agent: str) -> None:
    server = make_sshd(options={"MaxAuthTries": "3", "LogLevel": "VERBOSE"})
    async with asyncssh.connect_agent(agent) as held:
        await held.add_keys([asyncssh.generate_private_key("ssh-ed25519") for _ in range(5)])
    await log_in(server.environment())
    assert "Failed publickey" not in server.log


async def test_an_agent_that_does_not_sign_is_told_so(sshd: Sshd, agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_ASKPASS"):
        monkeypatch.delenv(name, raising=False)
    key = asyncssh.read_private_key(sshd.identity_file)
    environment = encrypted(sshd)
    async with asyncssh.connect_agent(agent) as held:
        await held.add_keys([key], confirm=True)
    error = await refusal(environment)
    assert (error.code, error.on_target) == ("E-AGENT", "Nothing was sent.")


async def test_a_certificate_beside_the_key_is_shown(make_sshd: MakeSshd, tmp_path: Path) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    authority.write_public_key(tmp_path / "ca.pub")
    server = make_sshd(options={"TrustedUserCAKeys": str(tmp_path / "ca.pub")})
    path = write_key(tmp_path / "identity")
    environment = replace(server.environment(), identity_file=str(path))
    assert (await refusal(environment)).code == "E-AUTH"
    certificate = authority.generate_user_certificate(
        asyncssh.read_private_key(path), "me", principals=[environment.user]
    )
    certificate.write_certificate(tmp_path / "identity-cert.pub")
    await log_in(environment)
    (tmp_path / "identity-cert.pub").write_text("no certificate\n")
    error = await refusal(environment)
    assert isinstance(error, PlanError)
    assert (error.code, "identity-cert.pub" in error.details["fix"]) == ("E-KEYFILE", True)


async def test_a_security_key_needs_an_agent(sshd: Sshd, agent: str, tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519_sk"
    path.touch(mode=0o600)
    numbers = (os.urandom(32), "ssh:", 1, os.urandom(64), b"")
    path.write_bytes(_SKEd25519Key.make_private(numbers).export_private_key())
    environment = replace(sshd.environment(), identity_file=str(path))
    error = await refusal(environment)
    assert (error.code, error.path) == ("E-AGENT", str(path))
    assert "touched" in bundled().remedy(error, "board")
    assert await connector().locked_keys([environment]) == ()
