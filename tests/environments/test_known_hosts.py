"""What OpenSSH wrote down about hosts, read as OpenSSH reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import asyncssh
import pytest

from kdeploy_gui.environments.known_hosts import KnownHosts
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.host_key import HostKey


def public_key(kind: str = "ssh-ed25519") -> str:
    return asyncssh.generate_private_key(kind).export_public_key().decode().strip()


def pin(key: str) -> str:
    return HostKey.parse(key).fingerprint


@pytest.fixture
def keys() -> list[str]:
    return [public_key() for _ in range(4)]


def test_lines_are_found_by_name_port_pattern_and_marker(tmp_path: Path, keys: list[str]) -> None:
    seen, other, authority, revoked = keys
    file = tmp_path / "known_hosts"
    file.write_text(
        f"# seen\n\nboard.lab,192.0.2.1 {seen} comment\n[board.lab]:2222 {other}\n"
        f"@cert-authority *.lab,!bad.lab {authority}\n"
        f"@revoked * {revoked}\nboard.lab {revoked}\nboard.lab ssh-ed25519 AAAA\nboard.lab\n@revoked board.lab\n"
    )
    known = KnownHosts.read(file, tmp_path / "none")
    board = known.about("Board.lab", 22)
    assert board.pins == (pin(seen),)
    assert (board.authorities, board.revoked, board.types) == ((authority,), (revoked,), ("ED25519",))
    assert known.about("192.0.2.1", 22).pins == (pin(seen),)
    assert known.about("board.lab", 2222).pins == (pin(other),)
    assert known.about("board.lab", 2222).authorities == (authority,)
    assert known.about("bad.lab", 22).authorities == ()
    assert known.about("elsewhere", 22).pins == ()


def test_hashed_names_are_those_that_openssh_hashes(tmp_path: Path, keys: list[str]) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"board.lab {keys[0]}\n[board.lab]:2222 {keys[1]}\n|1|x|y {keys[2]}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", file], check=True, capture_output=True)
    assert "board" not in file.read_text()
    known = KnownHosts.read(file)
    assert known.about("board.lab", 22).pins == (pin(keys[0]),)
    assert known.about("board.lab", 2222).pins == (pin(keys[1]),)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        KnownHosts.read(tmp_path)
    assert (caught.value.code, caught.value.path) == ("E-SSH-CONFIG", str(tmp_path))
