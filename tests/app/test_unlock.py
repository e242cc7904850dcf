"""What nobody wrote down is asked for before a run, a few times, and then left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import asyncssh
import pytest

from kdeploy_gui.app import Services
from kdeploy_gui.model.environment import Become, Environment
from tests.app.test_inventory import services as services
from tests.lab import sudo
from tests.lab.fixtures import MakeSshd
from tests.lab.sshd import Sshd

pytestmark = pytest.mark.sshd


@dataclass
class Typist:
    """The `Asker` port: types prepared answers, then nothing; `asked` are the questions."""

    answers: list[str]
    asked: list[tuple[str, int]] = field(default_factory=list)

    def passphrase(self, key: str, attempt: int) -> str:
        self.asked.append((key, attempt))
        return self.answers.pop(0) if self.answers else ""

    def sudo_password(self, environment: Environment, attempt: int) -> str:
        return self.passphrase(environment.name, attempt)


@pytest.fixture
def locked(services: Services, sshd: Sshd) -> Environment:
    """A machine whose key is encrypted, in the lab."""
    key = asyncssh.read_private_key(sshd.identity_file)
    sshd.identity_file.write_bytes(key.export_private_key(passphrase="open sesame"))
    assert services.inventory.add(sshd.environment("a")) == ()
    return services.inventory.get("a")


def test_a_key_is_asked_for_until_it_opens(services: Services, locked: Environment) -> None:
    typist = Typist(["wrong", "open sesame", "never typed"])
    services.unlock([locked], typist)
    assert typist.asked == [(locked.identity_file, 1), (locked.identity_file, 2)]
    assert services.inventory.check("a").failure is None
    services.unlock([locked], typist)
    assert len(typist.asked) == 2


@pytest.mark.parametrize(("answers", "questions"), [(["a", "b", "c", "open sesame"], 3), ([], 1)])
def test_asking_ends(services: Services, locked: Environment, answers: list[str], questions: int) -> None:
    typist = Typist(answers)
    services.unlock([locked], typist)
    assert len(typist.asked) == questions
    failure = services.inventory.check("a").failure
    assert failure is not None
    assert failure.code == "E-PASSPHRASE"


@pytest.fixture
def sudoer(make_sshd: MakeSshd) -> Iterator[Sshd]:
    if not sudo.is_installed():
        pytest.skip("needs root and sudo")
    server = make_sshd(accounts=True)
    sudo.set_password(server.user(), "canary-5a1d")
    with ExitStack() as stack:
        stack.enter_context(sudo.rules(server.user(), "{user} ALL=(ALL:ALL) ALL"))
        yield server


def test_a_password_of_sudo_is_asked_for_where_sudo_asks(services: Services, sudoer: Sshd) -> None:
    plain = sudoer.environment("plain")
    root = replace(plain, name="root", become=Become.SUDO)
    assert services.inventory.add_all([plain, root]) == ()
    typist = Typist(["wrong", "canary-5a1d"])
    services.unlock([plain, root], typist)
    assert typist.asked == [("root", 1), ("root", 2)]
    facts = services.inventory.check("root").facts
    assert facts is not None
    assert facts.uid == 0
