"""Semantic patches run over a source tree, several at a time, their findings stored and compared with the baseline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from kdeploy_gui.engine.pipeline import failure_of
from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.source_check import (
    CheckProgress,
    CheckRequest,
    Mode,
    PatchOutcome,
    PatchReport,
    PatchResult,
    SemanticPatch,
    SourceReport,
    Survey,
    changes,
)
from kdeploy_gui.model.version import Version
from kdeploy_gui.ports import Clock, Remedies, SourceChecker, SourceLog

Tell = Callable[[CheckProgress], None]


def unheard(progress: CheckProgress) -> None:
    """For whoever wants to hear nothing of the progress."""


@dataclass(frozen=True, slots=True)
class SourceChecking:
    """Runs semantic patches; `tell` hears how far they are, on the engine's thread."""

    clock: Clock
    remedies: Remedies
    checker: SourceChecker
    log: SourceLog
    tell: Tell = unheard

    async def run(self, request: CheckRequest) -> SourceReport:
        """One report for each semantic patch, also where one failed.

        What a semantic patch found is stored when it ends, whatever becomes of the others. Raises what
        `SourceChecker.survey` raises, and LocalError where nothing can be stored.
        """
        survey = await self.checker.survey(request)
        work = _Work(self, request, survey)
        await work.done()
        return SourceReport(
            source=str(survey.source),
            mode=request.mode,
            version=survey.version,
            files=survey.files,
            patches=tuple(work.reports[each.name] for each in survey.patches),
        )


class _Work:
    """The semantic patches of one check, in the hands of as many workers as may run at once."""

    def __init__(self, checking: SourceChecking, request: CheckRequest, survey: Survey) -> None:
        self.reports: dict[str, PatchReport] = {}
        self._checking = checking
        self._survey = survey
        self._waiting: Iterator[SemanticPatch] = iter(survey.patches)
        self._workers = min(request.jobs, len(survey.patches))
        self._request = replace(request, jobs=request.jobs // self._workers)

    async def done(self) -> None:
        """Return when all have ended; the first error of storing ends the others."""
        workers = [asyncio.ensure_future(self._worker()) for _ in range(self._workers)]
        try:
            await asyncio.gather(*workers)
        finally:
            for each in workers:
                each.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _worker(self) -> None:
        for patch in self._waiting:
            handled = 0

            def count(patch: SemanticPatch = patch) -> None:
                nonlocal handled
                handled += 1
                self._tell(patch, handled)

            self._tell(patch, 0)
            report = await self._one(patch, count)
            self.reports[patch.name] = report
            self._tell(patch, handled, report)

    def _tell(self, patch: SemanticPatch, handled: int, ended: PatchReport | None = None) -> None:
        done, total = len(self.reports), len(self._survey.patches)
        self._checking.tell(CheckProgress(patch=patch.name, handled=handled, done=done, total=total, ended=ended))

    async def _one(self, patch: SemanticPatch, count: Callable[[], None]) -> PatchReport:
        mode = patch.runs_as(self._request.mode)
        why = _unfit(patch, mode, self._survey.version)
        report = PatchReport(
            patch=patch.name,
            confidence=patch.confidence,
            outcome=PatchOutcome.LEFT_OUT,
            mode=mode or self._request.mode,
            why=why,
        )
        if why or mode is None:
            return report
        clock = self._checking.clock
        began = clock.monotonic()
        try:
            found = await self._checking.checker.run(self._survey, patch, mode, self._request, count)
        except KdeployError as error:
            failure = failure_of(error, self._checking.remedies, "", "")
            seconds = clock.monotonic() - began
            return replace(report, outcome=PatchOutcome.FAILED, seconds=seconds, failure=failure)
        result = PatchResult(
            source=str(self._survey.source), mode=mode, patch=self._scope(patch), time=clock.now(), found=found
        )
        ended = replace(report, outcome=PatchOutcome.DONE, seconds=clock.monotonic() - began, result=result)
        return await asyncio.to_thread(self._stored, ended, result)

    def _scope(self, patch: SemanticPatch) -> str:
        """What its baseline is kept under: what was found in one folder says nothing of the others."""
        folder = self._survey.folder
        return patch.name if folder == "." else f"{patch.name} in {folder}"

    def _stored(self, report: PatchReport, result: PatchResult) -> PatchReport:
        log = self._checking.log
        baseline = None if self._request.rebase else log.baseline(result.source, result.mode, result.patch)
        log.add(result, baseline=baseline is None)
        if baseline is None:
            return report
        new, gone = changes(result, baseline)
        return replace(report, baseline=baseline.time, new=new, gone=gone)


def _unfit(patch: SemanticPatch, mode: Mode | None, version: str) -> str:
    """Why a semantic patch cannot be run here; empty: it can. A version that nobody can read hinders nothing."""
    if mode is None:
        has = ", ".join(sorted(patch.modes)) or "none of the modes"
        return f"it has no such mode, only {has}" if patch.modes else f"it has {has}"
    try:
        if patch.requires and Version.parse(version).compare(Version.parse(patch.requires)) < 0:
            return f"it requires spatch {patch.requires}, this one is {version}"
    except ValueError:
        return ""
    return ""
