"""A target behind any POSIX shell (coreutils or busybox): the `Target` port on top of one verb, `run`."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from posixpath import dirname

from kdeploy_gui import resources
from kdeploy_gui.environments import kernel_log, tar_stream
from kdeploy_gui.environments.control_lists import Staging, is_large
from kdeploy_gui.environments.shell import Meter, Shell, once, stream
from kdeploy_gui.environments.shell_answers import apart, facts_bound, in_bounds, survey_bound
from kdeploy_gui.environments.shell_facts import Unmoving, asked, parse_facts
from kdeploy_gui.environments.shell_packages import ShellPackages
from kdeploy_gui.environments.shell_reasons import MEASURED, OTHER_BYTES, changed_on_the_way, measured
from kdeploy_gui.environments.shell_refusals import STUCK, UNKNOWN, evidence_of, not_restored, refuse_locked, refused
from kdeploy_gui.environments.shell_survey import Begun, parse_begun, parse_survey
from kdeploy_gui.errors import Evidence, KdeployError, TargetError
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.files import Batch, FileKind, FileState, Placement, Restored
from kdeploy_gui.model.packages import Found, Installed, Offers, Order, Wanted
from kdeploy_gui.ports import NOTHING, Content

NEEDED = (
    "sha256sum",
    "stat",
    "cat",
    "tar",
    "mv",
    "mkdir",
    "rm",
    "chmod",
    "chown",
    "ln",
    "df",
    "date",
    "id",
    "uname",
    "sync",
)
"""Commands without which nothing can be deployed; busybox has all of them."""


class ShellTarget:
    """The `Target` port over a shell. Each verb is one command, so one round trip.

    `owner` stands for whoever holds the lock of this environment: on the target, of one owner only one deployment is
    alive, and a sweep ends any older one. Without an owner nobody is ended. `unmoving` is what is known of
    the machine from before, and learns more.
    """

    def __init__(self, shell: Shell, content: Content, owner: str = "", unmoving: Unmoving | None = None) -> None:
        self._shell = shell
        self._content = content
        self._owner = owner
        self._packages = ShellPackages(shell, content, owner)
        self._unmoving = unmoving or Unmoving()
        self._seen: dict[str, FileState] = {}
        self._begun: Mapping[str, Begun] = {}

    async def facts(self, query: FactsQuery) -> Facts:
        """See `Target.facts`. Raises TargetError E-TOOL-MISSING where commands that every deployment needs are gone."""
        tools = tuple(dict.fromkeys((*NEEDED, *query.tools)))
        known = self._known(query.files)
        arguments = (self._unmoving.boot_id, str(len(tools)), *tools, *query.paths)
        script = resources.text("remote/facts.sh") + (_script("survey") if query.files else "")
        questions = once((asked(query) + _listing(query.files, known)).encode("utf-8", "surrogateescape"))
        moments = [time.time()]
        said = await self._shell.run(script, arguments, questions, lambda _: moments.append(time.time()))
        done, surveyed = apart(said)
        facts = parse_facts(done, sum(moments[:2]) / len(moments[:2]), facts_bound(query), self._unmoving)
        missing = [tool for tool in NEEDED if not facts.tools.get(tool)]
        if missing:
            raise TargetError(
                "E-TOOL-MISSING",
                f"commands that every deployment needs are missing: {', '.join(missing)}",
                on_target="Nothing was changed.",
                tool=", ".join(missing),
            )
        self._unmoving.hear(done, facts)
        return replace(
            facts,
            tools={tool: facts.tools.get(tool, "") for tool in query.tools},
            files=self._states(surveyed, query.files, known) if query.files else {},
        )

    async def survey(
        self, paths: Sequence[str], *, sweep: bool = False, resume: Mapping[str, str] = NOTHING
    ) -> Mapping[str, FileState]:
        """See `Target.survey`. A file that has not changed since this target was asked before is not read again."""
        wanted = "".join(f"{sha256}\t{path}\n" for path, sha256 in resume.items()) + "\n" if sweep else ""
        known = self._known(paths)
        listing = once((wanted + _listing(paths, known)).encode())
        mode = "sweep" if sweep else "look"
        done = await self._shell.run(_script("survey"), (mode, self._owner), listing)
        refuse_locked(done)
        if done.status == STUCK:
            raise TargetError(
                "E-JOURNAL",
                "an interrupted deployment can be neither finished nor undone",
                on_target="Mixed: the previous files are kept in folders named .kdeploy-*.part.",
                evidence=evidence_of("survey", done),
            )
        found = self._states(done, paths, known, UNKNOWN if sweep else "Nothing was changed.")
        if sweep:
            self._begun = parse_begun(done.text)
        return found

    def _known(self, paths: Sequence[str]) -> Mapping[str, FileState]:
        """What need not be read again while it bears the same stamp."""
        return {path: self._seen[path] for path in paths if path in self._seen and self._seen[path].stamp}

    def _states(
        self,
        done: Completed,
        paths: Sequence[str],
        known: Mapping[str, FileState],
        on_target: str = "Nothing was changed.",
    ) -> Mapping[str, FileState]:
        """What `survey.sh` said, which was asked with the stamps of `known`.

        Raises TargetError E-COMMAND, E-SHELL, E-TOOL-MISSING.
        """
        if done.status != 0:
            raise TargetError(
                "E-COMMAND",
                "looking at the files failed",
                on_target=on_target,
                evidence=evidence_of("survey", done),
                title="looking at files",
            )
        try:
            found = parse_survey(in_bounds(done, survey_bound(paths)), known)
        except ValueError as nonsense:
            raise TargetError(
                "E-SHELL",
                f"the machine's answer about its files makes no sense: {nonsense}",
                on_target=on_target,
                evidence=evidence_of("survey", done),
            ) from nonsense
        if any(found[path].kind is FileKind.FILE and not found[path].owner for path in paths if path in found):
            raise TargetError(
                "E-TOOL-MISSING",
                "stat -c does not work on the machine, so modes and owners cannot be read",
                on_target="Nothing was changed.",
                evidence=evidence_of("survey", done),
                tool="stat with -c",
            )
        self._seen.update((path, replace(found[path], staged=None)) for path in paths if path in found)
        return {path: found.get(path, FileState(path, FileKind.MISSING)) for path in paths}

    async def place(self, batch: Batch, progress: Callable[[int], None]) -> None:
        """See `Target.place`."""
        unique = secrets.token_hex(16)
        token = f".kdeploy-{batch.run}-{unique}.part"
        resumed = {path: self._begun[path] for path in batch.resume if path in self._begun}
        meter = Meter(progress, batch.size, sum(each.size for each in resumed.values()))
        for each in batch.sent:
            if each.entry.path in resumed:
                await self._go_on(each, resumed[each.entry.path], meter)
        staging = Staging(batch, token, unique[:8], {path: each.place for path, each in resumed.items()})
        before = next((each.token for each in self._begun.values()), "")
        head = "".join(f"{line}\n" for line in (str(len(staging.folders)), *staging.folders)).encode()
        source = stream(head, tar_stream.blocks(staging, self._content), meter)
        large = sum(map(is_large, staging.arriving))
        arguments = (token, self._owner, str(batch.keep), before, str(large), str(staging.checked))
        done = await self._shell.run(_script("place"), arguments, source, gentle=True)
        self._begun = {}
        refuse_locked(done)
        if done.status == OTHER_BYTES:
            raise changed_on_the_way(done, staging)
        if done.status != 0:
            raise await self._explained(refused(done, staging.folders), batch)

    async def _explained(self, error: KdeployError, batch: Batch) -> KdeployError:
        """A refusal with figures where the machine still gives them."""
        if not isinstance(error, TargetError) or error.code not in MEASURED or "quota" in error.message:
            return error
        with suppress(KdeployError):
            return measured(error, batch, await self.facts(FactsQuery(folders=(error.path,))))
        return error

    async def _go_on(self, placement: Placement, begun: Begun, meter: Meter) -> None:
        """Bring the rest of a file to where its first bytes wait."""
        if begun.size == placement.entry.size:
            return
        source = stream(b"", tar_stream.rest(placement, self._content, begun.size), meter)
        arguments = (begun.token, self._owner, begun.place, str(begun.size), str(placement.entry.size))
        done = await self._shell.run(_script("resume"), arguments, source)
        refuse_locked(done)
        if done.status != 0:
            raise refused(done, (dirname(placement.entry.path),))

    async def restore(self, run: int) -> Restored:
        """See `Target.restore`."""
        token = f".kdeploy-{run}-{secrets.token_hex(16)}.part"
        done = await self._shell.run(_script("restore"), (token, self._owner, str(run)), gentle=True)
        refuse_locked(done)
        if done.status != 0:
            raise not_restored(done, run)
        said = [line.partition("\t") for line in done.text.splitlines()]
        return Restored(
            restored=tuple(dict.fromkeys(path for word, _, path in said if word == "restored")),
            removed=tuple(path for word, _, path in said if word == "removed"),
        )

    async def dependencies(
        self, manager: str, wanted: Sequence[Wanted], offers: Offers = Offers.NO
    ) -> Mapping[Wanted, Found]:
        """See `Target.dependencies`."""
        return await self._packages.look(manager, wanted, offers)

    async def install(
        self, order: Order, output: Callable[[bytes], None], progress: Callable[[int], None]
    ) -> Installed:
        """See `Target.install`."""
        return await self._packages.install(order, output, progress)

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


def _listing(paths: Sequence[str], known: Mapping[str, FileState]) -> str:
    """What `survey.sh` is asked: each path once, with the stamp that is known."""
    return "".join(f"file\t{known[path].stamp if path in known else '-'}\t{path}\n" for path in dict.fromkeys(paths))


def _script(name: str) -> str:
    """A script that works on sets of files, with the functions it stands on."""
    return "".join(resources.text(f"remote/{each}.sh") for each in ("transaction", "versions", name))
