"""The same work with other tools: rsync, and pyinfra and ansible-core from the environment in .venv-bench."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.bench.suite import Bench

_OPTIONS = (
    "-o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR -o StrictHostKeyChecking=accept-new "
    "-o UserKnownHostsFile="
)
TOOLS = Path(".venv-bench/bin").absolute()


def run_rsync(bench: Bench) -> None:
    """All targets at once, contents compared as kdeploy compares them."""
    children = []
    for each, home in zip(bench.sshd.environments(), bench.homes, strict=True):
        shell = f"ssh -F none -p {each.port} -i {each.identity_file} {_OPTIONS}{bench.folder / 'known_hosts'}"
        target = f"{each.user}@{each.host}:{home}/rsync/"
        children.append(subprocess.Popen(["rsync", "-a", "-c", "-e", shell, f"{bench.suite}/", target]))
    statuses = [child.wait() for child in children]
    if any(statuses):
        raise SystemExit("rsync failed")


def has(tool: str) -> bool:
    """Whether a tool is in the environment of the comparison."""
    return (TOOLS / tool).exists()


def run_pyinfra(bench: Bench) -> None:
    """`files.sync`, all targets at once."""
    hosts = [
        (
            each.host,
            {
                "ssh_port": each.port,
                "ssh_user": each.user,
                "ssh_key": each.identity_file,
                "ssh_known_hosts_file": str(bench.folder / "known_hosts"),
                "ssh_strict_host_key_checking": "accept-new",
                "dest": f"{home}/pyinfra",
            },
        )
        for each, home in zip(bench.sshd.environments(), bench.homes, strict=True)
    ]
    (bench.folder / "inventory.py").write_text(f"boards = {hosts!r}\n")
    (bench.folder / "sync.py").write_text(
        "from pyinfra import host\nfrom pyinfra.operations import files\n"
        f"files.sync(src={str(bench.suite)!r}, dest=host.data.dest)\n"
    )
    _run(bench, ["pyinfra", "-y", "--parallel", str(len(hosts)), "inventory.py", "sync.py"], {})


def run_ansible(bench: Bench) -> None:
    """`copy` with as many forks as targets, and pipelining."""
    lines = [
        f"{each.name} ansible_host={each.host} ansible_port={each.port} ansible_user={each.user} "
        f"ansible_ssh_private_key_file={each.identity_file} dest={home}/ansible ansible_remote_tmp={home}/.ansible/tmp"
        for each, home in zip(bench.sshd.environments(), bench.homes, strict=True)
    ]
    (bench.folder / "hosts.ini").write_text("\n".join(lines) + "\n")
    (bench.folder / "copy.yml").write_text(
        "- hosts: all\n  gather_facts: false\n  tasks:\n"
        f"    - ansible.builtin.copy: {{src: {bench.suite}/, dest: '{{{{ dest }}}}/', mode: preserve}}\n"
    )
    settings = {
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_SSH_ARGS": f"-F none -o ControlMaster=auto -o ControlPersist=60s {_OPTIONS}{bench.folder}/known_hosts",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(bench.folder / "cp"),
        "ANSIBLE_HOME": str(bench.folder / "ansible-home"),
        "LC_ALL": "C.UTF-8",
    }
    _run(bench, ["ansible-playbook", "-f", str(len(lines)), "-i", "hosts.ini", "copy.yml"], settings)


def _run(bench: Bench, command: list[str], settings: dict[str, str]) -> None:
    environment = {**os.environ, **settings, "PATH": f"{TOOLS}:{os.environ['PATH']}"}
    done = subprocess.run(
        [str(TOOLS / command[0]), *command[1:]],
        cwd=bench.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
