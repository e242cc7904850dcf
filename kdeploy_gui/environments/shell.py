"""A POSIX shell on a machine, and what goes wrong in the scripts that it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from kdeploy_gui.errors import ContentChanged, Evidence, KdeployError, TargetBusy, TargetError
from kdeploy_gui.model.command import Completed

CLEAN = "The previous version is intact; temporary files were removed."
UNKNOWN = "Not known: it is verified at the next contact."
LOCKED = 75
"""Exit status of the scripts when another deployment holds the lock (EX_TEMPFAIL)."""
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


async def once(data: bytes) -> AsyncIterator[bytes]:
    """A whole stdin."""
    yield data


def evidence_of(title: str, done: Completed) -> Evidence:
    """What a script said."""
    return Evidence(title, done.status, done.error_text)


def refuse_locked(done: Completed) -> None:
    """Raise TargetBusy E-LOCKED or TargetError E-PERM where a script did not get the lock of deployments."""
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
            evidence=evidence_of("lock", done),
        )


def refused(done: Completed, folders: Sequence[str]) -> KdeployError:
    """Why files could not be brought into place, by what the script said."""
    evidence = evidence_of("place files", done)
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
