"""Where files go: roots, names, the folders on the way, mounts and room. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from posixpath import dirname

from kdeploy_gui import defaults
from kdeploy_gui.errors import KdeployError, PlanError, TargetError
from kdeploy_gui.model.facts import Facts, Folder, Parent
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.files import FileKind, ManifestEntry
from kdeploy_gui.model.plan import ArtifactType
from kdeploy_gui.model.requirement import Arrival
from kdeploy_gui.model.versioned import LONGEST, holder, set_behind

UNCHANGED = "Unchanged: nothing was sent."
CLOSED = ("/proc", "/sys", "/dev", "/boot", "/efi", "/lost+found")
"""Folders that nothing is deployed to unless a root of the environment says so, and neither is `/` itself."""
SYSTEM = ("/", "/usr", "/var")
"""Folders in which links of root are the system's own: /lib to usr/lib, /var/run to /run, /home to var/home."""
COMPONENT, PATH = 255, 4095
"""Bytes of a name and of a path at most."""
ROOM = ("E-NOSPC", "E-INODES")
"""Codes of file systems that cannot take all files together."""
EXECUTE, STICKY, GROUP_WRITES, OTHERS_WRITE = 0o111, 0o1000, 0o020, 0o002


def place_refusals(arrivals: Sequence[Arrival], facts: Facts, roots: Sequence[str]) -> Iterator[KdeployError]:
    """Places where no file may go, or where it could not work; each place is told once."""
    for each in arrivals:
        yield from _name(_longest(each))
    told: set[str] = set()
    allowed = [facts.expand(each) for each in roots]
    links = {each.link for each in arrivals if each.link}
    holders = map(holder, sorted(links))
    for path in dict.fromkeys((*(dirname(each.entry.path) for each in arrivals), *sorted(links), *holders)):
        folder = facts.folders.get(path, Folder(path, path))
        yield from _root(folder, allowed)
        for parent in folder.parents:
            if parent.path not in told:
                told.add(parent.path)
                yield from _link(parent, facts) if parent.path in links else _parent(parent, facts)
        if folder.noexec:
            yield from _noexec(folder, [each for each in arrivals if dirname(each.entry.path) == path])


def room_refusals(sent: Sequence[ManifestEntry], facts: Facts) -> Iterator[TargetError]:
    """File systems that cannot take what is sent; each is told once."""
    by_mount: dict[str, list[tuple[Folder, ManifestEntry]]] = {}
    for entry in sent:
        folder = facts.folders.get(dirname(entry.path))
        if folder is not None:
            by_mount.setdefault(folder.mount or folder.path, []).append((folder, entry))
    for mount, arriving in by_mount.items():
        folder = arriving[0][0]
        if folder.read_only:
            message = f"{folder.path} cannot be written: {mount} is mounted read-only"
            yield _error("E-ROFS", message, folder.path, "a mount that can be written", f"{mount} read-only")
            continue
        if folder.disk is None or not folder.disk.total_bytes:
            continue
        room = needed_room(sum(entry.size for _, entry in arriving))
        if folder.disk.free_bytes < room:
            found = size(folder.disk.free_bytes)
            message = f"no room on {mount}: {size(room)} are needed, reserve included, {found} are free"
            yield _error("E-NOSPC", message, mount, size(room), found)
        nodes = max(defaults.SPARE_INODES, len(arriving))
        if folder.disk.free_inodes is not None and folder.disk.free_inodes < nodes:
            message = f"no inodes on {mount}: {nodes} are needed, {folder.disk.free_inodes} are free"
            yield _error("E-INODES", message, mount, str(nodes), str(folder.disk.free_inodes))


def needed_room(total: int) -> int:
    """Bytes that must be free before `total` bytes are sent."""
    return total + total // 10 + defaults.SPARE_BYTES


def _error(code: str, message: str, path: str, needed: str, found: str) -> TargetError:
    return TargetError(code, message, path=path, on_target=UNCHANGED, needed=needed, found=found)


def _name(path: str) -> Iterator[TargetError]:
    whole = _length(path)
    longest = max(map(_length, path.split("/")))
    if longest > COMPONENT:
        message = f"a part of {path} has {longest} bytes, a name has at most {COMPONENT}"
        yield _error("E-NAMETOOLONG", message, path, f"at most {COMPONENT} bytes", f"{longest} bytes")
    elif whole > PATH:
        message = f"{path} has {whole} bytes, a path has at most {PATH}"
        yield _error("E-NAMETOOLONG", message, path, f"at most {PATH} bytes", f"{whole} bytes")


def _longest(arrival: Arrival) -> str:
    """The longest path that a file gets, behind the link of its set, too."""
    path, link = arrival.entry.path, arrival.link
    return f"{holder(link)}/{LONGEST}{path[len(link) :]}" if link else path


def _length(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _root(folder: Folder, roots: Sequence[str]) -> Iterator[PlanError]:
    inside = any(_within(folder.path, each) for each in roots)
    closed = next((top for top in CLOSED for path in (folder.path, folder.real) if _within(path, top)), "")
    if inside or (not roots and not closed and "/" not in (folder.path, folder.real)):
        return
    needed = " or ".join(roots) if roots else f"a folder other than {closed or '/'}"
    message = f"{folder.path} is no place for deployments: {needed} is allowed"
    yield PlanError(
        "E-ROOT", message, path=folder.path, on_target=UNCHANGED, needed=needed, found=closed or folder.path
    )


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _parent(parent: Parent, facts: Facts) -> Iterator[TargetError]:
    path = parent.path
    match parent.kind:
        case FileKind.SYMLINK:
            if set_behind(path, parent.leads_to):
                message = f"{path} is the link of a versioned set, which this plan does not deploy as one"
                yield _error("E-SYMLINK", message, path, "a folder", "a link to a version")
            elif parent.uid != 0 or dirname(path) not in SYSTEM:
                message = f"{path} is a symbolic link of {_user(parent.uid)}; deployments do not go through it"
                yield _error("E-SYMLINK", message, path, "a folder", "a symbolic link")
        case FileKind.FOLDER:
            owner = " or ".join(dict.fromkeys(("root", _user(facts.uid))))
            ours = f"owned by {owner}, written by nobody else"
            found = f"owned by {_user(parent.uid)}, mode {parent.mode:04o}"
            if parent.uid not in (0, facts.uid):
                message = f"{path} belongs to {_user(parent.uid)}, who could exchange what is deployed below it"
                yield _error("E-PARENT", message, path, ours, found)
            elif _others_write(parent, facts):
                message = f"{path} has mode {parent.mode:04o}: others could exchange what is deployed below it"
                yield _error("E-PARENT", message, path, ours, found)
        case _:
            message = f"{path} is no folder, but one is needed there"
            yield _error("E-NOTDIR", message, path, "a folder", str(parent.kind))


def _link(parent: Parent, facts: Facts) -> Iterator[KdeployError]:
    """What stands where the link of a versioned set belongs: such a link, by root or the login user, or nothing."""
    refusal = link_refusal(parent.path, parent.kind, parent.leads_to)
    if refusal is not None:
        yield refusal
    elif parent.uid not in (0, facts.uid):
        owner = " or ".join(dict.fromkeys(("root", _user(facts.uid))))
        message = f"the link {parent.path} belongs to {_user(parent.uid)}, who could let it lead elsewhere"
        yield _error("E-PARENT", message, parent.path, f"owned by {owner}", f"owned by {_user(parent.uid)}")


def link_refusal(path: str, kind: FileKind, leads_to: str) -> TargetError | None:
    """Why no link to versions can stand at a path; None: it can, or does already."""
    if kind is FileKind.MISSING or (kind is FileKind.SYMLINK and set_behind(path, leads_to)):
        return None
    found = f"a symbolic link to {leads_to}" if kind is FileKind.SYMLINK and leads_to else _STANDS.get(kind, "no link")
    message = f"{found} stands at {path}, where a versioned set needs a link of its own"
    return _error("E-LAYOUT", message, path, "nothing, or the link of a versioned set", found)


_STANDS = {
    FileKind.FOLDER: "a folder",
    FileKind.FILE: "a file",
    FileKind.SYMLINK: "a symbolic link",
    FileKind.OTHER: "something else",
}


def _user(uid: int) -> str:
    return f"user {uid}" if uid else "root"


def _others_write(parent: Parent, facts: Facts) -> bool:
    """Whether somebody else may rename what is in a folder. A user's group of the same name has no other members."""
    if parent.mode & STICKY:
        return False
    private = parent.gid == 0 or (parent.gid == facts.gid and facts.user == facts.group)
    return bool(parent.mode & OTHERS_WRITE) or (bool(parent.mode & GROUP_WRITES) and not private)


def _noexec(folder: Folder, arrivals: Sequence[Arrival]) -> Iterator[TargetError]:
    run = (ArtifactType.SCRIPT, ArtifactType.BINARY)
    for each in arrivals:
        if each.type in run and each.entry.mode & EXECUTE:
            path, found = each.entry.path, f"{folder.mount} noexec"
            message = f"{path} cannot be run: {folder.mount} is mounted noexec"
            yield _error("E-NOEXEC", message, path, "a mount that allows execution", found)
