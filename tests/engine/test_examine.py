"""The way to a machine that is not in the lab file, told part by part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.app import Services, home_from_environment, open_services
from kdeploy_gui.engine import examine as module
from kdeploy_gui.model.check import CheckOutcome, CheckPart, CheckStep, EnvironmentCheck
from kdeploy_gui.model.environment import Environment
from tests.lab.chaos import Chaos
from tests.lab.fixtures import MakeSshd
from tests.lab.processes import wait_until
from tests.lab.sshd import Sshd

pytestmark = pytest.mark.sshd
OK, FAILED, NOT_TRIED = CheckOutcome.OK, CheckOutcome.FAILED, CheckOutcome.NOT_TRIED


@pytest.fixture
def services() -> Iterator[Services]:
    with open_services(home_from_environment()) as opened:
        yield opened


def looked_at(services: Services, environment: Environment) -> tuple[EnvironmentCheck, list[CheckStep]]:
    told: list[CheckStep] = []
    check = services.inventory.test(environment, told.append).result(30)
    return check, told


def outcomes(told: list[CheckStep]) -> list[CheckOutcome]:
    assert sorted(each.part for each in told) == sorted(CheckPart)
    return [next(each.outcome for each in told if each.part is part) for part in CheckPart]


def step(told: list[CheckStep], part: CheckPart) -> CheckStep:
    return next(each for each in told if each.part is part)


def test_a_machine_that_lets_us_in(services: Services, sshd: Sshd) -> None:
    environment = replace(sshd.environment(), name="")
    check, told = looked_at(services, environment)
    assert check.failure is None
    assert check.facts is not None
    assert [(each.part, each.outcome) for each in told] == [(part, OK) for part in CheckPart]
    assert step(told, CheckPart.ADDRESS).text == "127.0.0.11"
    assert "OpenSSH" in step(told, CheckPart.PORT).text
    assert " ms" in step(told, CheckPart.PORT).text
    assert environment.user in step(told, CheckPart.LOGIN).text
    assert "(publickey)" in step(told, CheckPart.LOGIN).text
    assert check.facts.kernel_release in step(told, CheckPart.FACTS).text


@pytest.mark.parametrize("pins", [(), ("SHA256:" + "A" * 43,)])
def test_a_key_that_is_not_pinned_ends_the_way(services: Services, sshd: Sshd, pins: tuple[str, ...]) -> None:
    check, told = looked_at(services, replace(sshd.environment(), host_keys=pins))
    assert outcomes(told) == [OK, OK, FAILED, NOT_TRIED, NOT_TRIED]
    refused = step(told, CheckPart.HOST_KEY)
    assert refused.offered is not None
    assert refused.offered.fingerprint == sshd.fingerprints[0]
    assert refused.failure == check.failure
    assert all(each in refused.text for each in (*pins, *sshd.fingerprints))
    assert refused.failure is not None
    assert refused.failure.on_target == "Nothing was sent."
    assert refused.failure.remedy
    assert "Accepted" not in sshd.log


def test_what_fails_is_named_where_it_fails(services: Services, sshd: Sshd, tmp_path: Path) -> None:
    sound = sshd.environment()
    loose = tmp_path / "key"
    loose.write_bytes(sshd.identity_file.read_bytes())
    loose.chmod(0o644)
    for environment, expected, code in (
        (replace(sound, host="no-such-host.invalid"), [FAILED, *[NOT_TRIED] * 4], "E-DNS"),
        (replace(sound, port=1), [OK, FAILED, *[NOT_TRIED] * 3], "E-REFUSED"),
        (replace(sound, user="nobody-here"), [OK, OK, OK, FAILED, NOT_TRIED], "E-AUTH"),
        (replace(sound, identity_file=str(loose)), [*[NOT_TRIED] * 3, FAILED, NOT_TRIED], "E-KEYFILE"),
        (replace(sound, jump="nobody"), [FAILED, *[NOT_TRIED] * 4], "E-LAB-UNKNOWN"),
    ):
        check, told = looked_at(services, environment)
        assert outcomes(told) == expected, code
        assert check.failure is not None
        assert check.failure.code == code


def test_a_common_algorithm_is_missing_only_after_the_port_has_answered(
    services: Services, make_sshd: MakeSshd
) -> None:
    old = make_sshd(options={"Ciphers": "3des-cbc"})
    check, told = looked_at(services, old.environment())
    assert outcomes(told) == [OK, OK, FAILED, NOT_TRIED, NOT_TRIED], check


def test_facts_that_never_come_end_in_time(services: Services, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    check, told = looked_at(services, sshd.environment())
    assert outcomes(told) == [OK, OK, OK, OK, FAILED]
    assert check.failure is not None
    assert check.failure.code == "E-STALLED"


def test_cancelling_ends_it_there(services: Services, sshd: Sshd, chaos: Chaos) -> None:
    chaos.freeze()
    told: list[CheckStep] = []
    future = services.inventory.test(chaos.environment(sshd.environment()), told.append)
    wait_until(lambda: bool(told), "the address")
    assert future.cancel()
    chaos.thaw()
    wait_until(lambda: chaos.open_connections == 0, "the end of the connection")
    assert CheckPart.LOGIN not in [each.part for each in told]


def test_a_machine_behind_a_jump_host(services: Services, make_sshd: MakeSshd) -> None:
    gate, inner = make_sshd(), make_sshd()
    assert services.inventory.add(gate.environment("gate")) == ()
    check, told = looked_at(services, replace(inner.environment("inner"), jump="gate"))
    assert check.failure is None
    assert "as gate knows it" in step(told, CheckPart.ADDRESS).text
    _, told = looked_at(services, replace(inner.environment("inner"), jump="gate", port=1))
    assert outcomes(told) == [OK, FAILED, NOT_TRIED, NOT_TRIED, NOT_TRIED]
