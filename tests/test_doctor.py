"""The doctor: each check against the real thing or a real stand-in, and none of them hangs."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kdeploy_gui import doctor
from kdeploy_gui.environments import libvirt_guest
from kdeploy_gui.model.check import Finding


def test_checks_run_side_by_side_and_keep_their_order() -> None:
    met = threading.Barrier(2, timeout=10)

    def meet(name: str) -> Callable[[], Finding]:
        def check() -> Finding:
            met.wait()
            return Finding(name, True, "met")

        return check

    findings = doctor.examine([("a", meet("a")), ("b", meet("b"))], deadline=20)
    assert [(each.subject, each.text) for each in findings] == [("a", "met"), ("b", "met")]


def test_silent_check_is_reported_in_time() -> None:
    release = threading.Event()

    def hang() -> Finding:
        release.wait(30)
        return Finding("keyring", True, "late")

    try:
        findings = doctor.examine([("keyring", hang), ("Python", doctor.python)], deadline=2)
    finally:
        release.set()
    assert findings[0].ok is False
    assert "did not answer within 2 s" in findings[0].text
    assert findings[1].ok is True


def test_own_checks_all_answer(tmp_path: Path) -> None:
    findings = doctor.examine(doctor.own_checks(tmp_path, [tmp_path], "3.51.3"))
    assert len({each.subject for each in findings}) == len(findings) == 8
    assert all(each.text for each in findings)


def test_private_home_is_fine(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "lab.toml").touch(mode=0o600)
    assert doctor.home_folders([home, tmp_path / "not there yet"]).ok is True


def test_open_home_and_file_are_named_with_a_command_that_helps(tmp_path: Path) -> None:
    home = tmp_path / "home of mine"
    home.mkdir()
    home.chmod(0o750)
    (home / "kdeploy.db").touch()
    (home / "kdeploy.db").chmod(0o604)
    found = doctor.home_folders([home])
    assert found.ok is False
    subprocess.run(["sh", "-c", found.remedy], check=True)
    assert doctor.home_folders([home]).ok is True


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_foreign_home_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 65534, 65534)
    found = doctor.home_folders([home])
    assert found.ok is False
    assert "somebody else" in found.text


def test_disk_looks_at_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    found = doctor.disk(tmp_path / "a" / "b")
    assert str(tmp_path) in found.text
    assert found.ok is (shutil.disk_usage(tmp_path).free >= doctor.DISK_WARNING)


@pytest.mark.parametrize(
    ("version", "ok", "fault"),
    [
        ("3.40.1", True, True),
        ("3.44.5", True, True),
        ("3.44.6", True, False),
        ("3.45.0", True, True),
        ("3.50.7", True, False),
        ("3.51.2", True, True),
        ("3.51.3", True, False),
        ("4.0.0", True, False),
        ("3.36.0", False, False),
        ("none", False, False),
    ],
)
def test_sqlite_versions(version: str, ok: bool, fault: bool) -> None:
    found = doctor.sqlite(version)
    assert (found.ok, "WAL-reset" in found.text) == (ok, fault)


def test_clock_agrees_with_the_system() -> None:
    found = doctor.clock()
    if shutil.which("timedatectl") and Path("/run/systemd/system").is_dir():
        said = subprocess.run(
            ["timedatectl", "show", "-p", "NTPSynchronized", "--value"], capture_output=True, text=True, check=True
        )
        assert found.ok is (said.stdout.strip() == "yes")
    assert found.text


def test_real_agent_answers_with_its_number_of_keys(tmp_path: Path) -> None:
    if shutil.which("ssh-agent") is None:
        pytest.skip("ssh-agent is not installed")
    address, key = tmp_path / "agent", tmp_path / "key"
    with subprocess.Popen(["ssh-agent", "-D", "-a", address], stdout=subprocess.PIPE) as agent:
        try:
            assert agent.stdout is not None
            agent.stdout.readline()
            assert doctor.ssh_agent(str(address)).ok is None
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
            environment = {**os.environ, "SSH_AUTH_SOCK": str(address)}
            subprocess.run(["ssh-add", "-q", key], env=environment, check=True, stderr=subprocess.DEVNULL)
            found = doctor.ssh_agent(str(address))
        finally:
            agent.terminate()
    assert found.ok is True
    assert "holds 1 key" in found.text


@contextmanager
def agent_that_answers(folder: Path, answer: bytes) -> Iterator[str]:
    """A socket that sends `answer` to whoever connects, then closes."""
    address = str(folder / "agent")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(address)
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(5)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield address
        thread.join(10)


def test_no_agent_does_not_apply() -> None:
    assert doctor.ssh_agent("").ok is None


def test_dead_agent_needs_attention(tmp_path: Path) -> None:
    found = doctor.ssh_agent(str(tmp_path / "gone"))
    assert found.ok is False
    assert "ssh-add" in found.remedy


@pytest.mark.parametrize("answer", [struct.pack(">IBI", 1, 5, 0), b"\0\0"])
def test_something_else_on_the_agents_socket_needs_attention(tmp_path: Path, answer: bytes) -> None:
    with agent_that_answers(tmp_path, answer) as address:
        assert doctor.ssh_agent(address).ok is False


@pytest.mark.parametrize(
    ("variables", "ok"), [({}, None), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "wayland-0"}, True)]
)
def test_display(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], ok: bool | None) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert doctor.display().ok is ok


def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = doctor.openssh_tools()
    assert found.ok is None
    assert "ssh-keygen" in found.text


def test_absent_libvirt_does_not_apply(tmp_path: Path) -> None:
    found = libvirt_guest.probe(f"qemu:///session?socket={tmp_path}/nobody")
    assert found.ok is None
    assert found.remedy


def test_libvirt_answers() -> None:
    pytest.importorskip("libvirt")
    found = libvirt_guest.probe("test:///default")
    assert found.ok is True
    assert "1 guest running" in found.text
