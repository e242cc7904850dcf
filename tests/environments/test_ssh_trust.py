"""Which machine is meant: five ways in which it is not, told apart, and no login asked for before that is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from kdeploy_gui.errors import KdeployError, TrustError
from kdeploy_gui.model.check import CheckOutcome, CheckPart, CheckStep
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import FactFound
from kdeploy_gui.model.facts import FactsQuery
from kdeploy_gui.model.plan import Artifact, ArtifactType
from kdeploy_gui.model.stage import Status
from kdeploy_gui.remedies import bundled
from tests.engine.steps import over_ssh
from tests.environments.test_ssh_host import LOGIN, connected, eventually, visits
from tests.lab.fixtures import MakeSshd
from tests.lab.sshd import Sshd
from tests.properties.peers import deploy, plan_of, write_files
from tests.rehearsal import MemoryContent

pytestmark = pytest.mark.sshd


OLD = {
    "KexAlgorithms": "diffie-hellman-group14-sha1",
    "HostKeyAlgorithms": "ssh-rsa",
    "Ciphers": "aes128-cbc",
    "MACs": "hmac-sha1",
}


@pytest.fixture
def server(make_sshd: MakeSshd) -> Sshd:
    """A server with two host keys whose log tells every step of every visitor."""
    return make_sshd(host_key_types=("ed25519", "rsa"), options={"LogLevel": "DEBUG1"})


def public(server: Sshd, kind: str = "ed25519") -> str:
    """The public half of a host key, as a `.pub` file has it."""
    key = asyncssh.read_private_key(server.folder / f"host_{kind}")
    return key.export_public_key().decode().strip()


def certify(server: Sshd, authority: asyncssh.SSHKey, host: str, valid_before: str = "+1h") -> None:
    """Give the server a certificate for a name."""
    key = asyncssh.read_private_key(server.folder / "host_ed25519")
    path = server.folder / "host_ed25519-cert.pub"
    certificate = authority.generate_host_certificate(
        key, "board", principals=[host], valid_after="-2h", valid_before=valid_before
    )
    certificate.write_certificate(path)
    server.options = {**server.options, "HostCertificate": str(path)}
    server.restart()


async def distrust(server: Sshd, environment: Environment) -> TrustError:
    """How connecting is refused, with a log that shows no request for a login."""
    seen = visits(server)
    with pytest.raises(TrustError) as caught:
        async with connected(environment):
            pass
    await eventually(lambda: visits(server) > seen, "the visit has ended")
    assert LOGIN not in server.log
    assert caught.value.on_target == "Nothing was sent."
    assert caught.value.retry.name == "NEVER"
    return caught.value


async def trusted(environment: Environment) -> None:
    async with connected(environment) as target:
        assert (await target.facts(FactsQuery())).kernel_release


async def test_a_first_contact_is_unknown(server: Sshd) -> None:
    error = await distrust(server, replace(server.environment(), host_keys=()))
    assert (error.code, error.details["offered"]) == ("E-HOSTKEY-UNKNOWN", server.fingerprints[0])


async def test_another_key_of_the_pinned_type_is_a_changed_one(server: Sshd) -> None:
    environment = replace(server.environment(), host_key_type=("ED25519", "RSA"))
    server.change_host_keys()
    error = await distrust(server, environment)
    assert (error.code, error.details["offered"]) == ("E-HOSTKEY-CHANGED", server.fingerprints[0])


async def test_a_pinned_type_that_is_gone_is_told_as_that(server: Sshd) -> None:
    pin = server.fingerprints[0]
    environment = replace(server.environment(), host_keys=(pin,), host_key_type=("ED25519",))
    server.host_key_types = ("rsa",)
    server.restart()
    error = await distrust(server, environment)
    assert error.code == "E-HOSTKEY-TYPE"
    assert error.details == {"offered": server.fingerprints[0], "pinned": pin, "types": "ED25519"}


async def test_a_pinned_type_is_asked_for_first(server: Sshd) -> None:
    environment = replace(server.environment(), host_keys=(server.fingerprints[1],), host_key_type=("RSA",))
    seen = visits(server)
    await trusted(environment)
    await eventually(lambda: visits(server) > seen, "the visit has ended")
    assert visits(server) == seen + 1


@pytest.mark.parametrize("pinned", [True, False])
async def test_a_revoked_key_never_counts_even_if_it_is_pinned(server: Sshd, pinned: bool) -> None:
    environment = replace(server.environment(), revoked_host_key=(public(server),))
    error = await distrust(server, environment if pinned else replace(environment, host_keys=()))
    assert (error.code, error.details["offered"]) == ("E-HOSTKEY-REVOKED", server.fingerprints[0])


@pytest.mark.parametrize("by", ["key", "fingerprint"])
async def test_a_certificate_for_the_name_is_as_good_as_a_pin(server: Sshd, by: str) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    environment = replace(server.environment(), host_keys=())
    certify(server, authority, environment.host)
    said = authority.export_public_key().decode().strip() if by == "key" else authority.get_fingerprint()
    environment = replace(environment, host_ca=("SHA256:" + "A" * 43, said))
    told: list[CheckStep] = []
    target = await over_ssh(MemoryContent()).approach(environment, told.append)
    await target.close()
    assert [each.part for each in told if each.outcome is CheckOutcome.OK] == list(CheckPart)[:-1]
    [key] = [each.text for each in told if each.part is CheckPart.HOST_KEY]
    assert authority.get_fingerprint() in key


@pytest.mark.parametrize("wrong", ["name", "time", "authority", "none"])
async def test_a_certificate_that_is_not_good_is_told_as_that(server: Sshd, wrong: str) -> None:
    authority, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    environment = replace(server.environment(), host_keys=(), host_ca=(authority.get_fingerprint(),))
    signer = other if wrong == "authority" else authority
    if wrong != "none":
        host = "elsewhere" if wrong == "name" else environment.host
        certify(server, signer, host, "-1h" if wrong == "time" else "+1h")
    error = await distrust(server, environment)
    assert error.code == "E-HOSTKEY-CERT"
    words = {"name": "principal", "time": "expired", "authority": "not trusted", "none": "it shows none"}
    assert words[wrong] in error.message


@pytest.mark.parametrize("what", ["authority", "key"])
async def test_a_certificate_does_not_help_a_revoked_key(server: Sshd, what: str) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    certify(server, authority, server.environment().host)
    revoked = authority.export_public_key().decode().strip() if what == "authority" else public(server)
    environment = replace(
        server.environment(), host_keys=(), host_ca=(authority.get_fingerprint(),), revoked_host_key=(revoked,)
    )
    assert (await distrust(server, environment)).code == "E-HOSTKEY-REVOKED"


async def test_a_pin_helps_where_the_certificate_has_expired(server: Sshd) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    certify(server, authority, server.environment().host, "-1h")
    environment = replace(server.environment(), host_ca=(authority.get_fingerprint(),))
    await trusted(environment)
    gone = await distrust_after_login(replace(environment, host_keys=("SHA256:" + "A" * 43,)))
    assert gone.code == "E-HOSTKEY-CERT"


async def distrust_after_login(environment: Environment) -> TrustError:
    with pytest.raises(TrustError) as caught:
        async with connected(environment):
            pass
    return caught.value


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
async def test_an_old_server_is_reached_where_the_environment_allows_it(make_sshd: MakeSshd) -> None:
    server = make_sshd(host_key_types=("rsa",), options=OLD)
    environment = replace(server.environment(), legacy=True)
    await trusted(environment)
    assert (await over_ssh(MemoryContent()).host_key(environment)).fingerprint == server.fingerprints[0]


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
async def test_every_run_tells_of_old_algorithms(make_sshd: MakeSshd, tmp_path: Path) -> None:
    server = make_sshd(host_key_types=("rsa",), options=OLD)
    write_files(tmp_path, {"run.sh": b"#!/bin/sh\n"})
    artifacts = [Artifact(source="run.sh", type=ArtifactType.SCRIPT, target="~/run.sh", mode=0o755)]
    plan = plan_of([replace(server.environment(), legacy=True)], artifacts, tmp_path)
    state, events = await deploy(tmp_path / "history", plan)
    assert [each.status for each in state.environments.values()] == [Status.COMPLETED]
    facts = [each.body for each in events if isinstance(each.body, FactFound)]
    assert [each.value for each in facts if each.name == "warning"] == [
        "legacy = true: algorithms that are no longer safe are allowed"
    ]


@pytest.mark.parametrize("what", OLD)
async def test_an_old_server_is_refused_with_both_sides_and_the_way_out(make_sshd: MakeSshd, what: str) -> None:
    server = make_sshd(host_key_types=("rsa",), options={what: OLD[what]})
    if what == "MACs":
        await trusted(server.environment())
        return
    with pytest.raises(KdeployError) as caught:
        async with connected(server.environment()):
            pass
    assert caught.value.code == "E-KEX"
    with pytest.raises(KdeployError) as asked:
        await over_ssh(MemoryContent()).host_key(server.environment())
    assert asked.value.code == "E-KEX"
    assert OLD[what] in caught.value.message.split(" received ")[1]
    assert "`legacy = true`" in bundled().remedy(caught.value, "board")
