"""The contract of the `Connector` port: the way is told part by part, and strangers are sent nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kdeploy_gui.environments.memory_target import MemoryConnector, MemoryMachine
from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.errors import AuthError, NetworkError, PlanError, TrustError
from kdeploy_gui.model.check import CheckOutcome, CheckPart, CheckStep
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import FactsQuery
from kdeploy_gui.ports import Connector
from tests.contract.peers import FolderContent, NoSecrets
from tests.lab.sshd import Sshd

ERRORS = {
    "trust": (TrustError("E-HOSTKEY-CHANGED", "another key"), 2),
    "login": (AuthError("E-AUTH", "refused"), 3),
    "port": (NetworkError("E-REFUSED", "closed"), 1),
}


@pytest.fixture(params=["memory", "sshd"])
def way(request: pytest.FixtureRequest) -> tuple[Connector, Environment]:
    """A connector and a machine behind it."""
    if request.param == "memory":
        environment = Environment(name="a", host="a.invalid")
        return MemoryConnector({"a": MemoryMachine()}, FolderContent()), environment
    sshd: Sshd = request.getfixturevalue("sshd")
    return SshConnector(FolderContent(), NoSecrets(), lambda _: None), sshd.environment("a")


async def test_each_part_is_told_once_and_in_order(way: tuple[Connector, Environment]) -> None:
    connector, environment = way
    told: list[CheckStep] = []
    target = await connector.approach(environment, told.append)
    assert (await target.facts(FactsQuery())).kernel_release
    await target.close()
    assert [each.part for each in told] == list(CheckPart)[:-1]
    assert all(each.outcome is CheckOutcome.OK and each.text for each in told)


@pytest.mark.parametrize("kind", ERRORS)
async def test_the_way_is_told_as_far_as_it_went(
    way: tuple[Connector, Environment], kind: str, request: pytest.FixtureRequest
) -> None:
    connector, environment = way
    error, behind = ERRORS[kind]
    if isinstance(connector, MemoryConnector):
        request.getfixturevalue("monkeypatch").setitem(connector._machines["a"].failures, "connect", [error])
    else:
        environment = {
            "trust": replace(environment, host_keys=("SHA256:" + "A" * 43,)),
            "login": replace(environment, user="nobody-here"),
            "port": replace(environment, port=1),
        }[kind]
    told: list[CheckStep] = []
    with pytest.raises(type(error)):
        await connector.approach(environment, told.append)
    good = [each.part for each in told if each.outcome is CheckOutcome.OK]
    assert good == list(CheckPart)[:behind]


async def test_the_offered_key_is_a_whole_one(way: tuple[Connector, Environment]) -> None:
    connector, environment = way
    key = await connector.host_key(environment)
    assert key.algorithm == "ED25519"
    assert key.fingerprint in (environment.host_keys or (key.fingerprint,))
    assert len(key.randomart.splitlines()) == 11
    assert (await connector.host_key(environment, "ED25519")).fingerprint == key.fingerprint


async def test_a_key_that_the_machine_does_not_have_is_not_offered(sshd: Sshd) -> None:
    connector = SshConnector(FolderContent(), NoSecrets(), lambda _: None)
    with pytest.raises(PlanError) as caught:
        await connector.host_key(sshd.environment(), "RSA")
    assert caught.value.code == "E-KEX"
