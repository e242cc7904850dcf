"""Every implementation of the `Target` port, with a way to see and plant files there by other means."""

from __future__ import annotations

import hashlib
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from kdeploy_gui.environments.memory_target import MemoryMachine, MemoryTarget, StoredFile
from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.errors import ArtifactError
from kdeploy_gui.model.files import ManifestEntry, Placement
from kdeploy_gui.ports import Target
from tests.contract.local_shell import LocalShell
from tests.properties.peers import leftovers

NASTY = (
    "plain.sh",
    "with space",
    "-rf",
    "quote'\"",
    "$(touch boom)",
    "ünïcode-漢",
    "back\\slash",
    "*",
    "~",
    "#hash",
    "a;b&c|d",
    "trailing ",
    ".hidden",
)


class FolderContent:
    """Bytes from a folder of this test; `before_read` happens first."""

    def __init__(self) -> None:
        self.before_read: Callable[[], None] = lambda: None

    def digest(self, source: object, stop: object = None) -> str:
        raise NotImplementedError(source)

    def requirement(self, source: object) -> None:
        raise NotImplementedError(source)

    def read(self, path: str) -> Iterator[bytes]:
        self.before_read()
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ArtifactError("E-SOURCE-MISSING", str(error), path=path) from error
        yield from (data[at : at + 65536] for at in range(0, len(data), 65536))


class NoSecrets:
    """A keyring that nobody should need."""

    def get(self, name: str) -> str:
        raise NotImplementedError(name)


class Peer(Protocol):
    """A target with a way to see and plant files there by other means."""

    target: Target
    root: str
    content: FolderContent
    over_ssh: bool

    def look(self, path: str) -> tuple[bytes, int]: ...

    def plant(self, path: str, data: bytes, mode: int) -> None: ...

    def leftovers(self) -> list[str]: ...


class DiskPeer:
    """A target whose files this test can reach on the disk."""

    def __init__(
        self, target: Target, root: Path, home: Path, content: FolderContent, *, over_ssh: bool = False
    ) -> None:
        self.target = target
        self.over_ssh = over_ssh
        self.root = str(root)
        self.home = home
        self.content = content

    def look(self, path: str) -> tuple[bytes, int]:
        return Path(path).read_bytes(), stat.S_IMODE(Path(path).stat().st_mode)

    def plant(self, path: str, data: bytes, mode: int) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(data)
        Path(path).chmod(mode)

    def leftovers(self) -> list[str]:
        return leftovers(Path(self.root), self.home / ".cache/kdeploy")


class MemoryPeer:
    """A memory machine."""

    def __init__(self) -> None:
        self.machine = MemoryMachine(tools={"sh": "/bin/sh"})
        self.content = FolderContent()
        self.over_ssh = False
        self.target: Target = MemoryTarget(self.machine, self.content)
        self.root = "/srv"

    def look(self, path: str) -> tuple[bytes, int]:
        stored = self.machine.files[self.machine.real(path)]
        return stored.data, stored.mode

    def plant(self, path: str, data: bytes, mode: int) -> None:
        self.machine.files[path] = StoredFile(data, mode, "root:root")

    def leftovers(self) -> list[str]:
        return [path for path in self.machine.files if ".kdeploy-" in path] + [path for path, _ in self.machine.begun]


def busybox_path(folder: Path) -> str:
    """A PATH in which every command is busybox."""
    folder.mkdir()
    busybox = shutil.which("busybox")
    assert busybox
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        (folder / applet).symlink_to(busybox)
    return str(folder)


KINDS = ("memory", "dash", "bash", "busybox", "sshd")


@pytest.fixture(params=KINDS)
async def peer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Peer]:
    """Each implementation in turn."""
    root, home = tmp_path / "root", tmp_path / "home"
    root.mkdir()
    home.mkdir()
    content = FolderContent()
    match request.param:
        case "memory":
            yield MemoryPeer()
        case "sshd":
            sshd = request.getfixturevalue("sshd")
            target = await SshConnector(content, NoSecrets(), lambda name: None).connect(sshd.environment())
            yield DiskPeer(target, root, sshd.home(), content, over_ssh=True)
            await target.close()
        case "busybox":
            shell = LocalShell((shutil.which("busybox") or "busybox", "sh"), home, busybox_path(tmp_path / "bin"))
            yield DiskPeer(ShellTarget(shell, content), root, home, content)
        case name:
            yield DiskPeer(ShellTarget(LocalShell((f"/bin/{name}",), home), content), root, home, content)


def placement(folder: Path, path: str, data: bytes, mode: int = 0o644) -> Placement:
    """A placement whose bytes lie in `folder`."""
    source = folder / hashlib.sha256(path.encode()).hexdigest()
    source.write_bytes(data)
    return Placement(ManifestEntry(path, hashlib.sha256(data).hexdigest(), mode, "", len(data)), str(source))


def ignore(_: int) -> None:
    """Progress that nobody looks at."""
