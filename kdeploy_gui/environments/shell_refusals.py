"""What the scripts for sets of files say when they fail, as errors."""

from __future__ import annotations

from collections.abc import Sequence

from kdeploy_gui.errors import (
    Evidence,
    KdeployError,
    NetworkError,
    NothingKept,
    TargetBusy,
    TargetError,
)
from kdeploy_gui.model.command import Completed

CLEAN = "The previous version is intact; temporary files were removed."
UNTOUCHED = "Unchanged by the rollback."
UNKNOWN = "Not known: it is verified at the next contact."
LOCKED = 75
"""Exit status of the scripts when another deployment holds the lock (EX_TEMPFAIL)."""
STUCK = 76
"""Exit status of a sweep that can neither finish nor undo what was being committed (EX_PROTOCOL)."""
LOCK_REFUSED = 74
"""Exit status when the lock file cannot be opened (EX_IOERR)."""
CUT_SHORT = 16
"""Exit status when the bytes ended too early; what came of large files waits for the next contact."""

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
    ("somebody else put it there", "E-PARENT", "somebody else could exchange what is deployed"),
    ("Text file busy", "E-BUSY", "the file is in use"),
    ("File name too long", "E-NAMETOOLONG", "a file name is too long"),
)


def evidence_of(title: str, done: Completed) -> Evidence:
    """What a script said, and how it ended."""
    return Evidence(title, done.status, done.error_text)


def refuse_locked(done: Completed) -> None:
    """Raise TargetBusy or TargetError where the script could not get the lock."""
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


def not_restored(done: Completed, run: int) -> KdeployError:
    """Why a run was not taken back."""
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
    return refused(done, ())


def refused(done: Completed, folders: Sequence[str]) -> KdeployError:
    """Why files were not placed in these folders."""
    evidence = evidence_of("place files", done)
    if done.status == CUT_SHORT:
        return NetworkError("E-LOST", "the transfer was cut short", on_target=UNKNOWN, evidence=evidence)
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
