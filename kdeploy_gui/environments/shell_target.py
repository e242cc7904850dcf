"""A target behind any POSIX shell (coreutils or busybox): the `Target` port on top of one verb, `run`."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

from kdeploy_gui import resources
from kdeploy_gui.environments import kernel_log, tar_stream
from kdeploy_gui.environments.shell_facts import asked, parse_facts
from kdeploy_gui.errors import ContentChanged, Evidence, KdeployError, NothingKept, TargetBusy, TargetError
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.files import Batch, FileKind, FileState, Restored
from kdeploy_gui.ports import Content

NEEDED = ("sha256sum", "stat", "tar", "mv", "mkdir", "rm", "chmod", "chown", "ln", "df", "date", "id", "uname", "sync")
"""Commands without which nothing can be deployed; busybox has all of them."""

CLEAN = "The previous version is intact; temporary files were removed."
UNTOUCHED = "Unchanged by the rollback."
UNKNOWN = "Not known: it is verified at the next contact."
STAMP_SETTLES = 4
"""Seconds after a change from which a file's times tell every further one; FAT keeps times in steps of 2 s."""
LOCKED = 75
"""Exit status of the scripts when another deployment holds the lock (EX_TEMPFAIL)."""
STUCK = 76
"""Exit status of a sweep that can neither finish nor undo what was being committed (EX_PROTOCOL)."""
LOCK_REFUSED = 74
"""Exit status when the lock file cannot be opened (EX_IOERR)."""

_SAID = (
    ("No space left on device", "E-NOSPC", "no space is left"),
    ("Wrote only", "E-NOSPC", "no space is left"),  # GNU tar, when the last block fits in part
    ("Disk quota exceeded", "E-NOSPC", "the disk quota is used up"),
    ("Read-only file system", "E-ROFS", "the file system is read-only"),
    ("Permission denied", "E-PERM", "permission was denied"),
    ("Operation not permitted", "E-PERM", "the operation is not permitted"),
    ("invalid user", "E-OWNER", "the owner does not exist there"),
    ("unknown user", "E-OWNER", "the owner does not exist there"),
    ("invalid group", "E-OWNER", "the group does not exist there"),
    ("unknown group", "E-OWNER", "the group does not exist there"),
    ("Not a directory", "E-NOTDIR", "a file stands where a folder is needed"),
    ("File exists", "E-NOTDIR", "a file stands where a folder is needed"),
    ("s a directory", "E-ISDIR", "a folder stands where the file shall be"),
    ("omitting directory", "E-ISDIR", "a folder stands where the file shall be"),
    ("Text file busy", "E-BUSY", "the file is in use"),
    ("File name too long", "E-NAMETOOLONG", "a file name is too long"),
)


class Shell(Protocol):
    """Something that runs POSIX shell scripts on a machine."""

    async def run(
        self,
        script: str,
        arguments: Sequence[str] = (),
        source: AsyncIterator[bytes] | None = None,
        output: Callable[[bytes], None] | None = None,
        gentle: bool = False,
    ) -> Completed:
        """Run a script with arguments, `source` on its stdin. Raises KdeployError only.

        When the caller is cancelled the script is ended: with TERM and, unless it is to be treated `gentle`, with KILL.
        """

    async def close(self) -> None:
        """Let go of it; never raises."""


class ShellTarget:
    """The `Target` port over a shell. Each verb is one command, so one round trip.

    `owner` stands for whoever holds the lock of this environment: on the target, of one owner only one deployment is
    alive, and a sweep ends any older one. Without an owner nobody is ended.
    """

    def __init__(self, shell: Shell, content: Content, owner: str = "") -> None:
        self._shell = shell
        self._content = content
        self._owner = owner
        self._seen: dict[str, FileState] = {}

    async def facts(self, query: FactsQuery) -> Facts:
        """See `Target.facts`. Raises TargetError E-TOOL-MISSING where commands that every deployment needs are gone."""
        tools = tuple(dict.fromkeys((*NEEDED, *query.tools)))
        before = time.time()
        arguments = (str(len(tools)), *tools, *query.paths)
        source = _once(asked(query).encode("utf-8", "surrogateescape"))
        done = await self._shell.run(resources.text("remote/facts.sh"), arguments, source)
        facts = parse_facts(done, (before + time.time()) / 2)
        missing = [tool for tool in NEEDED if not facts.tools.get(tool)]
        if missing:
            raise TargetError(
                "E-TOOL-MISSING",
                f"commands that every deployment needs are missing: {', '.join(missing)}",
                on_target="Nothing was changed.",
                tool=", ".join(missing),
            )
        return replace(facts, tools={tool: facts.tools.get(tool, "") for tool in query.tools})

    async def survey(self, paths: Sequence[str], *, sweep: bool = False) -> Mapping[str, FileState]:
        """See `Target.survey`. A file that has not changed since this target was asked before is not read again."""
        known = {path: self._seen[path] for path in paths if path in self._seen and self._seen[path].stamp}
        stamps = {path: known[path].stamp if path in known else "-" for path in paths}
        listing = "".join(f"{stamps[path]}\t{path}\n" for path in paths).encode()
        mode = "sweep" if sweep else "look"
        done = await self._shell.run(_script("survey"), (mode, self._owner), _once(listing))
        _refuse_locked(done)
        if done.status == STUCK:
            raise TargetError(
                "E-JOURNAL",
                "an interrupted deployment can be neither finished nor undone",
                on_target="Mixed: the previous files are kept in folders named .kdeploy-*.part.",
                evidence=_evidence("survey", done),
            )
        if done.status != 0:
            raise TargetError(
                "E-COMMAND", "looking at the files failed", evidence=_evidence("survey", done), title="looking at files"
            )
        try:
            found = parse_survey(done.text, known)
        except ValueError as nonsense:
            raise TargetError(
                "E-SHELL",
                f"the machine's answer about its files makes no sense: {nonsense}",
                evidence=_evidence("survey", done),
            ) from nonsense
        if any(found[path].kind is FileKind.FILE and not found[path].owner for path in paths if path in found):
            raise TargetError(
                "E-TOOL-MISSING",
                "stat -c does not work on the machine, so modes and owners cannot be read",
                on_target="Nothing was changed.",
                evidence=_evidence("survey", done),
                tool="stat with -c",
            )
        self._seen.update(found)
        return {path: found.get(path, FileState(path, FileKind.MISSING)) for path in paths}

    async def place(self, batch: Batch, progress: Callable[[int], None]) -> None:
        """See `Target.place`."""
        token = f".kdeploy-{batch.run}-{secrets.token_hex(16)}.part"
        places = tar_stream.folders(batch)
        head = "".join(f"{line}\n" for line in (str(len(places)), *places)).encode()
        source = self._stream(head, batch, token, progress)
        arguments = (token, self._owner, str(batch.keep))
        done = await self._shell.run(_script("place"), arguments, source, gentle=True)
        _refuse_locked(done)
        if done.status != 0:
            raise _refused(done, tar_stream.folders(batch))

    async def restore(self, run: int) -> Restored:
        """See `Target.restore`."""
        token = f".kdeploy-{run}-{secrets.token_hex(16)}.part"
        done = await self._shell.run(_script("restore"), (token, self._owner, str(run)), gentle=True)
        _refuse_locked(done)
        if done.status != 0:
            raise _not_restored(done, run)
        said = [line.partition("\t") for line in done.text.splitlines()]
        return Restored(
            restored=tuple(dict.fromkeys(path for word, _, path in said if word == "restored")),
            removed=tuple(path for word, _, path in said if word == "removed"),
        )

    async def execute(self, command: Command, output: Callable[[bytes], None] | None = None) -> Completed:
        """See `Target.execute`."""
        run = self._shell.run(command.script, command.arguments, None, output, gentle=command.gentle)
        if command.timeout is None:
            return await run
        try:
            async with asyncio.timeout(command.timeout):
                return await run
        except TimeoutError as late:
            raise TargetError(
                "E-COMMAND",
                f"{command.title} did not end within {command.timeout:.0f} s",
                evidence=Evidence(command.title),
                title=command.title,
            ) from late

    async def follow_kernel_log(self, output: Callable[[bytes], None]) -> str:
        """See `Target.follow_kernel_log`."""
        return await kernel_log.follow(self._shell, output)

    async def close(self) -> None:
        """See `Target.close`."""
        await self._shell.close()

    async def _stream(
        self, head: bytes, batch: Batch, token: str, progress: Callable[[int], None]
    ) -> AsyncIterator[bytes]:
        yield head
        blocks = tar_stream.blocks(batch, token, self._content)
        sent = 0
        while block := await asyncio.to_thread(next, blocks, b""):
            yield block
            sent += len(block)
            progress(min(sent, batch.size))


def _script(name: str) -> str:
    """A script that works on sets of files, with the functions it stands on."""
    return resources.text("remote/transaction.sh") + resources.text(f"remote/{name}.sh")


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _evidence(title: str, done: Completed) -> Evidence:
    return Evidence(title, done.status, done.error_text)


def _refuse_locked(done: Completed) -> None:
    if done.status == LOCKED:
        raise TargetBusy(
            "E-LOCKED", "another deployment is writing on this machine", on_target="Unchanged by this run."
        )
    if done.status == LOCK_REFUSED:
        raise TargetError(
            "E-PERM",
            "kdeploy's lock file on the machine belongs to somebody else",
            path="~/.cache/kdeploy/lock",
            on_target="Unchanged by this run.",
            evidence=_evidence("lock", done),
        )


def _not_restored(done: Completed, run: int) -> KdeployError:
    said = "; ".join(done.error_text.splitlines()[:3])
    match done.status:
        case 20:
            return NothingKept(
                "E-ROLLBACK-NONE", "no previous version is kept on the machine", on_target=UNTOUCHED, run=str(run)
            )
        case 21:
            message = f"run {said} came after run {run} and must be taken back first"
            return NothingKept("E-ROLLBACK-NEWER", message, on_target=UNTOUCHED, newer=said)
        case 22:
            message = f"files were changed since run {run} placed them: {said}"
            return TargetError("E-ROLLBACK-CHANGED", message, on_target=UNTOUCHED, run=str(run))
    return _refused(done, ())


def _refused(done: Completed, folders: Sequence[str]) -> KdeployError:
    evidence = _evidence("place files", done)
    if done.status == 12:
        return ContentChanged(
            "E-HASH",
            "other bytes arrived than were planned: " + "; ".join(done.error_text.splitlines()[:3]),
            on_target=CLEAN,
            evidence=evidence,
        )
    on_target = (
        "Mixed: putting the previous version back failed; it is kept in folders named .kdeploy-*.part."
        if done.status == 15
        else CLEAN
    )
    for phrase, code, meaning in _SAID:
        if phrase in done.error_text:
            line = next(each for each in done.error_text.splitlines() if phrase in each)
            place = _folder_in(line, folders)
            return TargetError(code, f"{meaning}: {line}", path=place, on_target=on_target, evidence=evidence)
    last = done.error_text.splitlines()[-1] if done.error_text else f"exit status {done.status}"
    place = _folder_in(last, folders)
    return TargetError("E-COMMAND", last, path=place, on_target=on_target, evidence=evidence, title="placing files")


def _folder_in(line: str, folders: Sequence[str]) -> str:
    """The folder that a message is about, the first one where it names none."""
    named = [each for each in folders if each in line or each.lstrip("/") in line]
    return max(named, key=len, default=next(iter(folders), ""))


def parse_survey(text: str, known: Mapping[str, FileState] = MappingProxyType({})) -> dict[str, FileState]:
    """File states from the output of `survey.sh`, which was given the stamps of `known`.

    Raises ValueError where a line makes no sense.
    """
    found: dict[str, FileState] = {}
    clock = 0
    for line in text.split("\n"):
        match line.split("\t"):
            case ["k", kind, path]:
                found[path] = FileState(path, FileKind(kind))
            case ["s", mode, size, owner, path] if path in found:
                found[path] = replace(found[path], mode=int(mode, 8), size=int(size), owner=owner)
            case ["c", seconds]:
                clock = int(seconds)
            case ["t", stamp, path] if path in found:
                changed = max(int(each) for each in stamp.split(".")[1:])
                settled = changed + STAMP_SETTLES < clock
                found[path] = replace(found[path], stamp=stamp if settled else "")
            case ["u", path] if path in found and path in known:
                found[path] = replace(found[path], sha256=known[path].sha256)
            case _:
                digest, _, path = line.removeprefix("\\").partition("  ")
                if line.startswith("\\"):
                    path = path.replace("\\\\", "\\")
                if path in found:
                    found[path] = replace(found[path], sha256=digest)
    return found
