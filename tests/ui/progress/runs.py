"""Runs told event by event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from kdeploy_gui.errors import Category
from kdeploy_gui.model.event import (
    Body,
    EnvironmentFinished,
    EnvironmentQueued,
    Event,
    ReadinessChanged,
    RetryScheduled,
    RunFinished,
    RunStarted,
    RunSubmitted,
    StageFinished,
    StageProgress,
    StageStarted,
)
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status

START = datetime(2026, 11, 23, 13, 32, 8, tzinfo=UTC)
NOW = START + timedelta(seconds=192)
STAGES = tuple(Stage)
MIB = 1024 * 1024


def failure(code: str, category: Category, message: str) -> Failure:
    return Failure(code, category, message)


SPLAT = failure("E-SPLAT", Category.TARGET, "KASAN: slab-use-after-free in nsim_dev_trap_report_work")
STALLED = failure("E-STALLED", Category.NET, "No reply for 20 s")


class Story:
    """Tells a run; `at` is the time of the next event in seconds after the start."""

    def __init__(self, names: Sequence[str], run: int = 118, plan: str = "net-smoke") -> None:
        self.run = run
        self.at = 0.0
        self.events: list[Event] = []
        self.tell(RunSubmitted(plan, tuple(names)))
        self.tell(RunStarted())

    @property
    def state(self) -> RunState:
        return fold(self.events)

    def tell(self, body: Body, name: str = "", stage: Stage | None = None, attempt: int = 0) -> None:
        moment = START + timedelta(seconds=self.at)
        seq = len(self.events) + 1
        self.events.append(
            Event(seq=seq, time=moment, run=self.run, body=body, environment=name, stage=stage, attempt=attempt)
        )

    def passed(self, name: str, *seconds: float) -> None:
        """The first stages took this long each."""
        for stage, took in zip(STAGES, seconds, strict=False):
            self.tell(StageStarted(), name, stage, 1)
            self.at += took
            self.tell(StageFinished(StageOutcome.SUCCEEDED, took), name, stage, 1)

    def ready(self, name: str, *seconds: float) -> None:
        self.at = 0.0
        self.passed(name, *seconds)
        self.tell(ReadinessChanged(True, "all checks passed"), name, Stage.VALIDATING, 1)
        self.tell(EnvironmentFinished(Status.COMPLETED, True), name)

    def running(self, name: str, *seconds: float, progress: StageProgress | None = None, heard: float = 191) -> None:
        self.at = 0.0
        self.passed(name, *seconds)
        stage = STAGES[len(seconds)]
        self.tell(StageStarted(), name, stage, 1)
        if progress is not None:
            self.at = heard
            self.tell(progress, name, stage, 1)

    def retrying(self, name: str, *seconds: float, because: Failure, attempts: int, wait: float) -> None:
        self.running(name, *seconds, progress=StageProgress(25 * MIB, 41 * MIB, "bytes"), heard=100)
        stage = STAGES[len(seconds)]
        self.at = 188.0
        self.tell(StageStarted(), name, stage, attempts)
        self.tell(StageProgress(25 * MIB, 41 * MIB, "bytes"), name, stage, attempts)
        self.tell(RetryScheduled(wait, because), name, stage, attempts)

    def failed(self, name: str, *seconds: float, because: Failure, took: float) -> None:
        self.at = 0.0
        self.passed(name, *seconds)
        stage = STAGES[len(seconds)]
        self.tell(StageStarted(), name, stage, 1)
        self.at += took
        self.tell(StageFinished(StageOutcome.FAILED, took), name, stage, 1)
        self.tell(EnvironmentFinished(Status.FAILED, False, because), name)

    def queued(self, name: str, position: int, why: str = "") -> None:
        self.at = 0.0
        self.tell(EnvironmentQueued(position, why), name)

    def end(self, outcome: Outcome) -> None:
        self.at = 400.0
        self.tell(RunFinished(outcome, self.state.summary()))


NAMES = (
    "imx8mp-evk-1",
    "imx8mp-evk-2",
    "rk3588-evb",
    "am62-sk",
    "rpi5-net",
    "s32g3-rdb",
    "zcu102-lab",
    "vm-kasan",
    "vm-kcov",
    "vm-lockdep",
    "vm-gcov",
    "vm-stock",
)


def net_smoke() -> Story:
    """Twelve environments at `NOW`: 4 ready, 5 running, 1 retrying, 1 waiting, 1 failed."""
    story = Story(NAMES)
    story.ready("imx8mp-evk-1", 1, 2, 24, 8, 38, 17)
    story.retrying("imx8mp-evk-2", 1, 3, 26, because=STALLED, attempts=2, wait=8)
    story.ready("rk3588-evb", 1, 2, 19, 4, 41, 15)
    story.running("am62-sk", 1, 4, progress=StageProgress(2, 3, "packages", "installing tcpdump"))
    story.ready("rpi5-net", 1, 1, 12, 5, 33, 12)
    story.queued("s32g3-rdb", 1, "locked by run 117 (pid 4711)")
    story.running("zcu102-lab", 1, 5, 31, 44, progress=StageProgress(2, 6, "instruments", "ftrace"), heard=180)
    story.failed("vm-kasan", 1, 2, 9, 3, because=SPLAT, took=28)
    story.running("vm-kcov", 1, 2, 10, 3, 128, progress=StageProgress(9, 14, "checks", "kernel config"), heard=188)
    story.running("vm-lockdep", 1, 2, 9, 3, progress=StageProgress(3, 6, "instruments", "lockdep"))
    story.running("vm-gcov", 1, 2, 168, progress=StageProgress(round(29.6 * MIB), round(41.8 * MIB), "bytes"))
    story.ready("vm-stock", 1, 2, 7, 3, 22, 11)
    return story
