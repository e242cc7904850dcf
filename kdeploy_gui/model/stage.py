"""The six stages and the states of a run, an environment and a stage."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """The six stages, in the order in which they run; the value is the status an environment has meanwhile."""

    PREPARING = "preparing"
    CONNECTING = "connecting"
    DEPENDENCIES = "installing_dependencies"
    DEPLOYING = "deploying_scripts"
    INSTRUMENTATION = "configuring_instrumentation"
    VALIDATING = "validating"

    @property
    def label(self) -> str:
        """The stage's name as people read it."""
        return LABELS[self]


LABELS = {
    Stage.PREPARING: "artifact preparation",
    Stage.CONNECTING: "environment connection",
    Stage.DEPENDENCIES: "dependency installation",
    Stage.DEPLOYING: "script deployment",
    Stage.INSTRUMENTATION: "instrumentation setup",
    Stage.VALIDATING: "readiness validation",
}


LOOKING = (Stage.CONNECTING, Stage.VALIDATING)
"""Stages that change nothing on a machine: all that a validation alone goes through."""


class Status(StrEnum):
    """State of one environment within a run; while a stage runs it is that stage's value."""

    PENDING = "pending"
    PREPARING = "preparing"
    CONNECTING = "connecting"
    DEPENDENCIES = "installing_dependencies"
    DEPLOYING = "deploying_scripts"
    INSTRUMENTATION = "configuring_instrumentation"
    VALIDATING = "validating"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to this environment in this run."""
        return self in {Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.INTERRUPTED}


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class StageOutcome(StrEnum):
    """State of one stage of one environment; the last three are ends."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
