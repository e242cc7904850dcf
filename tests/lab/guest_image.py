"""What a tiny guest boots: busybox and OpenSSH in a cpio, the kernel that Debian or Ubuntu has for guests.

Built once and kept below ~/.cache/kdeploy-lab (`KDEPLOY_LAB_CACHE`), by the hash of its recipe. Needs no root.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import inspect
import lzma
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import asyncssh

from tests.lab.debian import CACHE
from tests.lab.sshd import sshd_program

KERNEL_PACKAGES = ("linux-image-cloud-amd64", "linux-image-virtual")
MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_balloon",
    "virtio_rng",
    "virtio_console",
    "button",
    "evdev",
    "pvpanic_mmio",
    "ramoops",
    "vfat",
    "nls_cp437",
    "nls_ascii",
)
DISK_MEBIBYTES = 256
FILES = {
    "init": """#!/bin/sh
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
mkdir -p /dev/pts /proc /sys /tmp /run/sshd /data
mount -t devpts devpts /dev/pts
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t debugfs debug /sys/kernel/debug 2>/dev/null
for module in $(cat /etc/modules); do modprobe "$module" 2>/dev/null; done
hostname tiny
grep -qw kd.panic /proc/cmdline && echo c >/proc/sysrq-trigger
ip link set lo up
ip link set eth0 up && ip address add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2
for disk in /dev/vda1 /dev/vda; do
    [ -b $disk ] && { mount -t ext4 $disk /data || mount -t vfat $disk /data; } && break
done
[ ! -d /data/boot ] || { mkdir /boot && mount --bind /data/boot /boot; }
mkdir -p /data/root
chmod 700 /data/root
acpid -l /dev/null 2>/dev/null
cp -r /etc/login/.ssh /data/root/ && chmod 700 /data/root/.ssh
/usr/sbin/sshd -E /tmp/sshd.log
echo "tiny guest is up: $(uname -r)"
while :; do setsid sh -c 'exec sh -i </dev/ttyS0 >/dev/ttyS0 2>&1'; done
""",
    "etc/passwd": "root:x:0:0:root:/data/root:/bin/sh\nsshd:x:74:74::/run/sshd:/bin/false\n",
    "etc/group": "root:x:0:\nsshd:x:74:\n",
    "etc/shadow": "root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n",
    "etc/shells": "/bin/sh\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
    "etc/os-release": 'ID=tiny\nPRETTY_NAME="Tiny guest"\n',
    "etc/modules": " ".join(MODULES) + "\n",
    "etc/acpi/PWRF/00000080": "#!/bin/sh\nsync\numount /data || mount -o remount,ro /data\npoweroff -f\n",
    "bin/reboot": "#!/bin/sh\nsync\nmount -o remount,ro /data\nexec busybox reboot -f\n",
    "etc/ssh/sshd_config": "Port 22\nHostKey /etc/ssh/host_ed25519\nPermitRootLogin prohibit-password\nUsePAM no\n"
    "StrictModes no\nUseDNS no\nPrintMotd no\nMaxStartups 1000:30:2000\nSubsystem sftp /usr/lib/openssh/sftp-server\n",
}
"""What the guest holds besides programs; `kd.panic` on its command line lets it panic, /data/boot is its /boot.

A power-off through busybox's init does not exist: `poweroff -f`.
"""
_LIBRARY = re.compile(r"(/\S+) \(0x")
_HELPERS = ("/usr/lib/openssh/sshd-session", "/usr/lib/openssh/sshd-auth", "/usr/lib/openssh/sftp-server")


@dataclass(frozen=True)
class GuestImage:
    """A built image: all paths are files that nobody changes."""

    folder: Path
    release: str

    @property
    def kernel(self) -> Path:
        """The bzImage."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The gzip'd cpio."""
        return self.folder / "initrd.gz"

    @property
    def disk(self) -> Path:
        """A qcow2 image with an empty ext4, to be copied; mounted at /data, where root's home is, too."""
        return self.folder / "data.qcow2"

    @property
    def identity_file(self) -> Path:
        """The private key that root logs in with."""
        return self.folder / "identity"

    @property
    def fingerprint(self) -> str:
        """The host key to pin."""
        return asyncssh.read_private_key(self.folder / "host_ed25519").get_fingerprint()


def unfit() -> str:
    """Why no guest can be had here; empty: one can."""
    needed = ("qemu-system-x86_64", "qemu-img", "busybox", "dpkg", "apt-get", "mkfs.ext4")
    missing = [each for each in needed if shutil.which(each, path="/usr/bin:/bin:/usr/sbin:/sbin") is None]
    if sshd_program() is None:
        missing.append("sshd")
    return f"{', '.join(missing)} is not installed" if missing else ""


def guest_image() -> GuestImage:
    """The image; built where it is not there, which takes some seconds and needs the package sources of apt."""
    key = _recipe()
    place = CACHE / f"guest-{key}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "guest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            waiting = Path(tempfile.mkdtemp(prefix=".guest.", dir=CACHE))
            try:
                _build(waiting)
                waiting.rename(place)
            finally:
                shutil.rmtree(waiting, ignore_errors=True)
    return GuestImage(place, (place / "release").read_text())


@cache
def _recipe() -> str:
    digest = hashlib.sha256(inspect.getsource(sys.modules[__name__]).encode())
    for program in _programs():
        digest.update(Path(program).read_bytes())
    return digest.hexdigest()[:16]


def _programs() -> list[str]:
    busybox, sshd = shutil.which("busybox"), sshd_program()
    assert busybox is not None, "install busybox"
    assert sshd is not None, "install openssh-server"
    return [busybox, sshd, *(each for each in _HELPERS if Path(each).exists())]


def _build(folder: Path) -> None:
    unpacked, root = folder / "package", folder / "root"
    _fetch_kernel(folder / "downloads", unpacked)
    kernel = next((unpacked / "boot").glob("vmlinuz-*"))
    release = kernel.name.partition("-")[2]
    shutil.copy(kernel, folder / "vmlinuz")
    (folder / "vmlinuz").chmod(0o644)
    (folder / "release").write_text(release)
    for program in _programs():
        add_program(program, root)
    _add_kexec(unpacked, root)
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)
    _add_keys(folder, root)
    _add_modules(unpacked, root, release)
    pack(root, folder / "initrd.gz")
    _make_disk(folder / "data.qcow2")
    for each in ("downloads", "package", "root"):
        shutil.rmtree(folder / each)
    folder.chmod(0o755)


def _fetch_kernel(downloads: Path, unpacked: Path) -> None:
    downloads.mkdir()
    said = "".join(_run("apt-cache", "depends", each, check=False) for each in KERNEL_PACKAGES)
    image = next(iter(re.findall(r"Depends: (linux-image-\S+)", said)), "")
    assert image, f"apt knows none of {', '.join(KERNEL_PACKAGES)}: run apt-get update"
    modules = re.findall(r"Depends: (linux-modules-\S+)", _run("apt-cache", "depends", image))
    words = ("--recurse", "--important", "kexec-tools")
    kexec = re.findall(r"^(kexec-tools|libxen\S+)$", _run("apt-cache", "depends", *words), re.MULTILINE)
    _run("apt-get", "download", "-q", image, *modules, *dict.fromkeys(kexec), folder=downloads)
    for package in sorted(downloads.glob("*.deb")):
        _run("dpkg", "-x", str(package), str(unpacked))


def _add_kexec(unpacked: Path, root: Path) -> None:
    """kexec-tools, with libraries that this machine need not have."""
    folder = str(next(unpacked.glob("usr/lib/*-linux-gnu"), unpacked))
    libraries = _LIBRARY.findall(_run("ldd", str(next(unpacked.glob("**/sbin/kexec"))), LD_LIBRARY_PATH=folder))
    place = root / "sbin/kexec"
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(next(unpacked.glob("**/sbin/kexec")), place)
    for path in libraries:
        place = root / path.removeprefix(str(unpacked)).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)


def add_program(program: str, root: Path) -> None:
    """Put a program with its libraries below the root of an image."""
    libraries = _LIBRARY.findall(_run("ldd", program, check=False))
    for path in (program, *libraries):
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    if Path(program).name == "busybox":
        (root / "bin").mkdir(exist_ok=True)
        for applet in _run(program, "--list").split():
            if applet not in {"busybox", "init", "reboot"}:
                (root / "bin" / applet).symlink_to(program)


def _add_keys(folder: Path, root: Path) -> None:
    for name in ("identity", "host_ed25519"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / name)
        (folder / name).chmod(0o600)
        key.write_public_key(folder / f"{name}.pub")
    shutil.copy(folder / "host_ed25519", root / "etc/ssh/host_ed25519")
    login = root / "etc/login/.ssh"
    login.mkdir(parents=True, mode=0o700)
    shutil.copy(folder / "identity.pub", login / "authorized_keys")


def _add_modules(unpacked: Path, root: Path, release: str) -> None:
    modules = next(unpacked.glob(f"**/modules/{release}"))
    for packed in modules.glob("**/*.ko.xz"):
        packed.with_suffix("").write_bytes(lzma.decompress(packed.read_bytes()))
    index = _dependencies(unpacked, modules, release)
    wanted = [path for name in MODULES for path in _closure(name, index)]
    for path in wanted:
        place = root / "lib/modules" / release / path
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(modules / path, place)
    lines = (f"{path}: {' '.join(index[path])}\n" for path in dict.fromkeys(wanted))
    (root / "lib/modules" / release / "modules.dep").write_text("".join(lines)) if wanted else None


def _dependencies(unpacked: Path, modules: Path, release: str) -> dict[str, list[str]]:
    """Needed modules by module, paths in the modules' folder; what is built in is not there."""
    base = modules.parents[2]
    _run("busybox", "depmod", "-b", str(base), release)
    lines = (modules / "modules.dep").read_text().splitlines()
    return {path: needed.split() for path, _, needed in (line.partition(":") for line in lines)}


def _closure(name: str, index: dict[str, list[str]]) -> Iterable[str]:
    found = next((path for path in index if Path(path).stem.replace("-", "_") == name), None)
    return [] if found is None else [*index[found], found]


def pack(root: Path, place: Path) -> None:
    """Make a gzip'd cpio of a folder. The kernel unpacks several of them, one after the other in a file."""
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    done = subprocess.run(
        ["busybox", "cpio", "-o", "-H", "newc", "-R", "0:0"],
        cwd=root,
        input=names.encode(),
        capture_output=True,
        check=True,
    )
    place.write_bytes(gzip.compress(done.stdout, mtime=0))


def _make_disk(place: Path) -> None:
    raw = place.with_suffix(".raw")
    with raw.open("wb") as file:
        file.truncate(DISK_MEBIBYTES << 20)
    _run("mkfs.ext4", "-q", "-m", "0", "-E", "root_owner=0:0", str(raw))
    _run("qemu-img", "convert", "-O", "qcow2", str(raw), str(place))
    raw.unlink()


def _run(*command: str, folder: Path | None = None, check: bool = True, **variables: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "HOME": str(Path.home()), **variables},
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
