"""Package managers behind a POSIX shell: the verbs of each are a file in `resources/remote/packages/`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from kdeploy_gui import resources
from kdeploy_gui.environments import tar_stream
from kdeploy_gui.environments.control_lists import Staging
from kdeploy_gui.environments.shell import Meter, Shell, stream
from kdeploy_gui.environments.shell_reasons import OTHER_BYTES, changed_on_the_way
from kdeploy_gui.environments.shell_refusals import evidence_of, refuse_locked, refused
from kdeploy_gui.errors import TargetError
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.files import Batch
from kdeploy_gui.model.packages import Found, Installed, Kind, Meaning, Offers, Order, Presence, Wanted
from kdeploy_gui.ports import Content

LOOK_TIMEOUT = 120.0
"""Seconds for looking at dependencies: a slow board reads its lists of packages slowly."""
_KEPT = 2000
"""Characters of what a manager said that are kept as evidence."""
_VERBS: Mapping[str, tuple[str, ...]] = {
    "": (),
    "dnf": ("rpm", "dnf"),
    "yum": ("rpm", "dnf"),
    "zypper": ("rpm", "zypper"),
}
"""The files of a manager's verbs, where they are not the one of its own name."""
_ITEMS: Mapping[Kind, tuple[str, str]] = {
    Kind.PACKAGE: ("p", "c"),
    Kind.COMMAND: ("t", "v"),
    Kind.PYTHON: ("y", "y"),
}
"""What the script that looks calls each kind: without and with a version."""


class ShellPackages:
    """Dependencies of the machine behind a shell; see `Target.dependencies` and `Target.install`."""

    def __init__(self, shell: Shell, content: Content, owner: str = "") -> None:
        self._shell = shell
        self._content = content
        self._owner = owner

    async def look(self, manager: str, wanted: Sequence[Wanted], offers: Offers) -> Mapping[Wanted, Found]:
        """See `Target.dependencies`."""
        arguments = (manager, offers.value, *dict.fromkeys(map(_item, wanted)))
        script = _script(manager, resources.text("remote/dependencies.sh"))
        try:
            async with asyncio.timeout(LOOK_TIMEOUT):
                done = await self._shell.run(script, arguments)
        except TimeoutError as late:
            message = f"looking at the dependencies did not end within {LOOK_TIMEOUT:.0f} s"
            raise TargetError("E-COMMAND", message, title="dependency check") from late
        return parse_look(done.text, wanted)

    async def install(
        self, order: Order, output: Callable[[bytes], None], progress: Callable[[int], None]
    ) -> Installed:
        """See `Target.install`."""
        unique = secrets.token_hex(16)
        token = f".kdeploy-{order.run}-{unique}.part"
        staging = Staging(Batch(order.run, order.files), token, unique[:8])
        what = "files" if order.files else "names" if order.names else "refresh"
        arguments = (order.manager, token, self._owner, what, *(() if order.files else order.names))
        script = resources.text("remote/transaction.sh") + resources.text("remote/install.sh")
        source = self._archive(staging, progress) if order.files else None
        done = await self._shell.run(_script(order.manager, script), arguments, source, output, gentle=True)
        ended = parse_install(done)
        if ended is not None:
            return ended
        refuse_locked(done)
        if done.status == 0 or not order.files:
            evidence = evidence_of(order.title, done)
            raise TargetError(
                "E-COMMAND", f"{order.title} did not say how it ended", evidence=evidence, title=order.title
            )
        if done.status == OTHER_BYTES:
            raise changed_on_the_way(done, staging)
        raise refused(done, staging.folders)

    def _archive(self, staging: Staging, progress: Callable[[int], None]) -> AsyncIterator[bytes]:
        """The folder that the files go to, then the files."""
        head = "".join(f"{each}\n" for each in (len(staging.folders), *staging.folders)).encode()
        meter = Meter(progress, staging.batch.size)
        return stream(head, tar_stream.blocks(staging, self._content), meter)


def _script(manager: str, script: str) -> str:
    """A script behind the verbs of a manager, whose name is its first argument."""
    files = ("packages", *(f"packages/{each}" for each in _VERBS.get(manager, (manager,))))
    return "".join(resources.text(f"remote/{each}.sh") for each in files) + script


def _item(wanted: Wanted) -> str:
    return f"{_ITEMS[wanted.kind][wanted.versioned]}:{wanted.name}"


def parse_look(text: str, wanted: Sequence[Wanted]) -> dict[Wanted, Found]:
    """What `dependencies.sh` says; what makes no sense counts as missing."""
    said: dict[str, tuple[Presence, str]] = {}
    offered: dict[str, dict[str, None]] = {}
    for line in text.split("\n"):
        match line.split("\t", 2):
            case ["offer", name, version]:
                offered.setdefault(name, {})[version] = None
            case [item, state, version] if state in set(Presence):
                said[item] = (Presence(state), version)
            case _:
                continue
    return {
        each: Found(
            *said.get(_item(each), (Presence.MISSING, "")),
            tuple(offered.get(each.name, ())) if each.kind is Kind.PACKAGE else (),
        )
        for each in wanted
    }


def parse_install(done: Completed) -> Installed | None:
    """How the manager ended, by the last line of `install.sh`; None: it was not asked."""
    word, *details = done.stderr.decode(errors="replace").rstrip("\n").rpartition("\n")[2].split("\t")
    if word not in set(Meaning):
        return None
    return Installed(Meaning(word), done.status, done.text.strip()[-_KEPT:], tuple(filter(None, details)))
