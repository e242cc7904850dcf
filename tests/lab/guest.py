"""Tiny guests for tests: real QEMU without KVM (TCG), alone or as domains of a libvirtd of their own.

    with tiny_guest(tmp_path) as guest:                    # QEMU alone, ssh answers
        guest.environment("vm")                            # kind "board": host, port, root, identity file, pinned key
        guest.console()                                    # what its serial line said so far

    def test_it(libvirtd: Libvirtd, guest_files: GuestFiles) -> None:      # fixtures, both per test session
        domain = libvirtd.define("kd-tiny", guest_files)                   # a shut-off domain of type qemu
        libvirtd.environment(domain)                                       # kind "qemu": uri, domain, host, port, key

`kernel`, `cmdline` and `memory` (MiB) boot something else on the same system; /data is a disk that outlives a reboot.
`booted_by` lets a boot loader do that: it may write the guest's disk and returns QEMU's words that start it.
A guest answers about 8 s after power-on on an idle machine; use `BOOT_SECONDS` as the time limit.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from kdeploy_gui.model.environment import Console, Environment
from tests.lab.guest_image import GuestImage, guest_image
from tests.lab.ports import free_port
from tests.lab.processes import is_alive, send_signal, wait_until

BOOT_SECONDS = 180.0
CMDLINE = "console=ttyS0 panic=-1"
LOADED = "tcg,tb-size=32"
"""Where a boot loader writes over memory that had code, QEMU is slow as long as it remembers all of that code."""
ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class GuestFiles:
    """One guest's own disk beside the kernel and initrd that it boots, readable by any user."""

    image: GuestImage
    folder: Path

    @property
    def kernel(self) -> Path:
        """The bzImage of this guest."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initrd of this guest."""
        return self.folder / "initrd.gz"

    @property
    def disk(self) -> Path:
        """Its writable qcow2."""
        return self.folder / "data.qcow2"

    def environment(self, name: str, port: int) -> Environment:
        """The guest as a machine that is reached over SSH."""
        return Environment(
            name=name,
            host=ADDRESS,
            port=port,
            user="root",
            identity_file=str(self.image.identity_file),
            host_keys=(self.image.fingerprint,),
        )


def guest_files(folder: Path) -> GuestFiles:
    """Copy what one guest needs into a new folder; the image is built if it is not there."""
    image = guest_image()
    folder.mkdir(parents=True)
    for each in (image.kernel, image.initrd, image.disk):
        shutil.copy(each, folder)
    (folder / image.disk.name).chmod(0o666)
    folder.chmod(0o777)
    return GuestFiles(image, folder)


@dataclass
class TinyGuest:
    """A running QEMU of ours; its console is a TCP port and a file, its QMP socket is `folder`/qmp."""

    files: GuestFiles
    port: int
    serial: int
    process: subprocess.Popen[bytes]

    @property
    def qmp(self) -> Path:
        """QEMU's monitor socket (QMP)."""
        return self.files.folder / "qmp"

    def console(self) -> str:
        """What the serial line said so far."""
        return (self.files.folder / "console.log").read_text(errors="replace")

    def reset(self) -> None:
        """Press its reset button."""
        with socket.socket(socket.AF_UNIX) as monitor, monitor.makefile("rwb", buffering=0) as lines:
            monitor.connect(str(self.qmp))
            lines.readline()
            for command in ("qmp_capabilities", "system_reset"):
                lines.write(json.dumps({"execute": command}).encode() + b"\n")
                while b'"return"' not in lines.readline():
                    pass

    def environment(self, name: str = "vm") -> Environment:
        """How kdeploy reaches it."""
        console = Console(tcp=f"{ADDRESS}:{self.serial}")
        return replace(self.files.environment(name, self.port), console=console)

    def wait_for_ssh(self, seconds: float = BOOT_SECONDS, greeting: float = 5.0) -> None:
        """Wait until its SSH server answers; `greeting` are the seconds that it may take for that once it listens."""
        wait_until(lambda: self._has_ended() or answers(self.port, greeting), "the guest answers", seconds)
        assert not self._has_ended(), f"qemu ended:\n{(self.files.folder / 'qemu.log').read_text()}{self.console()}"

    def _has_ended(self) -> bool:
        return self.process.poll() is not None


@contextmanager
def tiny_guest(
    folder: Path,
    *,
    kernel: Path | None = None,
    cmdline: str = CMDLINE,
    memory: int = 192,
    cpus: int = 1,
    wait: bool = True,
    booted_by: Callable[[GuestFiles], Sequence[str]] | None = None,
) -> Iterator[TinyGuest]:
    """Boot a guest with QEMU alone, its files below `folder`; it ends with the block."""
    files = guest_files(folder / "guest")
    directly = ("-kernel", str(kernel or files.kernel), "-initrd", str(files.initrd), "-append", cmdline)
    port, serial = free_port(), free_port()
    log_file = files.folder / "console.log"
    command = [
        *(
            "qemu-system-x86_64",
            "-accel",
            LOADED if booted_by is not None else "tcg",
            "-machine",
            "pc",
            "-m",
            str(memory),
            "-smp",
            str(cpus),
        ),
        *("-display", "none", "-nodefaults", "-no-user-config"),
        *(booted_by(files) if booted_by is not None else directly),
        *("-drive", f"file={files.disk},if=virtio,format=qcow2"),
        *("-netdev", f"user,id=net0,hostfwd=tcp:{ADDRESS}:{port}-:22"),
        *("-device", "virtio-net-pci,netdev=net0,romfile="),
        *("-chardev", f"socket,id=serial,host={ADDRESS},port={serial},server=on,wait=off,logfile={log_file}"),
        *("-serial", "chardev:serial", "-qmp", f"unix:{files.folder / 'qmp'},server=on,wait=off"),
    ]
    with (files.folder / "qemu.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    guest = TinyGuest(files, port, serial, process)
    try:
        if wait:
            guest.wait_for_ssh()
        yield guest
    finally:
        process.kill()
        process.wait()


def answers(port: int, greeting: float = 5.0) -> bool:
    """Whether an SSH server greets on a port; QEMU itself accepts connections before the guest does."""
    with suppress(OSError), socket.create_connection((ADDRESS, port), timeout=2) as connection:
        connection.settimeout(greeting)
        return connection.recv(4) == b"SSH-"
    return False


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process; after SIGKILL wait until it is gone."""
    send_signal(pid, number)
    if number is signal.SIGKILL:
        wait_until(lambda: not is_alive(pid), f"process {pid} is gone")


def qemu_of(disk: Path) -> int:
    """The process of the QEMU that has a disk open; 0 if there is none."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"qemu-system" in words[0] and any(str(disk).encode() in word for word in words):
                return int(entry.name)
    return 0
