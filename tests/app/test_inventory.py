"""What a front end can do with the environments of a lab file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from kdeploy_gui.app import Services, home_from_environment, open_services
from kdeploy_gui.errors import PlanError, TrustError
from kdeploy_gui.model.environment import Environment
from tests.lab.fixtures import MakeSshd
from tests.lab.sshd import Sshd


@pytest.fixture
def services() -> Iterator[Services]:
    with open_services(home_from_environment()) as opened:
        yield opened


def pins(services: Services, name: str) -> tuple[str, ...]:
    return services.inventory.get(name).host_keys


def test_what_was_removed_comes_back_with_its_comment(services: Services) -> None:
    for name in ("a", "b", "c"):
        assert services.inventory.add(Environment(name=name, host="h")) == ()
    text = services.lab_file.read_text().replace('[[environment]]\nname = "b"', '# slow\n[[environment]]\nname = "b"')
    services.lab_file.write_text(text)
    removed = [services.inventory.remove(name) for name in ("a", "b")]
    for each in reversed(removed):
        services.inventory.restore(each)
    assert services.lab_file.read_text() == text
    with pytest.raises(PlanError, match="did you mean 'a'"):
        services.inventory.remove("aa")
    with pytest.raises(PlanError, match="is taken already"):
        services.inventory.restore(removed[0])


def test_problems_are_found_before_anything_is_written(services: Services) -> None:
    wrong = Environment(name="Not a name", host="h")
    assert [each.field for each in services.inventory.problems(wrong)] == ["environment[0].name"]
    assert not services.lab_file.exists()
    good = replace(wrong, name="good")
    assert services.inventory.problems(good) == ()
    assert services.inventory.add_all([good]) == ()
    assert services.inventory.problems(replace(good, port=0), "good", good)
    assert services.inventory.update("good", replace(good, name="better"), good) == ()
    assert services.inventory.get("better").host == "h"


def test_hosts_of_ssh_can_be_imported(services: Services) -> None:
    services.inventory.ssh_config = services.lab_file.parent / "config"
    assert services.inventory.importable() == ()
    services.inventory.ssh_config.parent.mkdir(exist_ok=True)
    services.inventory.ssh_config.write_text("Host a\n HostName 192.0.2.1\n ProxyJump b\nHost b\n HostName 192.0.2.2\n")
    hosts = services.inventory.importable()
    assert services.inventory.add_all([each.environment for each in hosts]) == ()
    assert services.inventory.get("a").jump == "b"


@pytest.mark.sshd
def test_a_pin_of_another_algorithm_stays_while_the_machine_proves_it(services: Services, make_sshd: MakeSshd) -> None:
    board: Sshd = make_sshd(host_key_types=("ed25519", "rsa"))
    first, other = board.fingerprints
    gone = "SHA256:" + "A" * 43
    assert services.inventory.add(replace(board.environment("a"), host_keys=(gone, other))) == ()
    with pytest.raises(TrustError):
        services.inventory.trust("a", gone)
    assert pins(services, "a") == (gone, other)
    offered = services.inventory.offered("a")
    assert (offered.fingerprint, offered.algorithm) == (first, "ED25519")
    assert services.inventory.start_offered(board.environment("not-in-the-file")).result(20) == offered
    services.inventory.trust("a", first)
    assert pins(services, "a") == (other, first)


def test_known_hosts_pin_a_jump_host_and_never_unrevoke(services: Services, tmp_path: Path) -> None:
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(3)]
    gate, old, bad = (each.export_public_key().decode().strip() for each in keys)
    pin = "SHA256:" + "A" * 43
    board = Environment(name="a", host="10.0.0.1", jump="ops@gate:2222", host_keys=(pin,), revoked_host_key=(old,))
    assert services.inventory.add(board) == ()
    file = tmp_path / "known_hosts"
    file.write_text(f"[gate]:2222 {gate}\n@revoked 10.0.0.* {bad}\n")
    after = services.inventory.trust_known("a", [file])
    assert after.jump_host_key == (keys[0].get_fingerprint(),)
    assert (after.host_keys, after.revoked_host_key) == ((pin,), (old, bad))
    text = services.lab_file.read_text()
    assert services.inventory.trust_known("a", [file]) == after
    assert services.lab_file.read_text() == text


def test_a_new_pin_of_unknown_type_drops_the_old_type(services: Services) -> None:
    pin = "SHA256:" + "A" * 43
    board = Environment(name="a", host="h", host_keys=(pin,), host_key_type=("ED25519",))
    assert services.inventory.add(board) == ()
    changed = replace(board, host_keys=(f"{pin[:-1]}B",))
    assert services.inventory.update("a", changed, board) == ()
    assert services.inventory.get("a").host_key_type == ()
