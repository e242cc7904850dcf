"""The readiness validation of a run again, without sending anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kdeploy_gui.app.plans import DeployOptions, Plans
from kdeploy_gui.app.retrying import Replanned, planned_with
from kdeploy_gui.app.run_files import files_of
from kdeploy_gui.artifacts.store import ArtifactStore
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.event import Event, FileDone
from kdeploy_gui.model.history import RunQuery
from kdeploy_gui.model.plan import PlannedFile, SourceFile
from kdeploy_gui.model.run import EnvironmentState, RunState, fold
from kdeploy_gui.model.stage import Stage, StageOutcome
from kdeploy_gui.model.stored import KeptFile
from kdeploy_gui.ports import EventLog

PAGE = 50
"""Runs of an environment that are looked at together."""


@dataclass(frozen=True, slots=True)
class Validations:
    """Which runs can be validated again, and the plans that do that."""

    plans: Plans
    history: EventLog
    store: ArtifactStore

    def last(self, environment: str) -> int:
        """The newest run that deployed to an environment and was not taken back. Raises LocalError E-VALIDATE-NONE."""
        before, gone = 0, set[int]()
        while page := self.history.runs(RunQuery(environment=environment, before=before, limit=PAGE)):
            for record in page:
                state = fold(self.history.events(record.run))
                found = state.environments[environment]
                if state.takes_back and found.taken_back:
                    gone.add(state.takes_back)
                elif _has_deployed(state, found) and record.run not in gone:
                    return record.run
            before = page[-1].run
        raise LocalError(
            "E-VALIDATE-NONE", f"no run has deployed to {environment}, or all were taken back", name=environment
        )

    def planned(self, run: int, environments: Sequence[str]) -> Replanned:
        """A plan that makes the checks of a run again; of a run that only validated, those of the run before it.

        Raises LocalError E-RUN-UNKNOWN, E-VALIDATE-RUNS, E-VALIDATE-RETRY, E-RUN-NOT-KEPT, E-RETRY-NO-PLAN, and
        PlanError E-RETRY-PLAN.
        """
        events = self.history.events(run)
        state = fold(events)
        if state.validates:
            return self.planned(state.validates, environments)
        unknown = [name for name in environments if name not in state.environments]
        if unknown or not state.environments:
            words = f"has no environment {', '.join(unknown)}" if state.environments else "is not in the history"
            raise LocalError("E-RUN-UNKNOWN", f"run {run} {words}", run=str(run))
        for name in environments:
            _check(state, state.environments[name])
        kept = self._kept(run, events)
        again = planned_with(
            self.plans, self.history, run, DeployOptions(tuple(environments), state.priority), tuple(map(_file, kept))
        )
        digests = {each.source: each.sha256 for each in kept}
        plan = replace(again.plan, name=f"validation of run {run}", validates=run, digests=digests)
        return Replanned(plan, again.source)

    def _kept(self, run: int, events: Sequence[Event]) -> tuple[KeptFile, ...]:
        """What the run placed; nothing where its plan has no files."""
        if not any(isinstance(each.body, FileDone) for each in events):
            return ()
        return files_of(self.store, run, events).files


def _has_deployed(state: RunState, environment: EnvironmentState) -> bool:
    stages = {each.stage: each.outcome for each in environment.stages}
    return stages[Stage.DEPLOYING] is StageOutcome.SUCCEEDED and not state.takes_back


def _check(state: RunState, environment: EnvironmentState) -> None:
    """Raise LocalError where the checks of an environment cannot be made again."""
    run, name = state.run, environment.name
    if state.takes_back:
        why = f"run {run} took back run {state.takes_back}, so there is nothing of it to validate"
        raise LocalError("E-VALIDATE-RETRY", why, run=str(state.takes_back), name=name)
    if not environment.status.is_final:
        raise LocalError("E-VALIDATE-RUNS", f"run {run} goes on in {name}", run=str(run))
    if environment.can_validate:
        return
    if environment.taken_back:
        why = f"run {run} took its files back from {name}: there is nothing of it to validate"
    else:
        why = f"run {run} did not get to the validation of {name}, so not all that it brings is there"
    raise LocalError("E-VALIDATE-RETRY", why, run=str(run), name=name)


def _file(file: KeptFile) -> PlannedFile:
    """A file as it stands there; its content is not needed."""
    return PlannedFile(
        source=SourceFile(file.source, file.relative, file.size),
        target=file.target,
        type=file.type,
        mode=file.mode,
        owner=file.owner,
        sensitive=file.sensitive,
        artifact=file.artifact,
        link=file.link,
    )
