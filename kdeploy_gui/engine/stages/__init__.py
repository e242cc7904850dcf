"""The six stages in the order in which they run; none knows another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from kdeploy_gui.engine.context import Context
from kdeploy_gui.engine.stages import connect, dependencies, deploy, instrument, prepare, validate
from kdeploy_gui.model.plan import Plan
from kdeploy_gui.model.stage import LOOKING, Stage

STAGES: tuple[tuple[Stage, Callable[[Context], Awaitable[None]]], ...] = (
    (Stage.PREPARING, prepare.run),
    (Stage.CONNECTING, connect.run),
    (Stage.DEPENDENCIES, dependencies.run),
    (Stage.DEPLOYING, deploy.run),
    (Stage.INSTRUMENTATION, instrument.run),
    (Stage.VALIDATING, validate.run),
)


def stages_of(plan: Plan) -> tuple[tuple[Stage, Callable[[Context], Awaitable[None]]], ...]:
    """The stages that a run of a plan goes through."""
    return tuple(each for each in STAGES if each[0] in LOOKING) if plan.validates else STAGES
