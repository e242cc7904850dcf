"""Why files could not be placed, in figures: what was needed and what the machine has."""

from __future__ import annotations

from kdeploy_gui.environments.control_lists import Staging
from kdeploy_gui.environments.shell_refusals import CLEAN, evidence_of
from kdeploy_gui.errors import ContentChanged, TargetError
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.facts import Facts, Folder, Parent
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.files import Batch, FileKind

OTHER_BYTES = 12
"""Exit status of `place.sh` where a hash is another one than the planned."""
MEASURED = ("E-NOSPC", "E-PERM")
"""Codes that a look at the folder explains better than the words of a command."""
_STAGING = 16
"""Inodes that a deployment takes besides its files, at least: staging folders, lists and the journal."""


def changed_on_the_way(done: Completed, staging: Staging) -> ContentChanged:
    """Files that arrived with other bytes than were planned, as far as the machine names them."""
    changed = [each.entry for each in staging.batch.sent if f"{staging.staged(each)}: " in done.error_text]
    named = "; ".join(f"{each.path}, planned SHA-256 {each.sha256}" for each in changed[:3])
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return ContentChanged(
        "E-HASH",
        f"other bytes arrived than were planned: {named or done.error_text[:200]}{more}",
        path=changed[0].path if changed else "",
        on_target=CLEAN,
        evidence=evidence_of("place files", done),
    )


def measured(error: TargetError, batch: Batch, facts: Facts) -> TargetError:
    """The same refusal with both values, by what the machine says of the folder once all is cleared up again."""
    folder = facts.folders.get(error.path)
    if folder is None:
        return error
    if error.code == "E-PERM":
        return _forbidden(error, folder, facts)
    return _too_small(error, folder, batch)


def _too_small(error: TargetError, folder: Folder, batch: Batch) -> TargetError:
    disk, nodes = folder.disk, len(batch.sent) + _STAGING
    if disk is None:
        return error
    where = folder.mount or folder.path
    if disk.free_inodes is not None and disk.free_inodes < nodes and disk.free_bytes >= batch.size:
        found = str(disk.free_inodes)
        message = f"no inodes are left on {where}: about {nodes} are needed, {found} are free without them"
        return _told(error, "E-INODES", message, needed=str(nodes), found=found)
    needed, found = size(batch.size), size(disk.free_bytes)
    message = f"no space is left on {where}: {needed} are needed, {found} are free without them"
    return _told(error, error.code, message, needed=needed, found=found)


def _forbidden(error: TargetError, folder: Folder, facts: Facts) -> TargetError:
    if not folder.parents or folder.parents[-1].kind is not FileKind.FOLDER:
        return error
    nearest = folder.parents[-1]
    message = f"{facts.user} cannot write {nearest.path} ({_rights(nearest)})"
    return _told(error, error.code, message)


def _rights(parent: Parent) -> str:
    return f"user {parent.uid}, group {parent.gid}, mode {parent.mode:04o}"


def _told(error: TargetError, code: str, message: str, **details: str) -> TargetError:
    _, _, said = error.message.partition(": ")
    return TargetError(
        code,
        f"{message}: {said}",
        path=error.path,
        on_target=error.on_target,
        evidence=error.evidence,
        **details,
    )
