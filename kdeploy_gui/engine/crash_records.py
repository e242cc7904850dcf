"""What the kernel of a machine that rebooted by itself kept of its end: records in pstore, where it has a backend."""

from __future__ import annotations

from collections.abc import Mapping

from kdeploy_gui import resources
from kdeploy_gui.model.command import Command
from kdeploy_gui.ports import Target

PATIENCE = 20.0
"""Seconds for reading them."""
_HEAD = b"record\t"


async def crash_records(target: Target, since: float) -> Mapping[str, bytes]:
    """Records written since a time of the machine's clock (seconds since 1970), by path.

    The time of a record's file is that of the crash (Linux: fs/pstore/inode.c). Raises as `Target.execute`.
    """
    script = resources.text("remote/crash_records.sh")
    done = await target.execute(Command(script, (f"{since:.0f}",), title="crash records", timeout=PATIENCE))
    found: dict[str, bytes] = {}
    for part in done.stdout.split(b"\n" + _HEAD) if done.stdout.startswith(_HEAD) else ():
        path, _, text = part.removeprefix(_HEAD).partition(b"\n")
        found[path.decode(errors="replace")] = text
    return found
