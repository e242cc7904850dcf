"""The `Fuzzer` port: what syzkaller needs of this workstation, and syz-manager's own test of a set-up."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import signal
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from kdeploy_gui import defaults
from kdeploy_gui.errors import Evidence, LocalError, PlanError
from kdeploy_gui.instruments.syz_config import (
    QEMU,
    architecture,
    check_way,
    configuration,
    is_ours,
    kernel_of,
    key_of,
)
from kdeploy_gui.instruments.vmlinux import read_build
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.fuzzing import FuzzRequest, KernelBuild, Precondition, SmokeTest

MANAGER = "syz-manager"
BUILT = "build it: `make` in syzkaller's source, with Go 1.23 or newer, and name that folder with --syzkaller"
KVM = Path("/dev/kvm")
KEY_TIMEOUT = 10.0
_TAIL = 8000


class Syzkaller:
    """See `Fuzzer`."""

    def way(self, environments: Sequence[Environment], request: FuzzRequest) -> str:
        """See `Fuzzer.way`."""
        kind = check_way(environments, request)
        kernel_of(environments[0], request)
        return kind

    def place(self, request: FuzzRequest) -> Path:
        """See `Fuzzer.place`."""
        if request.syzkaller is not None:
            return request.syzkaller.absolute()
        found = shutil.which(MANAGER)
        if found is None:
            message = f"no folder of syzkaller is named, and {MANAGER} is not in PATH"
            raise PlanError("E-SYZ-PROGRAM", message)
        return Path(found).resolve().parent.parent

    def is_ours(self, text: str) -> bool:
        """See `Fuzzer.is_ours`."""
        return is_ours(text)

    def configuration(self, environments: Sequence[Environment], request: FuzzRequest, machine: str) -> str:
        """See `Fuzzer.configuration`."""
        kind, place = check_way(environments, request), self.place(request)
        return configuration(kind, environments, request, machine, place, _has_kvm(machine))

    def build(self, request: FuzzRequest) -> KernelBuild | None:
        """See `Fuzzer.build`."""
        return read_build(request.kernel_obj) if request.kernel_obj is not None else None

    async def here(
        self, environments: Sequence[Environment], request: FuzzRequest, machine: str
    ) -> tuple[Precondition, ...]:
        """See `Fuzzer.here`."""
        word, emulator = architecture(machine)
        found = [*_programs(self.place(request), word), await _key(key_of(environments[0]))]
        if check_way(environments, request) == QEMU:
            found += _guest(environments[0], request, emulator, machine)
        return tuple(found)

    async def smoke(self, config: Path, syzkaller: Path, seconds: float, output: Callable[[bytes], None]) -> SmokeTest:
        """See `Fuzzer.smoke`."""
        words = (str(syzkaller / "bin" / MANAGER), "-config", str(config), "-mode", "smoke-test")
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=pipe,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            evidence = Evidence(" ".join(words))
            raise LocalError("E-SYZ-SMOKE", f"{words[0]} cannot be run: {error.strerror}", evidence=evidence) from error
        began, said = time.monotonic(), bytearray()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await _listen(process, said, output)
            status = process.returncode
        finally:
            await _end(process)
        end = bytes(said).decode(errors="replace").strip()
        return SmokeTest(None if status is None else status == 0, status, time.monotonic() - began, end)


async def _listen(process: asyncio.subprocess.Process, said: bytearray, output: Callable[[bytes], None]) -> None:
    if process.stdout is None:
        raise RuntimeError(f"{MANAGER} was started without a pipe")
    while block := await process.stdout.read(defaults.CHUNK):
        said += block
        del said[:-_TAIL]
        output(block)
    await process.wait()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a manager with its guests: INT, with which it takes them down, then KILL, also where this is cancelled."""
    try:
        await _asked(process, signal.SIGINT)
    finally:
        await _asked(process, signal.SIGKILL)


async def _asked(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    with suppress(TimeoutError):
        async with asyncio.timeout(defaults.CANCEL_GRACE):
            await process.communicate()


def _programs(place: Path, word: str) -> Iterator[Precondition]:
    for name in (MANAGER, f"linux_{word}/syz-execprog", f"linux_{word}/syz-executor"):
        path = place / "bin" / name
        there = os.access(path, os.X_OK) and path.is_file()
        text = str(path) if there else f"{path} is not there, or nobody may run it"
        yield Precondition(subject=Path(name).name, met=there, text=text, remedy="" if there else BUILT)


async def _key(path: str) -> Precondition:
    """Whether ssh takes the key as syz-manager runs it: nobody is there to type a passphrase."""
    subject = "ssh key"
    if not path:
        text, remedy = "the lab file names no key file", "write `identity_file` of the machine into the lab file"
        return Precondition(subject=subject, met=False, text=text, remedy=remedy)
    try:
        mode = stat.S_IMODE((await asyncio.to_thread(os.stat, path)).st_mode)
    except OSError as error:
        remedy = "correct `identity_file` in the lab file"
        return Precondition(subject=subject, met=False, text=f"{path}: {error.strerror}", remedy=remedy)
    if mode & 0o077:
        text = f"{path} can be read by others (mode {mode:04o}): syz-manager refuses it"
        return Precondition(subject=subject, met=False, text=text, remedy=f"chmod 600 {path}")
    opened = await _opens(path)
    text = {
        True: path,
        False: f"{path} is no private key that opens without a passphrase",
        None: f"{path} is there; whether it opens without a passphrase cannot be told without ssh-keygen",
    }[opened]
    remedy = "use a key without passphrase that is for this lab alone" if opened is False else ""
    return Precondition(subject=subject, met=opened, text=text, remedy=remedy)


async def _opens(path: str) -> bool | None:
    """Whether a key opens without a passphrase; its public half goes nowhere."""
    null = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *("ssh-keygen", "-y", "-P", "", "-f", path), stdin=null, stdout=null, stderr=null
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(KEY_TIMEOUT):
            return await process.wait() == 0
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()


def _guest(environment: Environment, request: FuzzRequest, emulator: str, machine: str) -> Iterator[Precondition]:
    kernel = kernel_of(environment, request)
    files = {
        "disk image": str(request.image),
        "kernel": kernel.image if kernel else "",
        "initrd": kernel.initrd if kernel else "",
    }
    for subject, path in files.items():
        if path:
            there = os.access(path, os.R_OK)
            text = path if there else f"{path} cannot be read on this workstation, where syz-manager boots its guests"
            yield Precondition(subject=subject, met=there, text=text, remedy="" if there else "copy it here")
    program = f"qemu-system-{emulator}"
    found = shutil.which(program)
    remedy = "" if found else f"install {program}"
    yield Precondition(subject="QEMU", met=found is not None, text=found or f"{program} is not in PATH", remedy=remedy)
    kvm = _has_kvm(machine)
    text = str(KVM) if kvm else f"{KVM} cannot be used for {machine} here: guests are emulated, ten times as slow"
    yield Precondition(subject="KVM", met=kvm, text=text, required=False, remedy="" if kvm else _kvm_remedy(machine))
    yield _memory(request)


def _has_kvm(machine: str) -> bool:
    return architecture(machine) == architecture(platform.machine()) and os.access(KVM, os.R_OK | os.W_OK)


def _kvm_remedy(machine: str) -> str:
    same = architecture(machine) == architecture(platform.machine())
    return (
        "switch virtualisation on, and join the group of /dev/kvm" if same else f"use a workstation that is {machine}"
    )


def _memory(request: FuzzRequest) -> Precondition:
    needed = request.memory * request.count * 2**20
    free = _available()
    text = f"{size(needed)} for guests" + (f", {size(free)} available here" if free is not None else "")
    met = None if free is None else free >= needed
    remedy = "lower --memory or --count" if met is False else ""
    return Precondition(subject="memory", met=met, text=text, remedy=remedy)


def _available() -> int | None:
    """Bytes of memory that programs can have here; None: the kernel does not tell."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None
