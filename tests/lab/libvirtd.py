"""A libvirtd of a test session's own: a session daemon in a folder in /tmp, as `nobody` where the tests are root."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from xml.sax.saxutils import escape

from kdeploy_gui.model.environment import Environment, Kind
from tests.lab.guest import ADDRESS, BOOT_SECONDS, CMDLINE, GuestFiles, answers, kill, qemu_of
from tests.lab.ports import free_port
from tests.lab.processes import wait_until

if TYPE_CHECKING:
    import libvirt

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def unfit() -> str:
    """Why libvirtd cannot be had here; empty: it can."""
    missing = [each for each in ("libvirtd", "virtlogd") if shutil.which(each, path=_PATH) is None]
    if importlib.util.find_spec("libvirt") is None:
        missing.append("libvirt-python")
    return f"{', '.join(missing)} is not installed" if missing else ""


@dataclass(frozen=True)
class Domain:
    """A defined guest: `port` is where its SSH server answers on loopback."""

    name: str
    port: int
    files: GuestFiles


@dataclass
class Libvirtd:
    """The daemon: `uri` is what kdeploy is told. `kill` and `start` as often as a test wants; guests survive both."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="kdg-")))
    domains: list[Domain] = field(default_factory=list)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _cleanup: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.folder.chmod(0o711)
        (self.folder / "run").mkdir()
        if os.getuid() == 0:
            os.chown(self.folder, *_user())
            os.chown(self.folder / "run", *_user())
        self._cleanup.callback(shutil.rmtree, self.folder)
        self._cleanup.callback(self._end_leftovers)
        self._spawn("virtlogd")
        self._cleanup.callback(self.kill, "virtlogd")
        logs = self.folder / "run/libvirt/virtlogd-sock"
        wait_until(logs.exists, f"virtlogd listens, or libvirtd starts one of its own:\n{self.log}", 60)
        self.start()
        self._cleanup.callback(self._end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / "run/libvirt/libvirt-sock"

    @property
    def uri(self) -> str:
        """The connection URI; libvirt's client starts no daemon for it."""
        return f"qemu:///session?socket={self.socket}"

    @property
    def pid(self) -> int:
        """The daemon's process."""
        return self._processes["libvirtd"].pid

    @property
    def log(self) -> str:
        """What the daemons wrote so far."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.socket.unlink(missing_ok=True)
        process = self._spawn("libvirtd")
        wait_until(lambda: process.poll() is not None or self._is_up(), f"libvirtd answers:\n{self.log}", 60)
        assert process.poll() is None, f"libvirtd ended:\n{self.log}"

    def kill(self, name: str = "libvirtd") -> None:
        """SIGKILL it."""
        process = self._processes.pop(name, None)
        if process is not None:
            process.kill()
            process.wait()

    def pause(self) -> None:
        """Let it hang (SIGSTOP) until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def define(self, name: str, files: GuestFiles, *, cmdline: str = CMDLINE, memory: int = 192) -> Domain:
        """Define a shut-off guest with a port of its own."""
        domain = Domain(name, free_port(), files)
        connection = self.connect()
        try:
            connection.defineXML(domain_xml(domain, cmdline, memory))
        finally:
            connection.close()
        self.domains.append(domain)
        return domain

    def connect(self) -> libvirt.virConnect:
        """A connection of libvirt's own Python module, for tests that look behind kdeploy's back."""
        import libvirt

        libvirt.registerErrorHandler(lambda context, error: None, None)
        return libvirt.open(self.uri)

    def environment(self, domain: Domain) -> Environment:
        """A domain as an environment of kind qemu."""
        plain = domain.files.environment(domain.name, domain.port)
        return replace(plain, kind=Kind.QEMU, uri=self.uri, domain=domain.name)

    def reset(self, domain: Domain) -> None:
        """Shut off by somebody, not dead as another test left it, and without any snapshot that one took."""
        import libvirt

        connection = self.connect()
        known = connection.lookupByName(domain.name)
        if not known.isActive() and known.state()[1] != libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED:
            known.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        if known.isActive():
            known.destroy()
        for each in known.listAllSnapshots():
            each.delete()
        connection.close()

    def qemu(self, domain: Domain) -> int:
        """The process of a running guest."""
        pid = qemu_of(domain.files.disk)
        assert pid, f"{domain.name} does not run"
        return pid

    def wait_for_ssh(self, domain: Domain, seconds: float = BOOT_SECONDS) -> None:
        """Wait until a guest's SSH server answers."""
        wait_until(lambda: answers(domain.port), f"{domain.name} answers", seconds)

    def _end(self) -> None:
        for domain in self.domains:
            if pid := qemu_of(domain.files.disk):
                kill(pid)
        self.kill()

    def _end_leftovers(self) -> None:
        """Whatever a daemon started in this folder that is not known here, such as another virtlogd."""
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (entry / "cwd").readlink() == self.folder:
                    kill(int(entry.name))

    def _is_up(self) -> bool:
        if not self.socket.exists():
            return False
        import libvirt

        try:
            self.connect().close()
        except libvirt.libvirtError:
            return False
        return True

    def _spawn(self, program: str) -> subprocess.Popen[bytes]:
        path = shutil.which(program, path=_PATH)
        assert path is not None, f"install {program}"
        folders = {"XDG_RUNTIME_DIR": "run", "XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "cache", "HOME": "home"}
        environment = {"PATH": _PATH, **{name: str(self.folder / each) for name, each in folders.items()}}
        user, group = _user() if os.getuid() == 0 else (None, None)
        with (self.folder / f"{program}.log").open("ab") as log:
            self._processes[program] = subprocess.Popen(
                [path],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
                umask=0o022,
            )
        return self._processes[program]


def domain_xml(domain: Domain, cmdline: str = CMDLINE, memory: int = 192) -> str:
    """A guest of type qemu (TCG) with user networking, a serial console, a virtio disk and ACPI."""
    files = domain.files
    return f"""<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{domain.name}</name>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{files.kernel}</kernel>
    <initrd>{files.initrd}</initrd>
    <cmdline>{escape(cmdline)}</cmdline>
  </os>
  <features><acpi/></features>
  <on_crash>preserve</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{files.disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <controller type='usb' model='none'/>
    <serial type='pty'/>
    <memballoon model='virtio'><stats period='1'/></memballoon>
    <panic model='isa'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-netdev'/>
    <qemu:arg value='user,id=net0,hostfwd=tcp:{ADDRESS}:{domain.port}-:22'/>
    <qemu:arg value='-device'/>
    <qemu:arg value='virtio-net-pci,netdev=net0,addr=0x10,romfile='/>
  </qemu:commandline>
</domain>
"""


def _user() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid
