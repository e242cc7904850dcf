"""Which runs can be validated again, told from their events alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from kdeploy_gui.app import home_from_environment, open_services
from kdeploy_gui.app.validating import Validations
from kdeploy_gui.artifacts.store import ArtifactStore
from kdeploy_gui.errors import LocalError, PlanError
from kdeploy_gui.history.memory import MemoryEventLog
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import (
    Body,
    EnvironmentFinished,
    Event,
    FileDone,
    RollbackDone,
    RunSubmitted,
    StageFinished,
    StageStarted,
)
from kdeploy_gui.model.plan import PlanSource
from kdeploy_gui.model.stage import Stage, StageOutcome, Status
from tests.cli.program import Lab
from tests.strategies import START

NAME = "board-a"
PASSED = StageFinished(StageOutcome.SUCCEEDED, 1.0)
DEPLOYED: list[tuple[Body, Stage | None]] = [
    (StageStarted(), Stage.DEPLOYING),
    (PASSED, Stage.DEPLOYING),
    (StageStarted(), Stage.VALIDATING),
]
FAILED: tuple[Body, Stage | None] = (EnvironmentFinished(Status.FAILED, False), None)


@pytest.fixture
def validations(kdeploy_home: Path, tmp_path: Path) -> Iterator[Validations]:
    lab = Lab(kdeploy_home, tmp_path / "plan")
    lab.add(Environment(name=NAME, host="127.0.0.1", port=1))
    lab.write_plan()
    with open_services(home_from_environment()) as services:
        yield Validations(services.plans, MemoryEventLog(), ArtifactStore(tmp_path / "artifacts"))


def told(
    validations: Validations, bodies: Sequence[tuple[Body, Stage | None]], *, takes_back: int = 0, validates: int = 0
) -> int:
    """A run of one environment with these events."""
    log = validations.history
    source = PlanSource(f'name = "x"\nenvironments = ["{NAME}"]\n', Path("/"))
    run = log.begin("x", [NAME], source)
    head = RunSubmitted("x", (NAME,), takes_back=takes_back, validates=validates)
    events = [Event(seq=1, time=START, run=run, body=head)]
    events += [
        Event(seq=seq, time=START, run=run, body=body, environment=NAME, stage=stage, attempt=1)
        for seq, (body, stage) in enumerate(bodies, 2)
    ]
    log.append(events)
    return run


def code_of(validations: Validations, run: int, name: str = NAME) -> str:
    with pytest.raises((LocalError, PlanError)) as refused:
        validations.planned(run, [name])
    assert isinstance(refused.value, LocalError)
    return refused.value.code


def test_the_last_run_is_the_newest_that_deployed_and_still_stands(validations: Validations) -> None:
    with pytest.raises(LocalError, match="no run has deployed to board-a"):
        validations.last(NAME)
    first = told(validations, [*DEPLOYED, FAILED])
    second = told(validations, [*DEPLOYED, FAILED])
    told(validations, [(StageStarted(), Stage.CONNECTING), FAILED])
    told(validations, [(StageStarted(), Stage.VALIDATING), FAILED], validates=second)
    assert validations.last(NAME) == second
    told(validations, [*DEPLOYED, (RollbackDone(second, because="it is full"), None), FAILED], takes_back=second)
    assert validations.last(NAME) == second, "it could not be taken back"
    told(validations, [*DEPLOYED, (RollbackDone(second, 1), None), FAILED], takes_back=second)
    assert validations.last(NAME) == first
    told(validations, [*DEPLOYED, (RollbackDone(first, 1), None), FAILED], takes_back=first)
    with pytest.raises(LocalError, match="all were taken back"):
        validations.last(NAME)


def test_a_plan_makes_the_checks_of_the_run_that_deployed(validations: Validations) -> None:
    run = told(validations, [*DEPLOYED, FAILED])
    again = told(validations, [(StageStarted(), Stage.VALIDATING), FAILED], validates=run)
    for number in (run, again):
        plan = validations.planned(number, [NAME]).plan
        assert (plan.validates, plan.name, plan.files) == (run, f"validation of run {run}", ())


def test_what_cannot_be_validated_says_why(validations: Validations) -> None:
    going = told(validations, DEPLOYED)
    early = told(validations, [*DEPLOYED[:2], FAILED])
    back = told(validations, [*DEPLOYED, (RollbackDone(3, 1), None), FAILED])
    rollback = told(validations, [*DEPLOYED, FAILED], takes_back=going)
    file = (FileDone("/opt/x", "sent", 1, "00"), Stage.DEPLOYING)
    unkept = told(validations, [file, *DEPLOYED, FAILED])
    assert code_of(validations, going) == "E-VALIDATE-RUNS"
    assert [code_of(validations, run) for run in (early, back, rollback)] == ["E-VALIDATE-RETRY"] * 3
    assert code_of(validations, unkept) == "E-RUN-NOT-KEPT"
    assert code_of(validations, 99) == code_of(validations, early, "board-x") == "E-RUN-UNKNOWN"
