"""What kdeploy claims of a machine, looked at with OpenSSH's client and the machine's own tools: ssh, find, stat."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.program import Json, Lab, kdeploy
from tests.lab.fixtures import MakeSshd
from tests.lab.sshd import Sshd
from tests.properties.peers import write_files

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to others"),
    pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH's client"),
]
PLAN = """\
name = "claims"
environments = ["*"]

[[artifacts]]
source = "bin/*"
type = "script"
target = "~/suite/bin/"
mode = "4711"
allow_setuid = true
owner = "daemon:daemon"

[[artifacts]]
source = "etc"
type = "config"
target = "~/suite/etc/"
mode = "0640"

[[artifacts]]
source = "secret"
type = "config"
target = "~/suite/secret"
mode = "0600"
sensitive = true
"""
FIRST = {
    "bin/run.sh": b"#!/bin/sh\nexec true\n",
    "bin/with space": b"#!/bin/sh\n",
    "etc/deep/$(id) 'q'.conf": b"a = 1\n",
    "etc/empty": b"",
    "secret": b"nobody knows",
}
SECOND = {**FIRST, "bin/run.sh": b"#!/bin/sh\nexec false\n", "etc/new": os.urandom(100_000)}


@dataclass(frozen=True)
class File:
    """A file as the machine's own tools see it."""

    sha256: str
    mode: str
    owner: str
    size: int


class Ssh:
    """OpenSSH's client, which knows the server's key and no other."""

    def __init__(self, server: Sshd, folder: Path) -> None:
        known = folder / "known_hosts"
        machine = server.environment()
        public = (server.folder / "host_ed25519.pub").read_text()
        known.write_text(f"[{machine.host}]:{machine.port} {public}")
        options = {
            "UserKnownHostsFile": known,
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "IdentityFile": server.identity_file,
            "Port": machine.port,
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        self._command = ("ssh", "-F", "none", *words, f"{machine.user}@{machine.host}")

    def run(self, script: str) -> str:
        """What a script prints there."""
        done = subprocess.run([*self._command, script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
        return done.stdout

    def files(self, folder: Path) -> dict[str, File]:
        """Every file below a folder, by its path below the home: found by find, judged by stat and sha256sum."""
        hashes = {}
        for line in self.run(f"find {folder} -type f -exec sha256sum {{}} +").splitlines():
            digest, _, path = line.partition("  ")
            hashes[path] = digest
        found = {}
        for line in self.run(f"find {folder} -type f -exec stat -c '%04a %U:%G %s %n' {{}} +").splitlines():
            mode, owner, size, path = line.split(" ", 3)
            found[path.removeprefix(f"{folder.parent}/")] = File(hashes[path], mode, owner, int(size))
        return found


@pytest.fixture
def lab(kdeploy_home: Path, tmp_path: Path) -> Lab:
    """An empty lab."""
    return Lab(kdeploy_home, tmp_path / "plan")


@pytest.fixture
def server(lab: Lab, make_sshd: MakeSshd) -> Sshd:
    """A machine that the lab knows, and whose public key lies beside it."""
    made = make_sshd()
    key = made.folder / "host_ed25519"
    public = subprocess.run(["ssh-keygen", "-y", "-f", key], capture_output=True, text=True, check=True).stdout
    key.with_suffix(".pub").write_text(public)
    lab.add(made.environment("board"))
    lab.plan.write_text(PLAN)
    return made


def deployed(lab: Lab, files: dict[str, bytes]) -> list[Json]:
    """Deploy these files; the events."""
    write_files(lab.folder, files)
    done = kdeploy("deploy", "--json", lab.plan)
    assert done.status == 0, done
    return done.events


def claimed(run: int) -> dict[str, tuple[str, str, int]]:
    """SHA-256, mode and size of the files that kdeploy says a run deployed, by their paths below the home."""
    (only,) = kdeploy("artifact", "of", "--json", str(run)).json["sets"]
    return {each["path"].removeprefix("~/"): (each["sha256"], each["mode"], each["size"]) for each in only["files"]}


def test_other_tools_find_what_kdeploy_says(lab: Lab, server: Sshd, tmp_path: Path) -> None:
    ssh = Ssh(server, tmp_path)
    for files, sent in ((FIRST, 5), (SECOND, 2)):
        events = deployed(lab, files)
        run = events[-1]["run"]
        seen = ssh.files(server.home() / "suite")

        assert claimed(run) == {path: (each.sha256, each.mode, each.size) for path, each in seen.items()}
        assert {each.owner for path, each in seen.items() if path.startswith("suite/bin/")} == {"daemon:daemon"}

        done = {each["path"]: each for each in events if each["type"] == "file_done"}
        assert {path.removeprefix(f"{server.home()}/"): each["sha256"] for path, each in done.items()} == {
            path: each.sha256 for path, each in seen.items()
        }
        (board,) = kdeploy("status", "--json", str(run)).json["environments"]
        assert (board["status"], board["ready"]) == ("completed", True)
        assert (board["files"]["sent"], board["files"]["same"]) == (sent, len(seen) - sent)
        newest = kdeploy("history", "--json").json["runs"][0]
        assert (newest["run"], newest["outcome"]) == (run, "succeeded")
    assert ssh.run(f"find {server.home()} -name '.kdeploy-*' -o -name '*.staging'") == ""

    ssh.run(f"chmod 0644 {server.home()}/suite/secret")
    assert kdeploy("ready", "board").status == 3
