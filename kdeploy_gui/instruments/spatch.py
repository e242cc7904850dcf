"""The `SourceChecker` port: Coccinelle's spatch, in a session of its own for each semantic patch."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path

from kdeploy_gui import defaults
from kdeploy_gui.errors import Evidence, LocalError
from kdeploy_gui.instruments.local_process import kill, started
from kdeploy_gui.instruments.semantic_patches import count_files, include_options, patches_of, source_of
from kdeploy_gui.instruments.spatch_output import FAILED_IN, HANDLING, findings, parse_error, plain_name
from kdeploy_gui.model.figures import duration, size
from kdeploy_gui.model.source_check import CheckRequest, Mode, PatchFound, SemanticPatch, Survey

SPATCH = "spatch"
VERSION_TIMEOUT = 30.0
_VERSION = re.compile(r"version (\S+)")
_TAIL = 8000
"""Characters of what spatch complained that are kept."""


class Spatch:
    """See `SourceChecker`."""

    async def survey(self, request: CheckRequest) -> Survey:
        """See `SourceChecker.survey`."""
        source, folder = await asyncio.to_thread(source_of, request)
        version = await _version()
        patches = await asyncio.to_thread(patches_of, request, source)
        files = await asyncio.to_thread(count_files, source, folder)
        options = await asyncio.to_thread(include_options, source, request.arch)
        return Survey(source, folder, patches, files, version, options)

    async def run(
        self, survey: Survey, patch: SemanticPatch, mode: Mode, request: CheckRequest, handled: Callable[[], None]
    ) -> PatchFound:
        """See `SourceChecker.run`."""
        shares = [_Said(handled) for _ in range(request.jobs)]
        commands = [command(survey, patch, mode, (number, len(shares))) for number in range(len(shares))]
        try:
            async with AsyncExitStack() as running:
                processes = [await running.enter_async_context(_started(each, survey.source)) for each in commands]
                pairs = zip(shares, processes, strict=True)
                async with asyncio.timeout(request.limit):
                    statuses = await asyncio.gather(*(said.all_of(process) for said, process in pairs))
        except TimeoutError as error:
            message = f"{patch.name} did not end within {duration(request.limit)} and was stopped"
            evidence = Evidence(shlex.join(commands[0]), None, shares[0].complaint)
            raise LocalError("E-COCCI-TIMEOUT", message, path=str(patch.path), evidence=evidence) from error
        for words, said, status in zip(commands, shares, statuses, strict=True):
            if said.too_much or status != 0:
                raise _failed(patch, Evidence(shlex.join(words), status, said.complaint), said.too_much)
        return await asyncio.to_thread(_found, survey, mode, shares)


def command(survey: Survey, patch: SemanticPatch, mode: Mode, share: tuple[int, int]) -> Sequence[str]:
    """How `make coccicheck` runs a semantic patch, and --quiet, with which spatch names each file that it looks at.

    A share is its number from 0 on, and how many there are: spatch's own --jobs keeps quiet until all have ended.
    """
    defined = () if patch.plain else ("-D", mode.value)
    silent = ("--no-show-diff",) if mode in {Mode.REPORT, Mode.ORG} else ()
    number, shares = share
    split = ("--max", str(shares), "--index", str(number), "--mod-distrib") if shares > 1 else ()
    place = "." if survey.folder == "." else f"./{survey.folder}"
    return (
        *(SPATCH, *defined, "--quiet", *silent, "--cocci-file", str(patch.path), *patch.options),
        *("--dir", place, *survey.options, *split),
    )


class _Said:
    """What a spatch says, as it comes."""

    def __init__(self, handled: Callable[[], None]) -> None:
        self.output = bytearray()
        self.skipped: list[str] = []
        self.complaint = ""
        self.too_much = False
        self._handled = handled

    async def all_of(self, process: asyncio.subprocess.Process) -> int:
        """Read both streams to their ends; its exit status. Whoever says more than fits is killed."""
        if process.stdout is None or process.stderr is None:
            raise RuntimeError("spatch was started without pipes")
        await asyncio.gather(self._read_output(process.stdout, process.pid), self._read_errors(process.stderr))
        return await process.wait()

    async def _read_output(self, stream: asyncio.StreamReader, group: int) -> None:
        while block := await stream.read(defaults.CHUNK):
            if self.too_much:
                continue
            self.output += block
            if len(self.output) > defaults.CAPTURE_CAP:
                self.too_much = True
                kill(group)

    async def _read_errors(self, stream: asyncio.StreamReader) -> None:
        rest = b""
        while block := await stream.read(defaults.CHUNK):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                self._take(os.fsdecode(line))
            rest = rest[-_TAIL:]
        self._take(os.fsdecode(rest))

    def _take(self, line: str) -> None:
        if HANDLING.match(line):
            self._handled()
            return
        failed = FAILED_IN.match(line)
        if failed is not None:
            self.skipped.append(plain_name(failed[1]))
        if line:
            self.complaint = f"{self.complaint}{line}\n"[-_TAIL:]


def _found(survey: Survey, mode: Mode, shares: Sequence[_Said]) -> PatchFound:
    exists = cache(lambda name: "\0" not in name and os.path.isfile(os.path.join(survey.source, name)))
    found, rest = findings(mode, os.fsdecode(b"".join(each.output for each in shares)), exists)
    return PatchFound(found, tuple(sorted({name for each in shares for name in each.skipped})), rest)


@asynccontextmanager
async def _started(words: Sequence[str], folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """See `started`. Raises LocalError."""
    async with AsyncExitStack() as stack:
        try:
            process = await stack.enter_async_context(started(words, folder))
        except FileNotFoundError as error:
            raise _missing() from error
        except OSError as error:
            message = f"{words[0]} cannot be run here: {error.strerror}"
            evidence = Evidence(shlex.join(words))
            raise LocalError("E-COCCI-FAILED", message, path=str(folder), evidence=evidence) from error
        yield process


async def _version() -> str:
    """The version of the spatch of this workstation. Raises LocalError."""
    if await asyncio.to_thread(shutil.which, SPATCH) is None:
        raise _missing()
    words = (SPATCH, "--version")
    said, complained = b"", b""
    try:
        async with _started(words, Path("/")) as process, asyncio.timeout(VERSION_TIMEOUT):
            said, complained = await process.communicate()
    except TimeoutError:
        complained = f"it did not end within {VERSION_TIMEOUT:.0f} s".encode()
    found = _VERSION.search(said.decode(errors="replace"))
    if found is None:
        evidence = Evidence(
            shlex.join(words), process.returncode, (said + complained).decode(errors="replace")[-_TAIL:]
        )
        raise LocalError("E-COCCI-FAILED", "spatch does not say its version", path=SPATCH, evidence=evidence)
    return found[1]


def _missing() -> LocalError:
    return LocalError("E-COCCI-MISSING", f"Coccinelle is not installed on this workstation: no {SPATCH} is in PATH")


def _failed(patch: SemanticPatch, evidence: Evidence, too_much: bool) -> LocalError:
    if too_much:
        message = f"{patch.name} finds more than fits into {size(defaults.CAPTURE_CAP)}"
        return LocalError("E-COCCI-FAILED", message, path=str(patch.path), evidence=evidence)
    where = parse_error(evidence.stderr)
    if where:
        message = f"{patch.name} does not parse: {where}"
        return LocalError("E-COCCI-PARSE", message, path=str(patch.path), evidence=evidence)
    message = f"spatch ended with status {evidence.exit_status} on {patch.name}"
    return LocalError("E-COCCI-FAILED", message, path=str(patch.path), evidence=evidence)
