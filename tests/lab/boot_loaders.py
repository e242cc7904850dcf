"""Boot loaders for tiny guests: the disk has the kernel, and whatever tells the boot loader what to do with it.

    with tiny_guest(tmp_path, booted_by=grub) as board:         # /boot/vmlinuz, /boot/initrd.gz, /boot/grub/grub.cfg
    with tiny_guest(tmp_path, booted_by=syslinux) as board:     # /boot/syslinux/syslinux.cfg

A guest that is booted so has no kexec. Needs no root.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.lab.guest import GuestFiles
from tests.lab.guest_image import add_program, pack

GRUB_FILES = Path("/usr/lib/grub/i386-pc")
GRUB_MODULES = (
    *(
        "biosdisk",
        "part_msdos",
        "ext2",
        "search",
        "search_fs_uuid",
        "search_fs_file",
        "normal",
        "configfile",
        "linux",
        "boot",
    ),
    *("loadenv", "test", "echo", "sleep", "reboot", "serial", "terminal", "gzio"),
)
PLAIN_EXT4 = "none,has_journal,extent,filetype,sparse_super,large_file,dir_index"
"""What every boot loader can read."""
OWN_LINE = "console=ttyS0 panic=-1 kd.own"
GRUB_CFG = f"""\
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${{next_entry}}" ] ; then
   set default="${{next_entry}}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="0"
fi
serial --unit=0 --speed=115200
terminal_output serial
set timeout=0
menuentry 'Own kernel' --id own {{
	linux /boot/vmlinuz {OWN_LINE}
	initrd /boot/initrd.gz
}}
if [ -f  ${{config_directory}}/custom.cfg ]; then
  source ${{config_directory}}/custom.cfg
elif [ -z "${{config_directory}}" -a -f  $prefix/custom.cfg ]; then
  source $prefix/custom.cfg
fi
"""
"""As grub-mkconfig of Debian writes it."""
SYSLINUX_CFG = f"""\
SERIAL 0 115200
DEFAULT own
PROMPT 0
LABEL own
  LINUX /boot/vmlinuz
  INITRD /boot/initrd.gz
  APPEND {OWN_LINE}
""".encode()
SYSLINUX_CODE = Path("/usr/lib/syslinux/mbr/mbr.bin")
START, SIZE = 1 << 20, 126 << 20
CUSTOM_CFG = b"# own\nmenuentry 'Another' {\n\ttrue\n}"


def no_grub() -> str:
    """Why no guest can be booted by GRUB here; empty: one can."""
    missing = [each for each in ("grub-mkimage", "grub-editenv", "mkfs.ext4") if shutil.which(each) is None]
    if not (GRUB_FILES / "boot.img").exists():
        missing.append("GRUB for BIOS (grub-pc-bin)")
    return f"{', '.join(missing)} is not installed" if missing else ""


def grub(files: GuestFiles) -> Sequence[str]:
    """GRUB 2 on a disk of its own, with its configuration in the guest's /boot/grub."""
    place = files.folder / "disk/boot/grub"
    _fill(files, "grub-editenv")
    place.mkdir(parents=True)
    (place / "grub.cfg").write_text(GRUB_CFG)
    (place / "custom.cfg").write_bytes(CUSTOM_CFG)
    _run("grub-editenv", place / "grubenv", "create")
    _make_disk(files)
    first, core, start = (files.folder / each for each in ("grub.img", "core.img", "early.cfg"))
    start.write_text("search --file --set=root /boot/grub/grub.cfg\nset prefix=($root)/boot/grub\n")
    _run("grub-mkimage", "-O", "i386-pc", "-p", "/boot/grub", "-c", start, "-o", core, *GRUB_MODULES)
    first.write_bytes((GRUB_FILES / "boot.img").read_bytes() + core.read_bytes())
    with first.open("r+b") as file:
        file.truncate(4 << 20)
    return ("-drive", f"file={first},if=none,id=first,format=raw", "-device", "ide-hd,drive=first,bootindex=0")


def no_syslinux() -> str:
    """Why no guest can be booted by syslinux here; empty: one can."""
    missing = [each for each in ("syslinux", "mcopy", "mkfs.vfat") if shutil.which(each) is None]
    return f"{', '.join(missing)} is not installed" if missing else ""


def syslinux(files: GuestFiles) -> Sequence[str]:
    """syslinux, which reads what U-Boot reads, with its configuration in the guest's /boot/syslinux."""
    place = files.folder / "disk/boot/syslinux"
    _fill(files)
    place.mkdir(parents=True)
    (place / "syslinux.cfg").write_bytes(SYSLINUX_CFG)
    with _partitioned(files, 0x0C, SYSLINUX_CODE.read_bytes()) as raw:
        _run("mkfs.vfat", "-F", "32", "-h", str(START // 512), "--offset", str(START // 512), raw, str(SIZE // 1024))
        _run("mcopy", "-s", "-i", f"{raw}@@{START}", files.folder / "disk/boot", "::")
        _run("syslinux", "--install", "--offset", str(START), "--directory", "/boot/syslinux", raw)
    return ()


def _fill(files: GuestFiles, *programs: str) -> None:
    """Kernel and initrd as files of the guest's disk; the initrd with further programs, and kexec spoilt."""
    boot, more = files.folder / "disk/boot", files.folder / "more"
    boot.mkdir(parents=True)
    shutil.copy(files.kernel, boot / "vmlinuz")
    for each in programs:
        program = shutil.which(each)
        assert program is not None
        add_program(program, more)
    (more / "sbin").mkdir(parents=True, exist_ok=True)
    (more / "sbin/kexec").touch(0o644)
    pack(more, files.folder / "more.gz")
    (boot / "initrd.gz").write_bytes(files.initrd.read_bytes() + (files.folder / "more.gz").read_bytes())


def _make_disk(files: GuestFiles) -> None:
    words = (
        "-F",
        "-q",
        "-b",
        "4096",
        "-m",
        "0",
        "-O",
        PLAIN_EXT4,
        "-E",
        f"offset={START}",
        "-d",
        files.folder / "disk",
    )
    with _partitioned(files, 0x83) as raw:
        _run("mkfs.ext4", *words, raw, str(SIZE // 4096))


@contextmanager
def _partitioned(files: GuestFiles, kind: int, code: bytes = b"") -> Iterator[Path]:
    """The guest's disk while it is made: one partition, marked as the one to boot from."""
    raw = files.folder / "disk.raw"
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", START // 512, SIZE // 512)
    with raw.open("wb") as file:
        file.write(code.ljust(446, b"\0") + entry + bytes(48) + b"\x55\xaa")
        file.truncate(START + SIZE)
    yield raw
    _run("qemu-img", "convert", "-O", "qcow2", raw, files.disk)
    raw.unlink()


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
