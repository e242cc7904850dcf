"""Facts out of what `facts.sh` says."""

from __future__ import annotations

import math
import re
import stat
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from posixpath import join

from kdeploy_gui.environments.shell_answers import in_bounds
from kdeploy_gui.environments.shell_health import health_in
from kdeploy_gui.errors import Evidence, TargetError
from kdeploy_gui.model.abi import HEADER, Abi
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.facts import Disk, Facts, FactsQuery, Folder, Parent, Presence
from kdeploy_gui.model.files import FileKind

_DF = re.compile(r"\s(\d{1,18})\s+(\d{1,18})\s+(\d{1,18})\s+(?:\d+%|-)\s+(/.*)$")
_FRAMES = ("tool", "disk", "inodes", "loader", "program", "emulated", "option")
_STILL = ("machine", "uid", "gid", "user", "group", "notes", "userland")
"""What does not change in a boot, and what programs have to be started for."""
_BOOT_ID = 64
"""Characters that the name of a boot has at most; the kernel's have 36."""
_BUILD_ID = 3
"""NT_GNU_BUILD_ID: elf.h."""
_ESCAPE = re.compile(r"\\([0-7]{3})")
_KINDS = {stat.S_IFDIR: FileKind.FOLDER, stat.S_IFLNK: FileKind.SYMLINK, stat.S_IFREG: FileKind.FILE}


def asked(query: FactsQuery) -> str:
    """What `facts.sh` reads from its stdin."""
    steps = dict.fromkeys(step for folder in query.folders for step in _way(folder))
    lines = {"option": query.options, "program": query.programs, "step": steps, "folder": query.folders}
    words = "".join(f"{kind}\t{each}\n" for kind, wanted in lines.items() for each in wanted)
    return f"{words}health\t\n" if query.health else words


@dataclass(slots=True)
class Unmoving:
    """What a machine said that stays as it is in one boot; `facts.sh` leaves it out, and says `still`."""

    boot_id: str = ""
    lines: str = ""

    def hear(self, done: Completed, facts: Facts) -> None:
        """Keep that of an answer of another boot, where it is there to its end and makes sense."""
        is_sound = done.status == 0 and facts.machine and facts.uid >= 0 and len(facts.boot_id) <= _BOOT_ID
        if is_sound and facts.boot_id != self.boot_id:
            kept = (line for line in done.text.split("\n") if line.partition("\t")[0] in _STILL)
            self.boot_id, self.lines = facts.boot_id, "".join(f"{line}\n" for line in kept)

    def completed(self, said: str) -> str:
        """An answer with what it left out. Raises ValueError where nobody let it do so."""
        _, still, boot_id = said.partition("\nstill\t")
        if not still:
            return said
        if not self.boot_id or boot_id.partition("\n")[0] != self.boot_id:
            raise ValueError("it leaves out what it never told")
        return self.lines + said


def parse_facts(done: Completed, now: float, bound: int = sys.maxsize, unmoving: Unmoving | None = None) -> Facts:
    """Facts from the output of `facts.sh`; `now` is the workstation's time (s) in the middle of the way there and back,
    which ends with the first bytes of the answer.

    An answer of more than `bound` bytes is none. It may leave out what is `unmoving`.

    Raises TargetError E-SHELL where the answer is not that of a POSIX shell.
    """
    try:
        found = _facts((unmoving or Unmoving()).completed(in_bounds(done, bound)), now)
    except (ValueError, OverflowError) as nonsense:
        raise _no_shell(done, f"the machine's facts make no sense: {nonsense}") from nonsense
    if found is None:
        raise _no_shell(done, "the machine did not answer as a POSIX shell does")
    return found


def _no_shell(done: Completed, message: str) -> TargetError:
    evidence = Evidence("facts", done.status, done.error_text)
    return TargetError("E-SHELL", message, on_target="Nothing was changed.", evidence=evidence)


def _facts(text: str, now: float) -> Facts | None:
    said: dict[str, str] = {}
    frames: dict[str, dict[str, str]] = {key: {} for key in _FRAMES}
    for line in text.split("\n"):
        key, _, value = line.partition("\t")
        name, _, rest = value.partition("\t")
        if key in frames:
            frames[key][name] = rest
        else:
            said[key] = value
    if not said.get("kernel_release") or not said.get("home"):
        return None
    clock = _number(said.get("clock", ""))
    return Facts(
        kernel_release=said["kernel_release"],
        kernel_build=said.get("kernel_build", ""),
        kernel_build_id=build_id(said.get("notes", "")),
        machine=said.get("machine", ""),
        boot_id=said.get("boot_id", ""),
        os_id=said.get("os_id", ""),
        os_version=said.get("os_version", ""),
        os_name=said.get("os_name", ""),
        memory_total=int(_number(said.get("memory_total_kib", ""))) * 1024,
        memory_available=int(_number(said.get("memory_available_kib", ""))) * 1024,
        load=_number(said.get("load", "")),
        uptime=_number(said.get("uptime", "")),
        clock_skew=round(clock + 0.5 - now, 1) if clock else 0.0,
        uid=int(_number(said.get("uid", ""), -1)),
        user=said.get("user", ""),
        group=said.get("group", ""),
        home=said["home"],
        gid=int(_number(said.get("gid", ""), -1)),
        package_manager=said.get("package_manager", ""),
        tools=frames["tool"],
        disks={path: _disk(line, frames["inodes"].get(path, "")) for path, line in frames["disk"].items()},
        userland=_abi(said.get("userland", "")),
        emulated=tuple(each for magic in frames["emulated"] if (each := _abi(magic)) is not None),
        loaders=tuple(frames["loader"]),
        programs={path: Presence(word) for path, word in frames["program"].items()},
        folders=folders_in(text),
        health=health_in(text),
        options=frozenset(frames["option"]) - {""} if "" in frames["option"] else None,
    )


def _number(text: str, otherwise: float = 0.0) -> float:
    try:
        number = float(text.split()[0])
    except (ValueError, IndexError):
        return otherwise
    return number if math.isfinite(number) else otherwise


def _disk(space: str, inodes: str) -> Disk:
    blocks, nodes = _DF.search(space), _DF.search(inodes)
    if blocks is None:
        return Disk(0, 0)
    return Disk(
        free_bytes=int(blocks[3]) * 1024,
        total_bytes=int(blocks[1]) * 1024,
        free_inodes=int(nodes[3]) if nodes and int(nodes[1]) else None,
        mount=blocks[4],
    )


def build_id(notes: str) -> str:
    """The GNU build id in the notes of an ELF file in hexadecimal; empty: there is none. Either byte order."""
    try:
        data = bytes.fromhex(notes)
    except ValueError:
        return ""
    for order in ("<", ">"):
        at = 0
        while at + 12 <= len(data):
            name_size, size, kind = struct.unpack_from(f"{order}III", data, at)
            start = at + 12 + -(-name_size // 4) * 4
            if kind == _BUILD_ID and data[at + 12 : at + 12 + name_size] == b"GNU\0":
                return data[start : start + size].hex()
            at = start + -(-size // 4) * 4
    return ""


def _abi(header: str) -> Abi | None:
    """From the start of an ELF file in hexadecimal."""
    try:
        return Abi.of(bytes.fromhex(header).ljust(HEADER, b"\0"))
    except ValueError:
        return None


@dataclass
class _Measured:
    """File systems that were measured by one command, which tells them in the order in which they were asked for."""

    lines: dict[str, list[str]] = field(default_factory=lambda: {"at": [], "space": [], "nodes": []})

    def disks(self) -> Iterator[tuple[str, Disk]]:
        """By place; none where a line is missing, so that no place gets another's."""
        at, space, nodes = self.lines.values()
        if len(at) == len(space):
            inodes = nodes if len(nodes) == len(at) else [""] * len(at)
            for place, blocks, left in zip(at, space, inodes, strict=True):
                if _DF.search(blocks):
                    yield place, _disk(blocks, left)


@dataclass
class _Ground:
    """Lines about folders, as they come."""

    folders: dict[str, None] = field(default_factory=dict)
    steps: dict[str, Parent] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    reals: dict[str, str] = field(default_factory=dict)
    measured: list[_Measured] = field(default_factory=list)
    mounts: list[tuple[str, str]] = field(default_factory=list)

    def hear(self, line: str) -> None:
        match line.split("\t"):
            case ["folder", path]:
                self.folders[path] = None
            case ["s", mode, uid, gid, path]:
                bits = int(mode, 16)
                kind = _KINDS.get(stat.S_IFMT(bits), FileKind.OTHER)
                self.steps[path] = Parent(path, kind, int(uid), int(gid), stat.S_IMODE(bits))
            case ["link", led, path]:
                self.links[path] = led
            case ["real", place, real]:
                self.reals[place] = real
            case ["df", _]:
                self.measured.append(_Measured())
            case ["at" | "space" | "nodes" as what, said] if self.measured:
                self.measured[-1].lines[what].append(said)
            case ["mount", flags, path]:
                self.mounts.append((_ESCAPE.sub(lambda found: chr(int(found[1], 8)), path), flags))
            case _:
                pass

    def folder(self, path: str, disks: Mapping[str, Disk]) -> Folder:
        nearest = next((each for each in reversed(_way(path)) if each in self.reals), "")
        if not nearest:
            return Folder(path, path, self._parents(path))
        base = self.reals[nearest]
        real = join(base, path[len(nearest) :].lstrip("/")).rstrip("/") or "/"
        mount, flags = self._mount(real)
        return Folder(
            path=path,
            real=real,
            parents=tuple(dict.fromkeys((*self._parents(path), *self._parents(real)))),
            disk=disks.get(base),
            mount=mount,
            read_only=flags.startswith("ro"),
            noexec=flags.endswith("noexec"),
        )

    def _parents(self, path: str) -> tuple[Parent, ...]:
        steps = (self.steps[each] for each in _way(path) if each in self.steps)
        return tuple(
            replace(each, leads_to=self.links[each.path]) if each.path in self.links else each for each in steps
        )

    def _mount(self, real: str) -> tuple[str, str]:
        """The mount point that holds a path, and its flags; of equal ones the last hides the others.

        In a chroot the root may be none that is told.
        """
        found = ("/", "")
        for path, flags in self.mounts:
            if len(path) >= len(found[0]) and (real == path or real.startswith(path.rstrip("/") + "/")):
                found = (path, flags)
        return found


def folders_in(text: str) -> Mapping[str, Folder]:
    """Folders by path. Raises ValueError where a line makes no sense."""
    ground = _Ground()
    for line in text.split("\n"):
        ground.hear(line)
    disks = {real: disk for each in ground.measured for real, disk in each.disks()}
    return {path: ground.folder(path, disks) for path in ground.folders}


def _way(path: str) -> list[str]:
    """`/`, `/a`, `/a/b` of `/a/b`; `~`, `~/a` of `~/a`."""
    top, _, rest = path.partition("/")
    parts = [each for each in rest.split("/") if each]
    return [f"{top}/{'/'.join(parts[:count])}".rstrip("/") or "/" for count in range(len(parts) + 1)]
