"""Hosts of ~/.ssh/config are read as OpenSSH itself reads them, and their keys as ssh-keygen finds them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kdeploy_gui.environments import ssh_config
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.ssh_host import SshHost

CONFIG = """\
# my machines
Include extra/*.conf
Host *.lab !slow.lab
    User from-pattern
Host gate
    HostName 192.0.2.1
    port=2222
host fast.lab slow.lab   # two of them
    HostName "%h.example"
    ProxyJump gate
    IdentityFile ~/.ssh/id_lab
Match originalhost fast.lab
    Port 2022
Match host fast.lab,slow.lab.example
    Port 2023
Match exec "touch {marker}"
    Port 9
Host far
    ProxyJump root@elsewhere:22
    ProxyCommand nc %h %p
Host *
    User everybody
    Port 22022
"""
EXTRA = """\
Host Odd_Näme
    HostName odd.example
    User odd
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ssh"
    (folder / "extra").mkdir(parents=True)
    (folder / "config").write_text(CONFIG.format(marker=tmp_path / "ran"))
    (folder / "extra/one.conf").write_text(EXTRA)
    return folder


def found(folder: Path) -> dict[str, SshHost]:
    return {each.alias: each for each in ssh_config.hosts(folder / "config")}


@pytest.mark.parametrize("alias", ["gate", "fast.lab", "slow.lab", "far"])
def test_settings_are_those_that_ssh_would_use(folder: Path, alias: str) -> None:
    text = (folder / "config").read_text().replace("Include ", f"Include {folder}/")
    (folder / "peer").write_text(text.replace("Match exec", "Match originalhost none exec"))
    told = subprocess.run(["ssh", "-G", "-F", folder / "peer", alias], check=True, capture_output=True, text=True)
    peer = dict(line.split(" ", 1) for line in reversed(told.stdout.splitlines()))
    environment = found(folder)[alias].environment
    assert (environment.host, str(environment.port), environment.user) == (peer["hostname"], peer["port"], peer["user"])
    if environment.identity_file:
        assert Path(environment.identity_file).expanduser() == Path(peer["identityfile"]).expanduser()
    assert environment.jump == (peer["proxyjump"] if peer.get("proxyjump") == "gate" else "")


def test_names_fit_a_lab_file_and_nothing_is_run(folder: Path, tmp_path: Path) -> None:
    hosts = found(folder)
    assert list(hosts) == ["Odd_Näme", "gate", "fast.lab", "slow.lab", "far"]
    assert [each.environment.name for each in hosts.values()] == ["odd_n-me", "gate", "fast.lab", "slow.lab", "far"]
    assert [line.split(":")[0] for line in hosts["far"].left_out] == ["ProxyJump root@elsewhere", "ProxyCommand"]
    assert not (tmp_path / "ran").exists()


def test_keys_that_ssh_has_seen_become_pins(folder: Path) -> None:
    keys = {}
    for name in ("plain", "hidden", "revoked", "other"):
        path = folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        keys[name] = path.with_suffix(".pub").read_text().rsplit(" ", 1)[0]
    hashed = folder / "hashed"
    hashed.write_text(f"fast.lab.example {keys['hidden']}\n[fast.lab.example]:2022 {keys['hidden']}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", hashed], check=True, capture_output=True)
    (folder / "known_hosts").write_text(
        f"# seen\n[192.0.2.1]:2222,gate {keys['plain']} me@here\n@revoked * {keys['revoked']}\n"
        f"192.0.2.1 {keys['other']}\nbroken line\n192.0.2.1 ssh-ed25519 AAAA\n{hashed.read_text()}"
    )
    told = {
        name: subprocess.run(["ssh-keygen", "-lf", folder / name], check=True, capture_output=True, text=True).stdout
        for name in ("plain", "hidden")
    }
    hosts = found(folder)
    assert hosts["gate"].environment.host_keys == (told["plain"].split()[1],)
    assert hosts["fast.lab"].environment.host_keys == (told["hidden"].split()[1],)
    assert hosts["far"].environment.host_keys == ()


def test_same_names_are_told_apart_and_hostile_ones_made_harmless(folder: Path) -> None:
    (folder / "config").write_text("Host A a \x1b[2J\n HostName \x1b]0;x\x07\n Port many\n")
    hosts = list(found(folder).values())
    assert [each.environment.name for each in hosts] == ["a", "a-2", "2j"]
    assert hosts[0].environment == Environment(name="a", host="\x1b]0;x\x07", user=hosts[0].environment.user)
    assert hosts[0].left_out == ("Port many: no number",)


def test_no_file_has_no_hosts_and_one_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    assert ssh_config.hosts(tmp_path / "config") == ()
    (tmp_path / "config").mkdir()
    with pytest.raises(LocalError, match="cannot be read"):
        ssh_config.hosts(tmp_path / "config")


def test_files_that_include_one_another_end(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Host a\n HostName h\nInclude config\n")
    assert [each.alias for each in ssh_config.hosts(tmp_path / "config")] == ["a"]
