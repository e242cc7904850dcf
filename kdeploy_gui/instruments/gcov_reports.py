"""The `CoverageKeeper` port: counters of gcov in folders of this workstation, and what lcov makes of them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from kdeploy_gui import defaults
from kdeploy_gui.errors import Evidence, LocalError, PlanError, TargetError
from kdeploy_gui.instruments.coverage_stream import DATA, Incoming, not_stored, refused, unpack
from kdeploy_gui.instruments.local_process import started
from kdeploy_gui.instruments.vmlinux import read_build
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.coverage import (
    CoverageData,
    CoverageOrigin,
    CoverageProgress,
    CoverageReport,
    CoverageRequest,
)
from kdeploy_gui.model.visible import visible

ABOUT = "about.json"
ARCHIVE = "archive"
REPORT = "report"
RELEASES = ("include/config/kernel.release", "include/generated/utsrelease.h")
_RELEASE = re.compile(r'^(?:#define UTS_RELEASE )?"?([^"\s]+)"?$', re.MULTILINE)
_OTHER_COMPILER = re.compile(r"version '[^']*', prefer", re.IGNORECASE)
_TAIL = 4000
Tell = Callable[[CoverageProgress], None]


class GcovReports:
    """See `CoverageKeeper`."""

    def check(self, request: CoverageRequest, release: str, build_id: str) -> None:
        """See `CoverageKeeper.check`."""
        tree = request.build_tree
        if tree is None:
            return
        missing = [each for each in ("lcov", "genhtml", request.gcov) if shutil.which(each) is None]
        if missing:
            names = ", ".join(missing)
            raise LocalError("E-COVERAGE-TOOLS", f"missing on this workstation: {names}", tool=names)
        build = read_build(tree)
        here = _release(tree)
        if not build.build_id and not here:
            raise PlanError("E-COVERAGE-TREE", f"no kernel was built in {tree}: {build.fault}", path=str(tree))
        if build.build_id and build_id and build.build_id != build_id:
            message = f"another kernel was built in {tree}: its build id is {build.build_id}, what runs has {build_id}"
            raise PlanError("E-COVERAGE-BUILD", message, path=str(tree))
        if here and here != release and not (build.build_id and build_id):
            message = f"another kernel was built in {tree}: it is {here}, what runs is {release}"
            raise PlanError("E-COVERAGE-BUILD", message, path=str(tree))

    @contextmanager
    def receive(self, request: CoverageRequest, name: str, tell: Tell) -> Iterator[Receiving]:
        """See `CoverageKeeper.receive`."""
        out = request.out.absolute()
        try:
            out.mkdir(mode=0o700, parents=True, exist_ok=True)
            half = Path(tempfile.mkdtemp(prefix=f".{name}-", suffix=".part", dir=out))
        except OSError as error:
            raise not_stored(error, out) from error
        try:
            with (half / ARCHIVE).open("w+b") as file:
                yield Receiving(file, half, request, tell)
        except OSError as error:
            raise not_stored(error, out) from error
        finally:
            shutil.rmtree(half, ignore_errors=True)

    async def report(self, data: CoverageData, request: CoverageRequest, tell: Tell) -> CoverageReport:
        """See `CoverageKeeper.report`."""
        if request.build_tree is None:
            raise ValueError("a report needs a build tree")
        folder, tree = data.folder, request.build_tree.absolute()
        try:
            root, linked = await asyncio.to_thread(_link_notes, folder / DATA, tree)
        except OSError as error:
            raise not_stored(error, folder) from error
        if not linked:
            message = f"of {data.files} files of counters none has its .gcno file in {tree}"
            raise PlanError("E-COVERAGE-NOTES", message, path=str(tree), folder=str(folder))
        half = Path(tempfile.mkdtemp(prefix=f".{REPORT}-", suffix=".part", dir=folder))
        try:
            info = half / "coverage.info"
            capture = (
                "lcov",
                "--capture",
                "--directory",
                DATA,
                "--gcov-tool",
                request.gcov,
                "--output-file",
                str(info),
            )
            await _run(capture, folder, lambda done: tell(CoverageProgress("reading with gcov", done, linked)))
            sources, lines, ran = await asyncio.to_thread(_settle, info, root, tree)
            title = f"{data.origin.environment}, {data.origin.kernel_release}, boot {data.origin.boot_id[:8]}"
            page = ("genhtml", "--title", title, "--output-directory", str(half / "html"), str(info))
            await _run(page, folder, lambda done: tell(CoverageProgress("writing pages", done, sources)))
            os.rename(half, folder / REPORT)
        except OSError as error:
            raise not_stored(error, folder) from error
        finally:
            shutil.rmtree(half, ignore_errors=True)
        return CoverageReport(
            page=folder / REPORT / "html" / "index.html",
            sources=sources,
            lines=lines,
            lines_run=ran,
            without_notes=data.files - linked,
        )


class Receiving(Incoming):
    """See `CoverageReceiving`; the archive goes to `file` in a folder that is half.

    What is then set to zero on the machine survives a power cut here.
    """

    def __init__(self, file: BinaryIO, half: Path, request: CoverageRequest, tell: Tell) -> None:
        out = request.out.absolute()
        super().__init__(file, out, _told(tell))
        self._half = half
        self._out = out
        self._durable = request.reset
        self._inform = tell

    def keep(self, done: Completed, origin: CoverageOrigin) -> CoverageData:
        """See `CoverageReceiving.keep`."""
        self.end()
        self._see_whole(done)
        self.file.flush()
        self.file.seek(0)

        def count(number: int) -> None:
            if number % 100 == 0:
                self._inform(CoverageProgress("storing", number, self.copied))

        files = sum(1 for _ in unpack(self.file, self._half, count))
        if not files or files != self.copied:
            raise TargetError("E-COVERAGE-CUT", f"the counters did not come whole: {files} of {self.copied} files")
        (self._half / ARCHIVE).unlink()
        size = sum(each.stat().st_size for each in (self._half / DATA).rglob("*.gcda"))
        about = {**asdict(origin), "time": origin.time.isoformat(), "files": files, "bytes": size}
        (self._half / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        boot = re.sub(r"[^0-9a-f]", "", origin.boot_id)[:8]
        if self._durable:
            os.sync()
        folder = _moved(self._half, self._out, f"{origin.environment}-{origin.time:%Y%m%dT%H%M%SZ}-{boot}")
        return CoverageData(folder=folder, origin=origin, files=files, bytes=size, unread=max(self.files - files, 0))

    def _see_whole(self, done: Completed) -> None:
        why = self.fault or refused(self.said)
        if why is not None:
            raise why
        if done.status != 0 or self.said.get("status") != "0" or "end" not in self.said:
            evidence = Evidence("collecting coverage", done.status, done.error_text)
            raise TargetError("E-COVERAGE-CUT", "the counters did not come whole", evidence=evidence)
        if self.said.get("restored") != "yes":
            left = visible(self.said.get("restored", "nobody knows what"))
            raise TargetError("E-NOT-RESTORED", f"the machine was not put back as it was: {left}", left=left)


def _told(tell: Tell) -> Callable[[str, int, int], None]:
    def told(step: str, done: int, total: int) -> None:
        tell(CoverageProgress(step, bytes=done) if step == "receiving" else CoverageProgress(step, done, total))

    return told


def _moved(half: Path, out: Path, name: str) -> Path:
    """Give a folder its name, or the next that is free."""
    for number in range(1, 1000):
        folder = out / (name if number == 1 else f"{name}-{number}")
        # A folder that is empty would be replaced; one of ours never is.
        with suppress(FileExistsError, NotADirectoryError):
            if not folder.exists():
                half.rename(folder)
                return folder
    raise FileExistsError(17, "all names are taken", str(out / name))


def _release(tree: Path) -> str:
    """The release of the kernel that was built in a folder; empty: it does not tell."""
    for name in RELEASES:
        with suppress(OSError):
            found = _RELEASE.search((tree / name).read_text(encoding="utf-8", errors="replace").strip())
            if found is not None:
                return found[1]
    return ""


def _link_notes(data: Path, tree: Path) -> tuple[str, int]:
    """Put links to .gcno files beside counters: the folder that the kernel was built in there, and how many.

    Counters have the path that the build had on the machine that built it, which need not be this one.
    """
    root, linked = "", 0
    for path in sorted(data.rglob("*.gcda")):
        parts = path.relative_to(data).with_suffix(".gcno").parts
        for begin in range(len(parts)):
            notes = tree.joinpath(*parts[begin:])
            if notes.is_file():
                path.with_suffix(".gcno").symlink_to(notes)
                root, linked = "/" + "/".join(parts[:begin]), linked + 1
                break
    return root, linked


def _settle(info: Path, root: str, tree: Path) -> tuple[int, int, int]:
    """Have source files named where they are here; how many there are, their lines, and those that ran.

    A header that several files include has a record for each of them.
    """
    lines: dict[bytes, dict[bytes, bool]] = {}
    ran: dict[bytes, bool] = {}
    here, there = os.fsencode(tree) + b"/", os.fsencode(root).rstrip(b"/") + b"/"
    changed = info.with_suffix(".new")
    with info.open("rb") as old, changed.open("wb") as new:
        for line in old:
            key, _, value = line.partition(b":")
            if key == b"SF":
                source = here + value.removeprefix(there) if value.startswith(there) else value
                ran = lines.setdefault(source, {})
                line = b"SF:" + source
            elif key == b"DA":
                number, _, counted = value.strip().partition(b",")
                ran[number] = ran.get(number, False) or counted.split(b",")[0] != b"0"
            new.write(line)
    changed.replace(info)
    return len(lines), sum(map(len, lines.values())), sum(sum(each.values()) for each in lines.values())


async def _run(words: Sequence[str], folder: Path, tell: Callable[[int], None]) -> None:
    """Run a program to its end; `tell` hears how many files it has begun. Raises LocalError."""
    told, said, done = "", b"", 0

    async def read(stream: asyncio.StreamReader | None) -> None:
        nonlocal said, done
        while stream is not None and (block := await stream.read(defaults.CHUNK)):
            said = (said + block)[-16 * _TAIL :]
            count = block.count(b"Processing ")
            if count:
                done += count
                tell(done)

    try:
        async with started(("env", "LC_ALL=C", *words), folder) as process:
            await asyncio.gather(read(process.stdout), read(process.stderr))
            status = await process.wait()
    except OSError as error:
        told, status = error.strerror or "", 127
    text = told or said.decode(errors="replace")
    evidence = Evidence(shlex.join(words), status, text.strip()[-_TAIL:])
    if _OTHER_COMPILER.search(text):
        message = "gcov is of another GCC than the one that built the kernel"
        raise LocalError("E-COVERAGE-GCOV", message, path=str(folder), evidence=evidence)
    if status != 0:
        message = f"{words[0]} ended with status {status}"
        raise LocalError("E-COVERAGE-REPORT", message, path=str(folder), evidence=evidence)
