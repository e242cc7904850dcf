"""The configuration file of syz-manager. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kdeploy_gui.errors import PlanError
from kdeploy_gui.model.environment import Environment, Kernel, Kind
from kdeploy_gui.model.fuzzing import FuzzRequest
from kdeploy_gui.model.problem import did_you_mean

Json = Mapping[str, object]
MARK = "kdeploy:"
"""Begins the `tag` of a file that kdeploy wrote; a digest of all else follows, so that changes of others show."""
EMULATED = "-accel tcg -cpu max"
QEMU, ISOLATED = "qemu", "isolated"
_ARCHITECTURES = (
    (r"x86_64|amd64", "amd64", "x86_64"),
    (r"i[3-6]86|386", "386", "i386"),
    (r"aarch64|arm64", "arm64", "aarch64"),
    (r"armv?[5-8]?l?|arm", "arm", "arm"),
    (r"riscv64", "riscv64", "riscv64"),
    (r"ppc64le", "ppc64le", "ppc64"),
    (r"s390x", "s390x", "s390x"),
    (r"mips64(el|le)?", "mips64le", "mips64el"),
)
_TARGET_DIR = re.compile(r"/[\w./+-]*[\w+-]", re.ASCII)


def architecture(machine: str) -> tuple[str, str]:
    """syzkaller's word for a machine, and the one in the name of its QEMU. Raises PlanError E-SYZ-ARCH."""
    for pattern, word, qemu in _ARCHITECTURES:
        if re.fullmatch(pattern, machine):
            return word, qemu
    known = ", ".join(word for _, word, _ in _ARCHITECTURES)
    raise PlanError("E-SYZ-ARCH", f"'{machine}' is no architecture that syzkaller fuzzes; it knows {known}")


def check_way(environments: Sequence[Environment], request: FuzzRequest) -> str:
    """The type of set-up that leads to these machines. Raises PlanError where syz-manager cannot take it."""
    guests = [each for each in environments if each.kind is Kind.QEMU]
    if guests:
        _check_guest(environments, request)
        return QEMU
    ways = {(each.user, each.identity_file) for each in environments}
    if len(ways) > 1:
        message = "one set-up has one user and one key for all machines, and those in the lab file differ"
        raise PlanError("E-SYZ-MIX", message)
    for each in environments:
        if each.jump or ":" in each.host:
            why = "behind a jump host" if each.jump else "an IPv6 address"
            raise PlanError("E-SYZ-WAY", f"syz-manager cannot reach {each.name}: it is {why}")
    if not _TARGET_DIR.fullmatch(request.target_dir):
        message = f"'{request.target_dir}' cannot be the folder on the machines: it must be a plain absolute path"
        raise PlanError("E-SYZ-WAY", message)
    return ISOLATED


def _check_guest(environments: Sequence[Environment], request: FuzzRequest) -> None:
    if len(environments) > 1:
        names = ", ".join(each.name for each in environments)
        message = (
            f"a guest is fuzzed in a set-up of its own: {names} cannot share one; --count makes several of one guest"
        )
        raise PlanError("E-SYZ-MIX", message)
    if request.image is None:
        message = f"no disk image is named for {environments[0].name}: syz-manager boots guests of its own from one"
        raise PlanError("E-SYZ-IMAGE", message)


def kernel_of(environment: Environment, request: FuzzRequest) -> Kernel | None:
    """The kernel of the lab file that shall be fuzzed; None: that of the image. Raises PlanError E-SYZ-KERNEL."""
    if not request.kernel:
        return None
    found = next((each for each in environment.kernels if each.name == request.kernel), None)
    if found is None:
        known = [each.name for each in environment.kernels]
        message = f"{environment.name} has no kernel '{request.kernel}'{did_you_mean(request.kernel, known)}"
        raise PlanError("E-SYZ-KERNEL", message, name=environment.name)
    return found


def key_of(environment: Environment) -> str:
    """The path of its key, absolute; empty: the lab file names none."""
    return str(Path(environment.identity_file).expanduser().absolute()) if environment.identity_file else ""


def configuration(
    kind: str, environments: Sequence[Environment], request: FuzzRequest, machine: str, syzkaller: Path, kvm: bool
) -> str:
    """The file's text: JSON with the fields that syz-manager knows; it refuses all others."""
    first = environments[0]
    word, _ = architecture(machine)
    optional = {
        "kernel_obj": str(request.kernel_obj.absolute()) if request.kernel_obj else "",
        "image": str(request.image.absolute()) if request.image and kind == QEMU else "",
        "sshkey": key_of(first),
    }
    content: Json = {
        "name": "-".join(each.name for each in environments)[:60],
        "target": f"linux/{word}",
        "http": request.http,
        "workdir": str(request.workdir.absolute()),
        **{name: value for name, value in optional.items() if value},
        "ssh_user": first.user,
        "syzkaller": str(syzkaller),
        "procs": request.procs,
        "sandbox": request.sandbox.value,
        "cover": request.cover,
        "reproduce": True,
        "type": kind,
        "vm": _guest(first, request, word, kvm) if kind == QEMU else _boards(environments, request),
    }
    return json.dumps({**content, "tag": f"{MARK}{_digest(content)}"}, indent="\t") + "\n"


def _guest(environment: Environment, request: FuzzRequest, word: str, kvm: bool) -> Json:
    kernel = kernel_of(environment, request)
    booted = {} if kernel is None else {"kernel": kernel.image, "initrd": kernel.initrd, "cmdline": kernel.cmdline}
    emulated = {"qemu_args": EMULATED} if word == "amd64" and not kvm else {}
    figures = {"count": request.count, "cpu": request.cores, "mem": request.memory}
    return {**figures, **emulated, **{name: value for name, value in booted.items() if value}}


def _boards(environments: Sequence[Environment], request: FuzzRequest) -> Json:
    return {
        "targets": [f"{each.host}:{each.port}" for each in environments],
        "target_dir": request.target_dir,
        "target_reboot": request.reboot,
    }


def is_ours(text: str) -> bool:
    """Whether a file is as kdeploy wrote it."""
    try:
        content = json.loads(text)
    except ValueError:
        return False
    if not isinstance(content, dict):
        return False
    tag = content.pop("tag", "")
    return bool(tag == f"{MARK}{_digest(content)}")


def _digest(content: Json) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
