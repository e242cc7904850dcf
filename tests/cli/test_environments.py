"""`kdeploy env`: the lab file and the machines in it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from contextlib import suppress
from pathlib import Path

import asyncssh
import pytest

from tests.cli.program import COMMAND, Answer, Lab, kdeploy
from tests.lab.sshd import Sshd


def test_add_show_list_remove(lab: Lab) -> None:
    added = kdeploy(
        "env", "add", "board-a", "--host", "192.0.2.10", "--tag", "arm64", "--tag", "net", "--group", "rack-1"
    )
    assert added.status == 0, added.stderr
    assert "kdeploy env trust board-a" in added.stdout
    environment = kdeploy("env", "show", "board-a", "--json").json["environment"]
    assert (environment["host"], environment["port"], environment["user"]) == ("192.0.2.10", 22, "root")
    assert environment["tags"] == ["arm64", "net"]
    shown = kdeploy("env", "show", "board-a").stdout
    assert "root@192.0.2.10:22" in shown
    assert "none pinned" in shown
    listed = kdeploy("env", "list").stdout.splitlines()
    assert listed[0].split()[0] == "name"
    assert listed[1].split() == [
        "board-a",
        "board",
        "rack-1",
        "root@192.0.2.10:22",
        "arm64",
        "net",
        "not",
        "pinned",
        "never",
        "READY",
    ]
    assert kdeploy("env", "remove", "board-a").status == 0
    assert kdeploy("env", "list", "--json").json["environments"] == []


def test_empty_lab_says_how_to_go_on() -> None:
    said = kdeploy("env", "list")
    assert (said.status, said.stdout) == (0, "")
    assert "kdeploy env add" in said.stderr


@pytest.mark.parametrize("command", ["show", "remove", "check", "trust"])
def test_unknown_name_is_explained(lab: Lab, command: str) -> None:
    kdeploy("env", "add", "board-a", "--host", "192.0.2.10")
    said = kdeploy("env", command, "bord-a")
    assert said.status == 1
    assert "E-LAB-UNKNOWN" in said.stderr
    assert "did you mean 'board-a'?" in said.stderr
    assert kdeploy("env", command, "bord-a", "--json").json["error"]["code"] == "E-LAB-UNKNOWN"


def test_name_cannot_be_added_twice_nor_badly(lab: Lab) -> None:
    assert kdeploy("env", "add", "board-a", "--host", "192.0.2.10").status == 0
    before = (lab.home / "lab.toml").read_bytes()
    again = kdeploy("env", "add", "board-a", "--host", "192.0.2.11", "--json")
    assert again.status == 1
    assert again.json["problems"][0]["message"]
    bad = kdeploy("env", "add", "Board A", "--host", "192.0.2.11")
    assert bad.status == 1
    assert bad.stderr.startswith("error: ")
    assert (lab.home / "lab.toml").read_bytes() == before


def test_problems_of_a_lab_file_are_listed_with_their_lines(lab: Lab) -> None:
    (lab.home / "lab.toml").write_text('[[environment]]\nname = "a"\nhost = "192.0.2.1"\nprot = 22\nuser = 3\n')
    said = kdeploy("env", "list")
    assert said.status == 1
    assert f"{lab.home / 'lab.toml'}:4: environment[0].prot" in said.stderr
    assert "lab.toml:5: environment[0].user" in said.stderr


def test_another_lab_file(tmp_path: Path, lab: Lab) -> None:
    other = tmp_path / "other.toml"
    added = kdeploy("env", "add", "board-b", "--host", "192.0.2.11", "--lab", other)
    assert f"kdeploy env trust board-b --lab {other}" in added.stdout
    assert "board-b" in kdeploy("env", "list", "--lab", other).stdout
    assert not (lab.home / "lab.toml").exists()


def test_check_of_a_machine_that_was_never_deployed(lab: Lab, board: Sshd) -> None:
    said = kdeploy("env", "check", "board-a")
    assert said.status == 0, said.stderr
    assert os.uname().release in said.stdout
    assert "board-a: not READY: " in said.stdout
    check = kdeploy("env", "check", "board-a", "--json").json["checks"][0]
    assert (check["ready"], check["facts"]["kernel_release"]) == (False, os.uname().release)


def test_check_of_a_machine_that_is_gone(lab: Lab, board: Sshd) -> None:
    board.stop()
    said = kdeploy("env", "check", "board-a")
    assert said.status == 1
    assert "E-REFUSED (NET)" in said.stderr
    assert "what to do:" in said.stderr
    assert kdeploy("env", "check", "board-a", "--json").json["checks"][0]["failure"]["code"] == "E-REFUSED"


def unpinned(lab: Lab, board: Sshd) -> str:
    """Take the pin out of the lab file; the key that the machine offers."""
    path = lab.home / "lab.toml"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "host_key" not in line))
    return board.fingerprints[0]


def test_trust_without_a_terminal_refuses_with_the_exact_command(lab: Lab, board: Sshd) -> None:
    offered = unpinned(lab, board)
    said = kdeploy("env", "trust", "board-a")
    assert said.status == 1
    assert f"kdeploy env trust board-a --fingerprint {offered}" in said.stderr
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in said.stderr
    error = kdeploy("env", "trust", "board-a", "--json").json["error"]
    assert (error["code"], error["category"]) == ("E-HOSTKEY-UNKNOWN", "TRUST")
    assert kdeploy("env", "show", "board-a", "--json").json["environment"]["host_keys"] == []


def test_trust_pins_exactly_the_offered_key(lab: Lab, board: Sshd) -> None:
    offered = unpinned(lab, board)
    wrong = f"SHA256:{'A' * 43}"
    refused = kdeploy("env", "trust", "board-a", "--fingerprint", wrong)
    assert refused.status == 1
    assert wrong in refused.stderr
    assert offered in refused.stderr
    assert "(TRUST)" in refused.stderr
    assert kdeploy("env", "check", "board-a").status == 1
    pinned = kdeploy("env", "trust", "board-a", "--fingerprint", offered, "--json")
    assert pinned.json == {"environment": "board-a", "fingerprint": offered}
    assert kdeploy("env", "check", "board-a").status == 0
    assert "pinned before" in kdeploy("env", "trust", "board-a").stdout


def at_terminal(answer: str, *arguments: str) -> Answer:
    """Run `kdeploy ARGUMENTS` on a terminal and type `answer` when it asks."""
    master, slave = pty.openpty()
    with subprocess.Popen([*COMMAND, *arguments], stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        said = b""
        while b"[y/N]" not in said:
            assert select.select([master], [], [], 30)[0], said
            said += os.read(master, 4096)
        os.write(master, answer.encode())
        status = process.wait(30)
        while select.select([master], [], [], 0)[0]:
            try:
                said += os.read(master, 4096)
            except OSError:
                break
    os.close(master)
    return Answer(status, said.decode(), "")


@pytest.mark.parametrize(("answer", "status"), [("\n", 1), ("n\n", 1), ("y\n", 0)])
def test_trust_at_a_terminal_shows_the_key_and_asks(lab: Lab, board: Sshd, answer: str, status: int) -> None:
    offered = unpinned(lab, board)
    said = at_terminal(answer, "env", "trust", "board-a")
    assert said.status == status, said.stdout
    assert offered in said.stdout
    assert "ssh-keygen -lvf /etc/ssh/ssh_host_ed25519_key.pub" in said.stdout
    assert "+--[ED25519 256]--+" in said.stdout
    keys = kdeploy("env", "show", "board-a", "--json").json["environment"]["host_keys"]
    assert keys == ([offered] if status == 0 else [])


def test_trust_at_a_terminal_shows_what_was_pinned(lab: Lab, board: Sshd) -> None:
    [before] = board.fingerprints
    [after] = board.change_host_keys()
    said = at_terminal("y\n", "env", "trust", "board-a")
    assert before in said.stdout
    assert after in said.stdout
    assert kdeploy("env", "check", "board-a").status == 0


def test_trust_is_taken_over_from_known_hosts(lab: Lab, board: Sshd, tmp_path: Path) -> None:
    offered = unpinned(lab, board)
    environment = board.environment()
    key, authority, revoked = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(3))
    host_key = asyncssh.read_private_key(board.folder / "host_ed25519")
    name = f"[{environment.host}]:{environment.port}"
    lines = (
        (name, host_key),
        ("elsewhere", key),
        (f"@cert-authority {name}", authority),
        ("@revoked *", revoked),
    )
    file = tmp_path / "known_hosts"
    file.write_text("".join(f"{host} {each.export_public_key().decode()}" for host, each in lines))
    told = kdeploy("env", "trust", "board-a", "--from-known-hosts", str(file))
    assert told.status == 0, told.stderr
    assert f"board-a: pinned: {offered}" in told.stdout
    shown = kdeploy("env", "show", "board-a", "--json").json["environment"]
    assert (shown["host_keys"], shown["host_key_type"]) == ([offered], ["ED25519"])
    assert shown["host_ca"] == [authority.export_public_key().decode().strip()]
    assert shown["revoked_host_key"] == [revoked.export_public_key().decode().strip()]
    assert kdeploy("env", "check", "board-a").status == 0
    again = kdeploy("env", "trust", "board-a", "--from-known-hosts", str(file), "--json")
    assert again.json["environment"]["host_keys"] == [offered]


def test_known_hosts_without_the_machine_change_nothing(lab: Lab, board: Sshd, tmp_path: Path) -> None:
    offered = unpinned(lab, board)
    empty = tmp_path / "known_hosts"
    empty.touch()
    told = kdeploy("env", "trust", "board-a", "--from-known-hosts", str(empty))
    assert told.status == 1
    assert "E-KNOWN-HOSTS" in told.stderr
    assert "kdeploy env trust board-a" in told.stderr
    asked = kdeploy("env", "trust", "board-a")
    assert (asked.status, offered in asked.stderr, "+--[ED25519 256]--+" in asked.stderr) == (1, True, True)
    assert "ssh-keygen -lvf /etc/ssh/ssh_host_ed25519_key.pub" in asked.stderr


def test_a_jump_host_named_by_its_address_is_pinned_with_its_machine(lab: Lab, board: Sshd) -> None:
    environment = board.environment()
    address = f"{environment.user}@{environment.host}:{environment.port}"
    path = lab.home / "lab.toml"
    path.write_text(path.read_text().replace('name = "board-a"\n', f'name = "board-a"\njump = "{address}"\n'))
    refused = kdeploy("env", "check", "board-a")
    assert refused.status == 1
    command = f"kdeploy env trust board-a --jump-host --fingerprint {board.fingerprints[0]}"
    assert command in refused.stderr
    told = kdeploy(*command.split()[1:])
    assert told.status == 0, told.stderr
    assert told.stdout == f"{board.fingerprints[0]} is pinned for {address}\n"
    assert kdeploy("env", "check", "board-a").status == 0
    assert kdeploy("env", "trust", "board-a", "--jump-host").stdout.endswith(f"was pinned before for {address}\n")
    shown = kdeploy("env", "show", "board-a").stdout
    assert board.fingerprints[0] in next(line for line in shown.splitlines() if line.startswith("jump host key"))


def test_an_environment_without_such_a_jump_host_is_told_so(lab: Lab, board: Sshd) -> None:
    told = kdeploy("env", "trust", "board-a", "--jump-host")
    assert told.status == 1
    assert "E-NO-JUMP-HOST" in told.stderr


def test_old_algorithms_are_seen_wherever_the_environment_is(lab: Lab, board: Sshd) -> None:
    path = lab.home / "lab.toml"
    path.write_text(path.read_text().replace('name = "board-a"\n', 'name = "board-a"\nlegacy = true\n'))
    assert "legacy" in kdeploy("env", "list").stdout
    assert "no longer safe" in kdeploy("env", "show", "board-a").stdout


def talk(answers: list[str], *arguments: str) -> Answer:
    """Run `kdeploy ARGUMENTS` on a terminal and give one answer to each question for a passphrase."""
    master, slave = pty.openpty()
    with subprocess.Popen([*COMMAND, *arguments], stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        said = b""
        with suppress(OSError):
            while chunk := os.read(master, 4096):
                said += chunk
                if answers and said.count(b"(Enter: none): ") > said.count(b"\0"):
                    said += b"\0"
                    os.write(master, answers.pop(0).encode() + b"\n")
        status = process.wait(30)
    os.close(master)
    return Answer(status, said.replace(b"\0", b"").decode(), "")


def test_a_passphrase_is_asked_for_at_a_terminal_and_only_there(lab: Lab, board: Sshd) -> None:
    key = asyncssh.read_private_key(board.identity_file)
    board.identity_file.write_bytes(key.export_private_key(passphrase="open sesame"))
    alone = kdeploy("env", "check", "board-a")
    assert (alone.status, "E-PASSPHRASE" in alone.stderr) == (1, True)
    asked = talk(["wrong", "open sesame"], "env", "check", "board-a")
    assert asked.status == 0, asked.stdout
    assert f"That is not it. Passphrase of {board.identity_file}" in asked.stdout
    assert "open sesame" not in asked.stdout
    given_up = talk(["a", "b", "c"], "env", "check", "board-a")
    assert given_up.status == 1
    assert given_up.stdout.count("Passphrase of") == 3
