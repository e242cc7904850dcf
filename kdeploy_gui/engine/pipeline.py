"""One environment through the six stages: attempts, deadlines, and the boundary where exceptions become failures."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial

from kdeploy_gui.engine import snapshots
from kdeploy_gui.engine.context import Context
from kdeploy_gui.engine.guest import explained
from kdeploy_gui.engine.retry import is_patient, wait_before
from kdeploy_gui.engine.stages import deploy, instrument, stages_of
from kdeploy_gui.engine.verdict import Verdict
from kdeploy_gui.errors import (
    Cancelled,
    Category,
    Evidence,
    GuestError,
    KdeployError,
    KernelDead,
    KernelSplat,
    NetworkError,
    NothingKept,
    Rebooted,
    TargetError,
)
from kdeploy_gui.model.event import (
    Body,
    DependencyDone,
    EnvironmentFinished,
    FileDone,
    RetryScheduled,
    RollbackDone,
    StageFinished,
    StageStarted,
)
from kdeploy_gui.model.failure import Failure, Place
from kdeploy_gui.model.plan import Rollback
from kdeploy_gui.model.stage import Stage, StageOutcome, Status
from kdeploy_gui.ports import Remedies

Publish = Callable[[Body, Stage | None, int], None]
Durable = Callable[[], Awaitable[None]]
Admission = Callable[[], AbstractAsyncContextManager[None]]


_NOTHING_SENT = "Nothing was sent."
_WHOLE = "Every file is the previous or the new one, none is torn."
_SWITCHES = "What the run switched on in the kernel stays on until it is rolled back."
_AFTER_CANCEL: Mapping[Stage | None, str] = {
    Stage.DEPENDENCIES: "No file was sent. An installation of packages that had begun goes on to its end.",
    Stage.DEPLOYING: _WHOLE,
    Stage.INSTRUMENTATION: f"{_WHOLE} {_SWITCHES}",
    Stage.VALIDATING: f"{_WHOLE} {_SWITCHES}",
}


AFTER_REBOOT = (Stage.DEPENDENCIES, Stage.DEPLOYING, Stage.INSTRUMENTATION, Stage.VALIDATING)
"""Stages whose work on the machine a reboot may undo: files in memory, what was switched on."""


SHUT_OFF = "E-GUEST-OFF"
"""Somebody switched the guest off: nothing but a new run may start it."""


class StageFailed(Exception):
    """Ends a pipeline; carries what people are told."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def failure_of(error: Exception, remedies: Remedies, environment: str, stage: str) -> Failure:
    """What is stored and shown of an exception; anything unknown is a bug and says so."""
    if not isinstance(error, KdeployError):
        trace = "".join(traceback.format_exception(error))[-8000:]
        error = _bug(error, trace)
        category = Category.BUG
    else:
        category = error.category
    return Failure(
        code=error.code,
        category=category,
        message=error.message,
        where=Place(environment, stage, error.path),
        on_target=error.on_target,
        remedy=remedies.remedy(error, environment),
        evidence=error.evidence,
    )


def _bug(error: Exception, trace: str) -> KdeployError:
    return KdeployError(
        "E-BUG",
        f"kdeploy made a mistake: {type(error).__name__}: {error}",
        on_target="Not known: it is verified at the next contact.",
        evidence=Evidence(stderr=trace),
    )


class Pipeline:
    """Runs the stages of one context and tells the feed. `publish` takes body, stage and attempt."""

    def __init__(self, context: Context, publish: Publish, durable: Durable, verdict: Verdict) -> None:
        self._context = context
        context.catch_up = self._catch_up
        self._publish = publish
        self._durable = durable
        self._verdict = verdict
        self._stage: Stage | None = None
        self._attempt = 0
        self._repeating = False
        self._patient = 0

    def emit(self, body: Body) -> None:
        """Publish under the current stage and attempt; what stays as it was is not told twice."""
        if self._repeating and isinstance(body, FileDone | DependencyDone) and body.action in {"same", "present"}:
            return
        self._publish(body, self._stage, self._attempt)

    async def run(self, admission: Admission) -> None:
        """Wait for admission, then all stages; ends with exactly one `environment_finished`, cancelled or not."""
        try:
            await self._come_through(self._listening(admission))
            self._finish(Status.COMPLETED, None)
        except StageFailed as failed:
            self._finish(Status.FAILED, failed.failure)
        except asyncio.CancelledError:
            self._finish(Status.CANCELLED, self._cancelled())
            raise
        except Exception as error:  # noqa: BLE001 - the environment boundary: no failure here may disturb another one
            name = self._context.environment.name
            self._finish(Status.FAILED, failure_of(error, self._context.ports.remedies, name, ""))
        finally:
            await self._context.disconnect()

    def _listening(self, admission: Admission) -> Admission:
        """Admission that ends once nobody listens to the kernel any more: after it the end is told without delay."""

        @asynccontextmanager
        async def admitted() -> AsyncIterator[None]:
            context = self._context
            async with admission():
                context.console.start()
                context.guest.start()
                try:
                    yield
                finally:
                    await context.guest.stop()
                    await context.kernel_log.stop()
                    await context.console.stop()
                    context.kernel_log.settle_console()

        return admitted

    async def _come_through(self, admission: Admission) -> None:
        """All stages; where the policy wants all environments or none, the end of the others, too."""
        well = False
        try:
            async with admission():
                for stage, work in stages_of(self._context.plan):
                    await self._run_stage(stage, work)
            well = True
        finally:
            self._verdict.tell(well=well)
        context = self._context
        if context.placing and context.plan.policy.rollback is Rollback.ALL and not await self._verdict.all_well():
            error = TargetError("E-OTHERS-FAILED", "another environment of this run did not come through")
            async with admission():
                failure = failure_of(error, context.ports.remedies, context.environment.name, "")
                raise StageFailed(await self._taken_back(failure))

    def _finish(self, status: Status, failure: Failure | None) -> None:
        self._publish(EnvironmentFinished(status, self._context.ready, failure), None, 0)

    def _cancelled(self) -> Failure:
        stage, context = self._stage, self._context
        error = Cancelled(
            "E-CANCELLED",
            f"cancelled in stage {stage.label}" if stage else "cancelled before it started",
            on_target=_NOTHING_SENT if context.plan.validates else _AFTER_CANCEL.get(stage, _NOTHING_SENT),
        )
        return failure_of(error, context.ports.remedies, context.environment.name, stage.value if stage else "")

    async def _run_stage(self, stage: Stage, work: Callable[[Context], Awaitable[None]]) -> None:
        clock = self._context.ports.clock
        started = clock.monotonic()
        self._stage, self._attempt, self._patient = stage, 0, 0
        outcome = StageOutcome.FAILED
        try:
            while (wait := await self._attempt_stage(work)) is not None:
                await clock.sleep(wait)
            outcome = StageOutcome.SUCCEEDED
        except asyncio.CancelledError:
            outcome = StageOutcome.CANCELLED
            raise
        finally:
            self.emit(StageFinished(outcome, round(clock.monotonic() - started, 3)))

    async def _attempt_stage(self, work: Callable[[Context], Awaitable[None]]) -> float | None:
        """One attempt: None when it succeeded, else the seconds to wait before the next. Raises StageFailed."""
        self._attempt += 1
        self.emit(StageStarted())
        try:
            await self._durable()
            await self._in_time(work)
        except Exception as error:  # noqa: BLE001 - the stage boundary: an unknown exception is recorded as a bug
            return await self._after_failure(error)
        return None

    async def _in_time(self, work: Callable[[Context], Awaitable[None]]) -> None:
        limit = self._context.plan.policy.stage_timeout
        deadline = asyncio.timeout(limit)
        try:
            async with deadline:
                await self._catch_up()
                await self._context.kernel_log.guard(partial(work, self._context))
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise NetworkError(
                "E-STAGE-TIMEOUT",
                f"the stage did not end within {limit:g} s",
                on_target="Not known: it is verified at the next contact.",
                limit=f"{limit:g}",
            ) from error

    async def _catch_up(self) -> None:
        """After a reboot: what earlier stages did is verified, and done again where it is gone, before this one."""
        context = self._context
        if self._attempt > 1 and self._stage in AFTER_REBOOT:
            await context.target()
        if not context.rebooted:
            return
        self._repeating = True
        try:
            for stage, work in stages_of(context.plan):
                if stage is self._stage:
                    break
                if stage in AFTER_REBOOT and not context.plan.takes_back:
                    await work(context)
        finally:
            self._repeating = False
        context.rebooted = False

    async def _after_failure(self, error: Exception) -> float:
        if self._stage is None:
            raise RuntimeError("a failure outside any stage") from error
        context = self._context
        error = await explained(context.ports.guests, context.environment, error)
        if isinstance(error, NetworkError | GuestError) and not error.evidence.console:
            error.evidence = replace(error.evidence, console=context.console.last_lines())
        failure = failure_of(error, context.ports.remedies, context.environment.name, self._stage.value)
        draw = random.uniform(-1, 1)  # noqa: S311 - jitter, not a secret
        self._patient += is_patient(error)
        attempt = self._patient if is_patient(error) else self._attempt - self._patient
        wait = wait_before(error, attempt, context.plan.policy, draw)
        if isinstance(error, NetworkError | GuestError):
            await context.disconnect()
        if wait is None:
            if isinstance(error, KernelSplat):
                await context.kernel_log.evidence()
                context.console.store()
                await self._durable()
            if isinstance(error, TargetError | Rebooted | GuestError) and self._stage is not Stage.CONNECTING:
                await context.drop_mark(f"run {context.run}: {error.message}")
            if isinstance(error, KernelDead) and not context.snapshot:
                raise StageFailed(self._dead(failure)) from error
            raise StageFailed(await self._taken_back(failure)) from error
        self.emit(RetryScheduled(round(wait, 3), failure))
        return wait

    def _dead(self, failure: Failure) -> Failure:
        """The failure of a machine that nothing can be done with now."""
        if not self._context.placing:
            return failure
        later = f"`kdeploy rollback {self._context.run}` puts the previous version back then."
        return replace(failure, on_target=f"{failure.on_target} Files of this run may be in place: {later}")

    async def _taken_back(self, failure: Failure) -> Failure:
        """The failure, after what this run switched on and placed was taken back where its policy says so."""
        context = self._context
        policy = context.plan.policy.rollback
        if policy is Rollback.NONE or failure.category in {Category.TRUST, Category.AUTH}:
            return failure
        if context.switched:
            failure = await self._switched_back(failure)
        if not context.placing and not (context.snapshot and context.lacked):
            return failure
        if failure.code == SHUT_OFF:
            return self._left(failure, "it was shut off, and is not started again for that")
        try:
            async with asyncio.timeout(context.plan.policy.stage_timeout):
                if context.snapshot and await snapshots.go_back(context, context.run):
                    return replace(failure, on_target=f"It is back at the snapshot {context.snapshot}.")
                done = await deploy.take_back(context, context.run)
        except NothingKept:
            return failure
        except (KdeployError, TimeoutError) as error:
            return self._left(failure, str(error) or "it took too long")
        said = f"{len(done.restored)} files restored, {len(done.removed)} removed"
        return replace(failure, on_target=f"The previous version is back: {said}.")

    async def _switched_back(self, failure: Failure) -> Failure:
        """The failure, after what this run switched on was taken back."""
        try:
            async with asyncio.timeout(self._context.plan.policy.stage_timeout):
                left = await instrument.take_back(self._context)
        except (KdeployError, TimeoutError) as error:
            left = str(error) or "it took too long"
        if not left:
            return failure
        return replace(failure, on_target=f"{failure.on_target} Not switched back: {left}.".strip())

    def _left(self, failure: Failure, because: str) -> Failure:
        self.emit(RollbackDone(self._context.run, because=because))
        return replace(failure, on_target=f"{failure.on_target} Not taken back: {because}.".strip())
